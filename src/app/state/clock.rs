//! What the app knows of time.

use std::time::Duration;

use web_time::Instant;

/// When the app was opened, and how long its frames take.
#[derive(Debug)]
pub struct Clock {
    opened: Instant,
    last: Option<Instant>,
    /// Frames so far.
    pub frames: u64,
    /// The longest frame while something moved.
    pub longest_ms: f64,
    /// The last frame.
    pub frame_ms: f64,
    /// The longest of our own work for a frame while something moved: what is computed and laid out, not what is painted.
    pub longest_work_ms: f64,
    work: Duration,
    /// From opening to the first token that the model drew.
    pub first_token_ms: Option<f64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            last: None,
            frames: 0,
            longest_ms: 0.0,
            frame_ms: 0.0,
            longest_work_ms: 0.0,
            work: Duration::ZERO,
            first_token_ms: None,
        }
    }
}

impl Clock {
    /// Seconds since the app was opened.
    pub fn now(&self) -> f64 {
        self.opened.elapsed().as_secs_f64()
    }

    /// Another frame; `moving`: something moves, and a long frame would be seen.
    pub fn frame(&mut self, moving: bool) {
        let now = Instant::now();
        self.frame_ms = self.last.map_or(0.0, |last| (now - last).as_secs_f64() * 1000.0);
        if moving {
            self.longest_ms = self.longest_ms.max(self.frame_ms);
            self.longest_work_ms = self.longest_work_ms.max(self.work.as_secs_f64() * 1000.0);
        }
        self.work = Duration::ZERO;
        self.last = Some(now);
        self.frames += 1;
    }

    /// Some of our own work for a frame, which has begun at this time.
    pub fn worked(&mut self, since: Instant) {
        self.work += since.elapsed();
    }
}
