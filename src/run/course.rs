//! One picture of a run: what was asked for, what has come of it.

use std::time::Duration;

use super::event::{Event, Statistics, Token};
use super::request::Request;
use crate::controls::Controls;
use crate::engine::gpu::TimedBy;
use crate::engine::{ControlsUniform, Record};
use crate::error::{Error, Result};
use crate::patching::{Patch, Patches, StartReason};

/// What is the same for all pictures of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// Grid side g.
    pub grid: usize,
    /// Codebook entries V.
    pub vocab: usize,
    /// Tokens of a whole picture, T.
    pub tokens: usize,
    /// Whether boundaries are placed (DPAR) or every token is a step (baseline).
    pub patches: bool,
}

/// How far one picture has come.
#[derive(Debug)]
pub struct Course {
    request: Request,
    controls: Controls,
    /// The engine does not know the controls yet.
    changed: bool,
    changes: Vec<(usize, Controls)>,
    tokens: Vec<Token>,
    patch_first: usize,
    /// Tokens it will have: T, or fewer since it was stopped.
    end: usize,
    stopped: bool,
    done: bool,
}

impl Course {
    pub(super) fn new(request: Request, tokens: usize) -> Self {
        Self {
            controls: request.controls.clone(),
            changed: true,
            changes: Vec::new(),
            tokens: Vec::with_capacity(tokens),
            patch_first: 0,
            end: tokens,
            stopped: false,
            done: false,
            request,
        }
    }

    /// What was asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The tokens drawn so far.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The controls now in force.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Control changes with the position they took effect at.
    pub fn changes(&self) -> &[(usize, Controls)] {
        &self.changes
    }

    /// Whether all its tokens are there, or those that it had when it was stopped.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The request that draws the same picture from the token this one has reached: after a device was lost.
    pub fn continuation(&self) -> Request {
        let mut forced: Vec<Option<u32>> = self.tokens.iter().map(|t| Some(t.id)).collect();
        forced.extend(self.request.forced.iter().skip(forced.len()));
        Request { forced, schedule: self.schedule(), ..self.request.clone() }
    }

    /// All control changes: those made so far, and those that it was given and has not come to yet.
    pub fn schedule(&self) -> Vec<(usize, Controls)> {
        self.changes.iter().chain(&self.request.schedule).cloned().collect()
    }

    pub(super) fn patches(&self, given: Given) -> Patches {
        Patches::from_starts(self.tokens.iter().map(|t| t.starts_patch.is_some()).collect(), given.grid as u32)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Tokens it will have.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// It ends with the tokens that are under way.
    pub(super) fn stop(&mut self, submitted: usize) {
        if !self.stopped {
            self.end = self.end.min(submitted);
        }
        self.stopped = true;
    }

    /// Changes the controls from a position on, or from what is submitted next.
    pub(super) fn set_controls(&mut self, position: usize, submitted: usize, controls: Controls) {
        if position > submitted {
            let schedule = &mut self.request.schedule;
            schedule.retain(|(at, _)| *at != position);
            let index = schedule.partition_point(|(at, _)| *at < position);
            schedule.insert(index, (position, controls));
        } else if controls != self.controls {
            self.controls = controls.clone();
            self.changed = true;
            self.changes.retain(|(at, _)| *at < submitted);
            self.changes.push((submitted, controls));
        }
    }

    /// Makes the changes that are due; what the engine has to know, if it does not.
    pub(super) fn due(&mut self, submitted: usize, given: Given) -> Option<ControlsUniform> {
        while let Some((at, controls)) = self.request.schedule.first().cloned() {
            if at > submitted {
                break;
            }
            self.request.schedule.remove(0);
            self.controls = controls.clone();
            self.changes.push((submitted, controls));
            self.changed = true;
        }
        let rule = self.controls.rule(given.grid);
        let uniform = || ControlsUniform::new(&rule, &self.controls.sampling, self.request.seed, given.vocab);
        std::mem::take(&mut self.changed).then(uniform)
    }

    /// Where the controls change next.
    pub(super) fn next_change(&self) -> Option<usize> {
        self.request.schedule.first().map(|(at, _)| *at)
    }

    /// Takes the record of the next token.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] for what is no record of it, [`Error::Checkpoint`] where the model has overflown.
    pub(super) fn accept(&mut self, record: &Record, given: Given) -> Result<Vec<Event>> {
        let position = self.tokens.len();
        if record.position() != Some(position) {
            let found = record.position().map_or_else(|| "nothing".to_owned(), |at| format!("token {at}"));
            return Err(Error::DeviceLost(format!("where token {position} should be, the device wrote {found}")));
        }
        if !(record.entropy.is_finite() && record.probability.is_finite()) {
            return Err(Error::Checkpoint {
                file: "the model's weights".into(),
                problem: format!("overflow at token {position}: they are damaged, or from a training that diverged"),
            });
        }
        let starts_patch = if given.patches { record.start() } else { Some(StartReason::Every) };
        let mut events = Vec::new();
        if starts_patch.is_some() && position > 0 {
            events.push(self.close(given));
        }
        let token = Token::drawn(position, record, starts_patch, given.patches, given.vocab);
        self.tokens.push(token.clone());
        events.push(Event::Token(token));
        Ok(events)
    }

    /// The patch that ends with the newest token.
    fn close(&mut self, given: Given) -> Event {
        let (first, end) = (self.patch_first, self.tokens.len());
        self.patch_first = end;
        Event::PatchClosed(Patch {
            first,
            len: end - first,
            row: first / given.grid,
            first_column: first % given.grid,
            last_column: (end - 1) % given.grid,
        })
    }

    /// No more tokens come.
    pub(super) fn finish(&mut self, given: Given, elapsed: Duration, timed_by: Option<TimedBy>) -> Vec<Event> {
        self.done = true;
        // What was to count from a token that was never drawn has changed nothing.
        self.changes.retain(|(at, _)| *at < self.tokens.len());
        self.request.schedule.clear();
        let mut events = Vec::new();
        if !self.tokens.is_empty() {
            events.push(self.close(given));
        }
        let patches = self.patches(given);
        events.push(Event::Done(Statistics {
            tokens: self.tokens.len(),
            patches: if given.patches { patches.count() } else { 0 },
            average_patch_length: patches.average_length(),
            elapsed,
            timed_by,
            stopped: self.tokens.len() < given.tokens,
        }));
        events
    }
}
