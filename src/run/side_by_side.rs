//! The pictures of a run, side by side: which positions may be drawn now, and what has become of those that were.

use std::ops::Range;
use std::time::Duration;

use super::course::{Course, Given};
use super::event::Event;
use crate::engine::gpu::TimedBy;
use crate::engine::{ControlsUniform, Record};
use crate::error::Result;

/// All stand at the same position.
#[derive(Debug)]
pub(super) struct SideBySide {
    pub given: Given,
    pub pictures: Vec<Course>,
    /// Positions that were submitted.
    pub submitted: usize,
    /// Positions whose records have arrived.
    pub arrived: usize,
    /// Positions that may be drawn.
    pub limit: usize,
    pub paused: bool,
    /// Pictures that the engine has room for: records come for as many.
    room: usize,
}

impl SideBySide {
    pub fn new(given: Given, pictures: Vec<Course>, room: usize) -> Self {
        Self { given, pictures, submitted: 0, arrived: 0, limit: given.tokens, paused: false, room }
    }

    /// Pictures that records come for.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Positions up to which tokens may be submitted now.
    pub fn end(&self) -> usize {
        let over = self.paused || self.pictures.iter().all(Course::is_stopped);
        if over { self.submitted } else { self.limit }
    }

    /// The next positions to submit, `most` of them; none where nothing may be drawn. `set` gets the controls that change with them.
    pub fn next(&mut self, most: usize, mut set: impl FnMut(usize, &ControlsUniform)) -> Option<Range<usize>> {
        let (from, mut until) = (self.submitted, self.end());
        if from >= until {
            return None;
        }
        for (n, picture) in self.pictures.iter_mut().enumerate() {
            if let Some(controls) = picture.due(from, self.given) {
                set(n, &controls);
            }
            until = until.min(picture.next_change().unwrap_or(until));
        }
        self.submitted = until.min(from + most);
        Some(from..self.submitted)
    }

    /// Takes records, (position, picture).
    ///
    /// # Errors
    /// As [`Course::accept`].
    pub fn accept(&mut self, records: &[Record], events: &mut Vec<(usize, Event)>) -> Result<()> {
        for row in records.chunks_exact(self.room) {
            for (n, (picture, record)) in self.pictures.iter_mut().zip(row).enumerate() {
                if self.arrived < picture.end() {
                    events.extend(picture.accept(record, self.given)?.into_iter().map(|event| (n, event)));
                }
            }
            self.arrived += 1;
        }
        Ok(())
    }

    /// Ends the pictures that have all their tokens, which of one that was stopped alone are fewer. Each took its share of the time.
    pub fn finish(&mut self, elapsed: Duration, timed_by: Option<TimedBy>, events: &mut Vec<(usize, Event)>) {
        let share = elapsed / self.pictures.len().max(1) as u32;
        for (n, picture) in self.pictures.iter_mut().enumerate() {
            if !picture.is_done() && self.arrived >= picture.end() {
                events.extend(picture.finish(self.given, share, timed_by).into_iter().map(|event| (n, event)));
            }
        }
    }
}
