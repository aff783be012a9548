//! `dpar app --bench`, and `?bench` in the page's address: the app measures itself, the same way on both targets.
//!
//! It waits for the model, draws a picture as anybody would, draws it again with an empty window (so that the cost of the
//! view is a ratio of two runs in one session), and moves the threshold of 256 and of 4,096 tokens.

use serde::Serialize;
use web_time::Instant;

use crate::app::work::loaded_model::Wake;
use crate::engine::backend::Backend;
use crate::engine::merger::Merger;
use crate::error::Result;
use crate::patching::{Mode, PatchRule};
use crate::platform::{Task, finished};

/// Pictures a kind, taken in turn.
const ROUNDS: usize = 3;
/// Moves of the slider a size.
const MOVES: usize = 20;

/// What was measured. Times in milliseconds since the app was opened, or as their names say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BenchFigures {
    /// First frame on its way to the screen.
    pub first_paint_ms: Option<f64>,
    /// First token of the recorded run.
    pub recording_ms: Option<f64>,
    /// Model ready.
    pub ready_ms: Option<f64>,
    /// First token that the model drew.
    pub first_token_ms: Option<f64>,
    /// First whole picture of the model, decoded.
    pub finished_ms: Option<f64>,
    /// Frames a second while drawing.
    pub frames_per_second: Option<f64>,
    /// Longest frame while drawing.
    pub longest_frame_ms: Option<f64>,
    /// Of our own work for a frame since the app was opened: computed and laid out, painting left out.
    pub longest_work_ms: Option<f64>,
    /// Milliseconds a token with the view, a picture each.
    pub token_ms: Vec<f64>,
    /// Milliseconds a token with an empty window, a picture each.
    pub token_ms_blind: Vec<f64>,
    /// From the slider's event to the new grid, 256 tokens.
    pub regrid_256_ms: Vec<f64>,
    /// The same with 4,096 tokens.
    pub regrid_4096_ms: Vec<f64>,
}

/// What the app has to do next for the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Wait,
    /// Draw a picture; with an empty window if `blind`.
    Draw {
        /// Whether to show nothing meanwhile.
        blind: bool,
    },
    /// Print and close.
    Done,
}

/// What the bench sees of the app in every tick.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Milliseconds since the app was opened.
    pub now_ms: f64,
    /// Frames so far.
    pub frames: u64,
    /// Milliseconds since the frame before.
    pub frame_ms: f64,
    /// The longest of our own work for a frame so far.
    pub longest_work_ms: f64,
    /// Whether the model is ready.
    pub ready: bool,
    /// Whether tokens of a recorded run are there.
    pub recorded: bool,
    /// Whether a model draws.
    pub live: bool,
    /// Tokens it has drawn.
    pub tokens: usize,
    /// The finished picture is decoded.
    pub finished: bool,
    /// Milliseconds a token of the run.
    pub ms_per_token: Option<f64>,
}

enum Phase {
    Opening,
    Drawing {
        round: usize,
        blind: bool,
        since: Option<(f64, u64)>,
        begun: bool,
    },
    Merging {
        tokens: usize,
        opening: Option<Task<Result<Merger>>>,
        merger: Option<Box<Merger>>,
        asked: Option<Instant>,
    },
    Done,
}

/// The bench.
pub struct Bench {
    phase: Phase,
    /// What is known so far.
    pub figures: BenchFigures,
}

/// The bench, where the app was opened for it.
#[derive(Default)]
pub struct BenchRun {
    /// Under way.
    pub run: Option<Bench>,
    /// What it has measured.
    pub figures: Option<BenchFigures>,
    /// Show nothing: it measures what the view costs.
    pub blind: bool,
}

impl BenchRun {
    /// Under way if it is wanted.
    pub fn new(wanted: bool) -> Self {
        Self { run: wanted.then(Bench::default), ..Self::default() }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self { phase: Phase::Opening, figures: BenchFigures::default() }
    }
}

impl Bench {
    /// Looks at the app and says what it should do.
    ///
    /// # Errors
    /// As [`Merger::new`].
    pub fn tick(&mut self, sight: &Sight, backend: &std::sync::Arc<Backend>, wake: &Wake) -> Result<Wish> {
        let f = &mut self.figures;
        if sight.frames > 0 {
            f.first_paint_ms.get_or_insert(sight.now_ms);
        }
        if sight.recorded {
            f.recording_ms.get_or_insert(sight.now_ms);
        }
        match &mut self.phase {
            Phase::Opening => {
                if !sight.ready {
                    return Ok(Wish::Wait);
                }
                f.ready_ms = Some(sight.now_ms);
                self.phase = Phase::Drawing { round: 0, blind: false, since: None, begun: true };
                Ok(Wish::Draw { blind: false })
            }
            Phase::Drawing { round, blind, since, begun } => {
                if *begun && sight.tokens > 0 && sight.live {
                    f.first_token_ms.get_or_insert(sight.now_ms);
                    *begun = false;
                    *since = Some((sight.now_ms, sight.frames));
                }
                if let (Some((from, frames)), true) = (*since, sight.live && !*blind) {
                    f.longest_frame_ms = Some(f.longest_frame_ms.unwrap_or(0.0).max(sight.frame_ms));
                    f.longest_work_ms = Some(sight.longest_work_ms);
                    if sight.now_ms > from {
                        f.frames_per_second = Some(1000.0 * (sight.frames - frames) as f64 / (sight.now_ms - from));
                    }
                }
                if *begun || !sight.finished || sight.live {
                    return Ok(Wish::Wait);
                }
                f.finished_ms.get_or_insert(sight.now_ms);
                let to = if *blind { &mut f.token_ms_blind } else { &mut f.token_ms };
                to.extend(sight.ms_per_token);
                let (next, hidden) = if *blind { (*round + 1, false) } else { (*round, true) };
                if next < ROUNDS {
                    self.phase = Phase::Drawing { round: next, blind: hidden, since: None, begun: true };
                    return Ok(Wish::Draw { blind: hidden });
                }
                self.phase = merging(256, backend, wake);
                Ok(Wish::Wait)
            }
            Phase::Merging { tokens, opening, merger, asked } => {
                wake();
                if let Some(opened) = finished(opening) {
                    let mut opened = opened?;
                    opened.set_entropies(&entropies(*tokens))?;
                    *merger = Some(Box::new(opened));
                }
                let Some(merger) = merger else { return Ok(Wish::Wait) };
                let times = if *tokens == 256 { &mut f.regrid_256_ms } else { &mut f.regrid_4096_ms };
                if !merger.poll()?.is_empty()
                    && let Some(at) = asked.take()
                {
                    times.push(at.elapsed().as_secs_f64() * 1000.0);
                }
                if times.len() >= MOVES {
                    self.phase = if *tokens == 256 { merging(4096, backend, wake) } else { Phase::Done };
                    return Ok(Wish::Wait);
                }
                if asked.is_none() {
                    let threshold = 2.0 + 0.2 * times.len() as f32;
                    let grid = tokens.isqrt() as u32;
                    let mode = Mode::EntropyRowBoundary;
                    merger.request(0, PatchRule { mode, threshold, max_patch_length: 4, grid });
                    *asked = Some(Instant::now());
                }
                Ok(Wish::Wait)
            }
            Phase::Done => Ok(Wish::Done),
        }
    }
}

fn merging(tokens: usize, backend: &std::sync::Arc<Backend>, wake: &Wake) -> Phase {
    let (to, wake) = (backend.clone(), wake.clone());
    let opening = Some(Task::spawn(move || wake(), async move || Merger::new(&to).await));
    Phase::Merging { tokens, opening, merger: None, asked: None }
}

/// Entropies between 0 and 7 nats in no order: a Weyl sequence.
fn entropies(tokens: usize) -> Vec<f32> {
    (0..tokens).map(|i| (i as f32 * 0.618_034).fract() * 7.0).collect()
}

/// The middle of some values.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

impl BenchFigures {
    /// For people: one line a figure.
    pub fn text(&self) -> String {
        let ms = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.0} ms"));
        let fine = |v: &[f64]| median(v).map_or_else(|| "-".to_owned(), |v| format!("{v:.1} ms"));
        let share = match (median(&self.token_ms), median(&self.token_ms_blind)) {
            (Some(with), Some(without)) if without > 0.0 => format!("{:+.0} %", 100.0 * (with / without - 1.0)),
            _ => "-".to_owned(),
        };
        let rate = self.frames_per_second.map_or_else(|| "-".to_owned(), |v| format!("{v:.0}"));
        [
            ("open to first paint", ms(self.first_paint_ms)),
            ("open to the recorded run playing", ms(self.recording_ms)),
            ("open to the model ready", ms(self.ready_ms)),
            ("open to the first live token", ms(self.first_token_ms)),
            ("open to a finished picture", ms(self.finished_ms)),
            ("frames a second while drawing", rate),
            ("longest frame while drawing", ms(self.longest_frame_ms)),
            ("  of it our own work, at most", ms(self.longest_work_ms)),
            ("a token, with the view", fine(&self.token_ms)),
            ("a token, with an empty window", fine(&self.token_ms_blind)),
            ("what the view costs", share),
            ("slider to new grid, 256 tokens", fine(&self.regrid_256_ms)),
            ("slider to new grid, 4096 tokens", fine(&self.regrid_4096_ms)),
        ]
        .map(|(name, value)| format!("{name:<36}{value}"))
        .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_missing_figures() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
        let text = BenchFigures { token_ms: vec![11.0], token_ms_blind: vec![10.0], ..BenchFigures::default() }.text();
        assert!(text.contains("+10 %") && text.contains("first paint                 -"), "{text}");
    }

    #[test]
    fn entropies_are_nats_of_a_codebook() {
        assert!(entropies(4096).iter().all(|e| (0.0..7.0).contains(e)));
    }
}
