use std::collections::VecDeque;

use super::*;
use crate::checkpoint::config::Generator;
use crate::engine::gpu::{MAX_TOKENS, RING};
use crate::run::course::{Course, Given};
use crate::run::request::Request;

/// A GPU that takes its time for each token, on a clock that the test moves: submits wait in line, as on a real one.
struct SlowGpu {
    /// Seconds.
    now: f64,
    each: f64,
    /// Positions and when they are through.
    under_way: VecDeque<(Range<usize>, f64)>,
    /// Without a clock of its own times come from callbacks: since the submit, or since the one before was through.
    own_clock: bool,
    since: VecDeque<f64>,
    last: f64,
}

impl SlowGpu {
    fn new(each: f64, own_clock: bool) -> Self {
        Self { now: 0.0, each, under_way: VecDeque::new(), own_clock, since: VecDeque::new(), last: 0.0 }
    }
}

impl Feed for SlowGpu {
    fn ready(&self) -> bool {
        self.under_way.len() < RING
    }

    fn most(&self) -> usize {
        MAX_TOKENS
    }

    fn set_controls(&mut self, _: usize, _: &ControlsUniform) {}

    fn submit(&mut self, positions: Range<usize>) {
        let begins = self.under_way.back().map_or(self.now, |(_, through)| through.max(self.now));
        let through = begins + self.each * positions.len() as f64;
        self.since.push_back(self.now);
        self.under_way.push_back((positions, through));
    }

    fn poll(&mut self, _: bool) -> Result<Option<Delivery>> {
        let Some((positions, through)) = self.under_way.pop_front_if(|(_, through)| *through <= self.now) else {
            return Ok(None);
        };
        let begun = self.since.pop_front().unwrap().max(self.last);
        self.last = through;
        let record = |position: usize| {
            let mut words = [0u32; size_of::<crate::engine::Record>() / 4];
            words[6] = position as u32 + 1;
            bytemuck::cast(words)
        };
        let took = if self.own_clock { self.each * positions.len() as f64 } else { through - begun };
        Ok(Some(Delivery {
            records: positions.map(record).collect(),
            took: Duration::from_secs_f64(took),
            timed_by: if self.own_clock { TimedBy::Gpu } else { TimedBy::Wall },
        }))
    }
}

fn line() -> SideBySide {
    let config = crate::platform::built_in_config();
    let request = Request::new(&config, Generator::Dpar, 0, 1);
    let given = Given { grid: 16, vocab: 1024, tokens: 256, patches: true };
    SideBySide::new(given, vec![Course::new(request, 256)], 1)
}

/// Frames of a 60th of a second until the picture is there, and the milliseconds a token that are shown.
fn drawn(each: f64, own_clock: bool, chunk: Option<usize>) -> (usize, f64, usize) {
    let (mut gpu, mut line, mut pace) = (SlowGpu::new(each, own_clock), line(), Pace::new(chunk));
    let mut frames = 0;
    while line.arrived < 256 {
        pace.feed(&mut gpu, &mut line, false, &mut Vec::new()).unwrap();
        gpu.now += 1.0 / 60.0;
        frames += 1;
        assert!(frames < 10_000);
    }
    (frames, pace.elapsed.as_secs_f64() * 1000.0 / 256.0, pace.chunk())
}

#[test]
fn a_fast_gpu_is_done_within_four_frames_and_times_are_its_own() {
    for own_clock in [true, false] {
        let (frames, ms, chunk) = drawn(50e-6, own_clock, None);
        // A token's time is counted with the call that picks up the last ones.
        assert!(frames <= 4, "{frames} frames");
        // The next run begins with what this one has found out.
        assert!(drawn(50e-6, own_clock, Some(chunk)).0 <= 3);
        let (_, slower, _) = drawn(75e-6, own_clock, None);
        assert!((slower / ms - 1.5).abs() < 0.03, "{slower} {ms}");
        assert!((ms - 0.05).abs() < 0.002, "{ms}");
    }
}

#[test]
fn a_slow_one_gets_what_fits_the_budget() {
    let (_, ms, chunk) = drawn(3e-3, true, None);
    assert_eq!(chunk, 2);
    assert!((ms - 3.0).abs() < 1e-6);
    let (frames, _, chunk) = drawn(40e-3, true, Some(64));
    assert_eq!(chunk, 1);
    assert!(frames >= 256 * 40 / 17);
}

#[test]
fn a_pause_counts_for_nothing() {
    for own_clock in [true, false] {
        let (mut gpu, mut line, mut pace) = (SlowGpu::new(1e-3, own_clock), line(), Pace::new(None));
        line.limit = 100;
        while line.arrived < 100 {
            pace.feed(&mut gpu, &mut line, false, &mut Vec::new()).unwrap();
            gpu.now += 1.0 / 60.0;
        }
        gpu.now += 60.0;
        line.limit = 256;
        while line.arrived < 256 {
            pace.feed(&mut gpu, &mut line, false, &mut Vec::new()).unwrap();
            gpu.now += 1.0 / 60.0;
        }
        assert!((pace.elapsed.as_secs_f64() - 0.256).abs() < 0.005, "{own_clock}: {:?}", pace.elapsed);
    }
}
