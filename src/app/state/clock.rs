//! What the app knows of time.

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
    /// From opening to the first token that the model drew.
    pub first_token_ms: Option<f64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { opened: Instant::now(), last: None, frames: 0, longest_ms: 0.0, frame_ms: 0.0, first_token_ms: None }
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
        }
        self.last = Some(now);
        self.frames += 1;
    }
}
