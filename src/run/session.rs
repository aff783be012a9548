//! One run: from a request to a picture, one token at a time, with everything a person can look at as events.
//!
//! The command line and the app consume the same [`Event`]s and compute nothing themselves. [`Session::step`] never
//! blocks on a GPU: it picks up what has arrived and submits more. Controls changed on the way take effect with the
//! next submit and are noted with their position, so a trace replays exactly.

use std::time::Duration;

use web_time::Instant;

use super::event::{Event, Statistics, Token};
use super::pace::Pace;
use super::request::Request;
use crate::checkpoint::config::Generator;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::engine::state::DRAW;
use crate::engine::{ControlsUniform, Engine, Record};
use crate::error::{Error, Result};
use crate::patching::{Patch, Patches, StartReason};

/// One run on an engine.
pub struct Session {
    engine: Engine,
    request: Request,
    grid: usize,
    vocab: usize,
    controls: Controls,
    changed: bool,
    changes: Vec<(usize, Controls)>,
    tokens: Vec<Token>,
    submitted: usize,
    submits: usize,
    pace: Pace,
    limit: usize,
    paused: bool,
    stopped: bool,
    done: bool,
    patch_first: usize,
    /// What has ended the run, until it is told.
    failed: Option<Error>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?}, {} tokens)", self.request.generator, self.tokens.len())
    }
}

impl Session {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`Error::Request`] for a request the model or engine cannot serve, [`Error::DeviceLost`].
    pub fn new(mut engine: Engine, config: &ModelConfig, request: Request) -> Result<Self> {
        request.check(config)?;
        let program = engine.program();
        if program.patches != (request.generator == Generator::Dpar) {
            return Err(Error::Internal("the engine was built for another generator than the request's".into()));
        }
        for controls in [&request.controls].into_iter().chain(request.schedule.iter().map(|(_, controls)| controls)) {
            check_lanes(controls, program.lanes)?;
        }
        let forced: Vec<u32> = request.forced.iter().map(|t| t.unwrap_or(DRAW)).collect();
        engine.start(&request.class, &forced)?;
        let tokens = engine.program().tokens;
        Ok(Self {
            grid: config.grid(),
            vocab: config.vocab(),
            controls: request.controls.clone(),
            changed: true,
            changes: Vec::new(),
            tokens: Vec::with_capacity(tokens),
            submitted: 0,
            submits: 0,
            pace: Pace::default(),
            limit: tokens,
            paused: false,
            stopped: false,
            done: false,
            patch_first: 0,
            failed: None,
            engine,
            request,
        })
    }

    /// How long one submit should keep the GPU (a page that paints wants 8 ms, a command line can take more).
    #[must_use]
    pub fn with_budget(mut self, budget: Duration) -> Self {
        self.pace.budget = budget;
        self
    }

    /// As [`Session::with_budget`], on the way.
    pub fn set_budget(&mut self, budget: Duration) {
        self.pace.budget = budget;
    }

    /// The request the run was started with.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The tokens drawn so far.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The patches so far.
    pub fn patches(&self) -> Patches {
        let starts = self.tokens.iter().map(|t| t.starts_patch.is_some()).collect();
        Patches::from_starts(starts, self.grid as u32)
    }

    /// The controls now in force.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Control changes with the position they took effect at.
    pub fn changes(&self) -> &[(usize, Controls)] {
        &self.changes
    }

    /// How many submits the run has taken (0 on the CPU).
    pub fn submits(&self) -> usize {
        self.submits
    }

    /// Milliseconds a token so far, pauses excluded; `None` before the first.
    pub fn ms_per_token(&self) -> Option<f64> {
        let tokens = self.tokens.len();
        (tokens > 0).then(|| self.pace.elapsed.as_secs_f64() * 1000.0 / tokens as f64)
    }

    /// Whether the run is over.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Changes the controls from the next submit on.
    ///
    /// # Errors
    /// [`Error::Request`] for numbers out of range; the old controls stay.
    pub fn set_controls(&mut self, controls: Controls) -> Result<()> {
        self.set_controls_from(0, controls)
    }

    /// As [`Session::set_controls`], but not before `position`: tokens that are given because they were there before a
    /// device was lost were drawn under the controls of then.
    ///
    /// # Errors
    /// As [`Session::set_controls`].
    pub fn set_controls_from(&mut self, position: usize, controls: Controls) -> Result<()> {
        controls.check()?;
        check_lanes(&controls, self.engine.program().lanes)?;
        if position > self.submitted {
            let schedule = &mut self.request.schedule;
            schedule.retain(|(at, _)| *at != position);
            let index = schedule.partition_point(|(at, _)| *at < position);
            schedule.insert(index, (position, controls));
        } else if controls != self.controls {
            self.controls = controls.clone();
            self.changed = true;
            self.changes.retain(|(at, _)| *at < self.submitted);
            self.changes.push((self.submitted, controls));
        }
        Ok(())
    }

    /// Pauses: nothing more is submitted until [`Session::resume`].
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on after [`Session::pause`] or [`Session::run_to`].
    pub fn resume(&mut self) {
        self.run_to(self.engine.program().tokens);
    }

    /// Runs on, but only until `position` tokens are drawn (single steps).
    pub fn run_to(&mut self, position: usize) {
        self.paused = false;
        self.limit = position.min(self.engine.program().tokens);
        if self.tokens.len() == self.submitted {
            self.pace.held(); // nothing in flight: the time until now was a pause
        }
    }

    /// Ends the run with what is drawn; [`Event::Done`] follows once the GPU has handed over what it was given.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Hands the engine back for the next run.
    pub fn into_engine(self) -> Engine {
        self.engine
    }

    /// Picks up what has arrived and submits more. Does not block on a GPU; on the CPU it works for about the budget.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]: [`Session::continuation`] then says how to go on elsewhere.
    pub fn step(&mut self) -> Result<Vec<Event>> {
        self.advance(false)
    }

    /// As [`Session::step`], but waits for the GPU where there is nothing else to do (native).
    ///
    /// # Errors
    /// As [`Session::step`].
    pub fn step_blocking(&mut self) -> Result<Vec<Event>> {
        self.advance(true)
    }

    /// The request that draws the same picture from the token this run has reached: after a device was lost.
    pub fn continuation(&self) -> Request {
        let mut forced: Vec<Option<u32>> = self.tokens.iter().map(|t| Some(t.id)).collect();
        forced.extend(self.request.forced.iter().skip(forced.len()));
        Request { forced, schedule: self.schedule(), ..self.request.clone() }
    }

    /// All control changes of the run: those made so far, and those that it was given and has not come to yet.
    pub fn schedule(&self) -> Vec<(usize, Controls)> {
        self.changes.iter().chain(&self.request.schedule).cloned().collect()
    }

    fn advance(&mut self, block: bool) -> Result<Vec<Event>> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let mut events = Vec::new();
        if !self.done
            && let Err(e) = self.submit().and_then(|()| self.collect(block, &mut events))
        {
            // What was accepted before is told first.
            if events.is_empty() {
                return Err(e);
            }
            self.failed = Some(e);
        }
        Ok(events)
    }

    /// Positions up to which tokens may be submitted now.
    fn end(&self) -> usize {
        if self.paused || self.stopped { self.submitted } else { self.limit }
    }

    fn submit(&mut self) -> Result<()> {
        let Engine::Gpu(_) = &self.engine else { return Ok(()) };
        while self.submitted < self.end() {
            let Engine::Gpu(gpu) = &self.engine else { return Ok(()) };
            if !gpu.ready() {
                return Ok(());
            }
            let count = self.next_chunk();
            let from = self.submitted;
            let Engine::Gpu(gpu) = &mut self.engine else { return Ok(()) };
            gpu.submit(from..from + count);
            self.pace.submitted(count, Instant::now());
            self.submits += 1;
            self.submitted += count;
        }
        Ok(())
    }

    /// Applies scheduled and live changes due now; returns how many tokens may follow under them.
    fn next_chunk(&mut self) -> usize {
        while let Some((at, controls)) = self.request.schedule.first().cloned() {
            if at > self.submitted {
                break;
            }
            self.request.schedule.remove(0);
            self.controls = controls.clone();
            self.changes.push((self.submitted, controls));
            self.changed = true;
        }
        if std::mem::take(&mut self.changed) {
            let rule = self.controls.rule(self.grid);
            self.engine.set_controls(&ControlsUniform::new(
                &rule,
                &self.controls.sampling,
                self.request.seed,
                self.vocab,
            ));
        }
        let until = self.request.schedule.first().map_or(self.end(), |(at, _)| (*at).min(self.end()));
        self.pace.chunk(until - self.submitted)
    }

    fn collect(&mut self, block: bool, events: &mut Vec<Event>) -> Result<()> {
        if matches!(self.engine, Engine::Cpu(_)) {
            let started = Instant::now();
            while self.submitted < self.end() && started.elapsed() < self.pace.budget {
                let begun = Instant::now();
                self.next_chunk();
                let from = self.submitted;
                let Engine::Cpu(cpu) = &mut self.engine else { break };
                let records = cpu.run(from..from + 1);
                self.submitted += 1;
                self.pace.elapsed += begun.elapsed();
                self.accept(&records, events)?;
            }
        } else {
            let mut wait = block;
            while let Engine::Gpu(gpu) = &mut self.engine {
                let Some(records) = gpu.poll(wait)? else { break };
                wait = false;
                self.pace.arrived(Instant::now());
                self.accept(&records, events)?;
            }
        }
        if !self.done && self.tokens.len() == self.submitted && (self.stopped || self.tokens.len() == self.total()) {
            self.finish(events);
        }
        Ok(())
    }

    fn total(&self) -> usize {
        self.engine.program().tokens
    }

    fn accept(&mut self, records: &[Record], events: &mut Vec<Event>) -> Result<()> {
        let patches = self.engine.program().patches;
        for r in records {
            let position = self.tokens.len();
            if r.position() != Some(position) {
                let found = r.position().map_or_else(|| "nothing".to_owned(), |at| format!("token {at}"));
                return Err(Error::DeviceLost(format!("where token {position} should be, the device wrote {found}")));
            }
            if !(r.entropy.is_finite() && r.probability.is_finite()) {
                return Err(Error::Checkpoint {
                    file: "the model's weights".into(),
                    problem: format!(
                        "overflow at token {position}: they are damaged, or from a training that diverged"
                    ),
                });
            }
            let starts_patch = if patches { r.start() } else { Some(StartReason::Every) };
            if starts_patch.is_some() && position > 0 {
                self.close(events);
            }
            let token = Token::drawn(position, r, starts_patch, patches, self.vocab);
            self.tokens.push(token.clone());
            events.push(Event::Token(token));
        }
        Ok(())
    }

    /// The patch that ends with the newest token.
    fn close(&mut self, events: &mut Vec<Event>) {
        let (first, end) = (self.patch_first, self.tokens.len());
        self.patch_first = end;
        events.push(Event::PatchClosed(Patch {
            first,
            len: end - first,
            row: first / self.grid,
            first_column: first % self.grid,
            last_column: (end - 1) % self.grid,
        }));
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.done = true;
        // What was to count from a token that was never drawn has changed nothing.
        self.changes.retain(|(at, _)| *at < self.tokens.len());
        self.request.schedule.clear();
        if !self.tokens.is_empty() {
            self.close(events);
        }
        let patches = self.patches();
        events.push(Event::Done(Statistics {
            tokens: self.tokens.len(),
            patches: if self.engine.program().patches { patches.count() } else { 0 },
            average_patch_length: patches.average_length(),
            elapsed: self.pace.elapsed,
            stopped: self.tokens.len() < self.total(),
        }));
    }
}

fn check_lanes(controls: &Controls, lanes: usize) -> Result<()> {
    if lanes == 1 && controls.sampling.cfg_scale != 1.0 {
        return Err(Error::Request(
            "guidance needs two lanes and this run was started without guidance; start a new run to use it".into(),
        ));
    }
    Ok(())
}
