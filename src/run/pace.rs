//! How much is submitted at once, and how long a run has taken without its pauses.

use std::collections::VecDeque;
use std::time::Duration;

use web_time::Instant;

use crate::engine::gpu::MAX_TOKENS;

/// The size of submits, fitted to a budget, and the clock of a run.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long one submit should keep the GPU.
    pub budget: Duration,
    /// Time spent running.
    pub elapsed: Duration,
    chunk: usize,
    /// Tokens of each submit in flight, oldest first.
    in_flight: VecDeque<usize>,
    /// Since when the oldest submit in flight has been running, as far as the host can see.
    since: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(8),
            elapsed: Duration::ZERO,
            chunk: 1,
            in_flight: VecDeque::new(),
            since: None,
        }
    }
}

impl Pace {
    /// How many tokens the next submit takes, where `open` may follow.
    pub fn chunk(&self, open: usize) -> usize {
        self.chunk.min(open).clamp(1, MAX_TOKENS)
    }

    /// Tokens are on their way.
    pub fn submitted(&mut self, count: usize, now: Instant) {
        self.since.get_or_insert(now);
        self.in_flight.push_back(count);
    }

    /// The oldest submit has arrived: takes its time, and fits the next ones to the budget.
    pub fn arrived(&mut self, now: Instant) {
        let spent = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.elapsed += spent;
        let count = self.in_flight.pop_front().unwrap_or(1);
        self.since = (!self.in_flight.is_empty()).then_some(now);
        let each = spent.as_secs_f64() / count as f64;
        let fits = self.budget.as_secs_f64() / each.max(1e-6);
        // Grow gently: the first submits include the driver's own warming up.
        self.chunk = (fits as usize).clamp(1, (2 * self.chunk).min(MAX_TOKENS));
    }

    /// Nothing runs, and what has passed since the last arrival was a pause. With submits in flight it was none.
    pub fn held(&mut self) {
        if self.in_flight.is_empty() {
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_for_nothing_and_time_in_flight_counts_whole() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pace = Pace::default();
        pace.submitted(1, at(0));
        pace.submitted(1, at(1));
        pace.held(); // resumed with both in flight: the clock is left alone
        pace.arrived(at(10));
        pace.held();
        pace.arrived(at(16));
        assert_eq!(pace.elapsed, Duration::from_millis(16));
        pace.held(); // a pause of a second
        pace.submitted(2, at(1016));
        pace.arrived(at(1020));
        assert_eq!(pace.elapsed, Duration::from_millis(20));
    }

    #[test]
    fn submits_grow_gently_to_the_budget_and_shrink_at_once() {
        let start = Instant::now();
        let mut pace = Pace { budget: Duration::from_millis(8), ..Pace::default() };
        let (mut now, mut sizes) = (start, Vec::new());
        for _ in 0..6 {
            let count = pace.chunk(1000);
            sizes.push(count);
            pace.submitted(count, now);
            now += Duration::from_micros(500 * count as u64);
            pace.arrived(now);
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 16].map(|most: usize| most.min(MAX_TOKENS)));
        pace.submitted(1, now);
        pace.arrived(now + Duration::from_millis(100));
        assert_eq!((pace.chunk(1000), pace.chunk(0)), (1, 1));
    }
}
