//! How much is submitted at once, and how long a run has taken without its pauses.

use std::ops::Range;
use std::time::Duration;

use super::event::Event;
use super::side_by_side::SideBySide;
use crate::engine::gpu::{Delivery, MAX_TOKENS, TimedBy};
use crate::engine::{ControlsUniform, GpuExecutor};
use crate::error::Result;

/// What is fed with submits: a GPU (or, in a test, what stands in for one).
pub(super) trait Feed {
    /// Whether another submit finds room.
    fn ready(&self) -> bool;
    /// Tokens a submit at most.
    fn most(&self) -> usize;
    /// Sets a picture's controls for what is submitted from now on.
    fn set_controls(&mut self, picture: usize, controls: &ControlsUniform);
    /// Enqueues tokens.
    fn submit(&mut self, positions: Range<usize>);
    /// The oldest submit, if it has arrived; with `wait` it is waited for.
    fn poll(&mut self, wait: bool) -> Result<Option<Delivery>>;
}

impl Feed for GpuExecutor {
    fn ready(&self) -> bool {
        self.ready()
    }

    fn most(&self) -> usize {
        self.program().most
    }

    fn set_controls(&mut self, picture: usize, controls: &ControlsUniform) {
        self.set_controls(picture, controls);
    }

    fn submit(&mut self, positions: Range<usize>) {
        self.submit(positions);
    }

    fn poll(&mut self, wait: bool) -> Result<Option<Delivery>> {
        self.poll(wait)
    }
}

/// Tokens of the first submit where nobody knows yet how long they take: three such submits do not hold up a slow adapter's frame
/// for long, and teach enough about a fast one.
const FIRST: usize = 4;

/// The size of submits, fitted to a budget, and the time of a run.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long one submit should keep the GPU.
    pub budget: Duration,
    /// Time spent running.
    pub elapsed: Duration,
    /// What it was measured by; of several the least.
    pub timed_by: Option<TimedBy>,
    /// Submits so far.
    pub submits: usize,
    chunk: usize,
}

impl Pace {
    /// Beginning with submits of the size that the run before has found out.
    pub fn new(chunk: Option<usize>) -> Self {
        let (budget, elapsed) = (Duration::from_millis(8), Duration::ZERO);
        Self { budget, elapsed, timed_by: None, submits: 0, chunk: chunk.unwrap_or(FIRST) }
    }

    /// How many tokens the next submit takes at most.
    pub fn chunk(&self) -> usize {
        self.chunk.clamp(1, MAX_TOKENS)
    }

    /// A submit of `count` tokens took so long: fits the next ones to the budget.
    pub fn arrived(&mut self, count: usize, took: Duration, timed_by: TimedBy) {
        self.elapsed += took;
        if self.timed_by != Some(TimedBy::Wall) {
            self.timed_by = Some(timed_by);
        }
        let each = took.as_secs_f64() / count.max(1) as f64;
        self.chunk = ((self.budget.as_secs_f64() / each.max(1e-6)) as usize).clamp(1, MAX_TOKENS);
    }

    /// Picks up what has arrived and submits more in its place, until nothing more arrives. With `wait` something arrives, if
    /// anything is under way.
    ///
    /// # Errors
    /// As [`Feed::poll`] and [`SideBySide::accept`].
    pub fn feed(
        &mut self,
        feed: &mut impl Feed,
        line: &mut SideBySide,
        wait: bool,
        events: &mut Vec<(usize, Event)>,
    ) -> Result<()> {
        let mut wait = wait;
        loop {
            while feed.ready() {
                let Some(positions) =
                    line.next(self.chunk().min(feed.most()), |n, controls| feed.set_controls(n, controls))
                else {
                    break;
                };
                feed.submit(positions);
                self.submits += 1;
            }
            let Some(arrival) = feed.poll(wait)? else { return Ok(()) };
            wait = false;
            self.arrived(arrival.records.len() / line.room(), arrival.took, arrival.timed_by);
            line.accept(&arrival.records, events)?;
        }
    }
}

#[cfg(test)]
mod tests;
