//! The grid of a finished picture under other rules: that of the moved threshold, and that of the pinned one.
//!
//! Both come the same way, from whichever is faster here: the merge kernel ([`Merger`], one dispatch and the way back) or the CPU
//! ([`PatchRule::patches`], at once). While that is not known the CPU's is shown and both are timed.

use std::sync::Arc;
use std::time::Duration;

use web_time::Instant;

use crate::app::state::picture::Picture;
use crate::app::work::loaded_model::Wake;
use crate::engine::backend::Backend;
use crate::engine::merger::{LINES, Merger};
use crate::error::Result;
use crate::patching::{PatchRule, Patches};
use crate::platform::{Task, finished};

/// Which of the two rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridLine {
    /// The moved threshold's.
    Moved,
    /// The pinned one's.
    Pinned,
}

/// So many answers of the kernel are compared with the CPU's.
const TRIALS: usize = 3;

#[derive(Default)]
struct GridRequest {
    rule: Option<(PatchRule, Instant)>,
    found: Option<(PatchRule, Patches)>,
}

/// Grids under other rules.
#[derive(Default)]
pub struct Regrid {
    merger: Option<Merger>,
    opening: Option<Task<Result<Merger>>>,
    /// The picture, and its entropies in nats, (T).
    image: Option<(u64, Vec<f32>)>,
    lines: [GridRequest; LINES],
    /// The shortest times of kernel and CPU.
    least: [Option<Duration>; 2],
    trials: usize,
    /// Milliseconds from the slider's event to the new grid, the last time.
    pub ms: Option<f64>,
}

impl Regrid {
    /// Opens the kernel, where there is a GPU to run it.
    pub fn begin(&mut self, backend: &Arc<Backend>, wake: &Wake) {
        if backend.gpu().is_some() {
            let (to, wake) = (backend.clone(), wake.clone());
            self.opening = Some(Task::spawn(move || wake(), async move || Merger::new(&to).await));
        }
    }

    /// Keeps the grids of a finished picture in step with the rules, as [`GridLine`] lists them. Returns whether an answer is on its
    /// way.
    ///
    /// # Errors
    /// As [`Merger::poll`].
    pub fn follow(&mut self, picture: Option<&Picture>, rules: [Option<PatchRule>; LINES]) -> Result<bool> {
        if let Some(opened) = finished(&mut self.opening) {
            let mut merger = opened?;
            if let Some((_, entropies)) = &self.image {
                merger.set_entropies(entropies)?;
            }
            self.merger = Some(merger);
        }
        if let Some(picture) = picture {
            self.turn_to(picture)?;
            for (line, rule) in rules.into_iter().enumerate() {
                if let Some(rule) = rule {
                    self.ask(line, rule);
                }
            }
        }
        let Some(merger) = &mut self.merger else { return Ok(false) };
        for merged in merger.poll()? {
            self.trials += 1;
            shorter(&mut self.least[0], merged.took);
            let line = &mut self.lines[merged.line];
            if let Some((_, at)) = line.rule.filter(|(asked, _)| *asked == merged.rule)
                && line.found.as_ref().is_none_or(|(found, _)| *found != merged.rule)
            {
                line.found = Some((merged.rule, merged.patches()));
                self.ms = Some(at.elapsed().as_secs_f64() * 1000.0);
            }
        }
        Ok(merger.is_busy())
    }

    /// Another picture than before drops what was found for that.
    fn turn_to(&mut self, picture: &Picture) -> Result<()> {
        if self.image.as_ref().is_some_and(|(id, _)| *id == picture.id) {
            return Ok(());
        }
        let entropies = picture.entropies();
        if let Some(merger) = &mut self.merger {
            merger.set_entropies(&entropies)?;
        }
        (self.image, self.lines) = (Some((picture.id, entropies)), Default::default());
        Ok(())
    }

    fn ask(&mut self, line: usize, rule: PatchRule) {
        if self.lines[line].rule.is_some_and(|(asked, _)| asked == rule) {
            return;
        }
        let at = Instant::now();
        self.lines[line].rule = Some((rule, at));
        let kernel = self.by_kernel();
        if kernel != Some(true)
            && let Some((_, entropies)) = &self.image
        {
            self.lines[line].found = Some((rule, rule.patches(entropies)));
            let took = at.elapsed();
            shorter(&mut self.least[1], took);
            self.ms = Some(took.as_secs_f64() * 1000.0);
        }
        if kernel != Some(false)
            && let Some(merger) = &mut self.merger
        {
            merger.request(line, rule);
        }
    }

    /// Whether the kernel is the faster one; `None` while that is not known.
    pub fn by_kernel(&self) -> Option<bool> {
        match self.least {
            [Some(kernel), Some(cpu)] if self.trials >= TRIALS => Some(kernel < cpu),
            _ => None,
        }
    }

    /// The newest grid of a picture on a line.
    pub fn grid(&self, picture: &Picture, line: GridLine) -> Option<&Patches> {
        self.image.as_ref().filter(|(id, _)| *id == picture.id)?;
        self.lines[line as usize].found.as_ref().map(|(_, patches)| patches)
    }
}

fn shorter(least: &mut Option<Duration>, took: Duration) {
    *least = Some(least.map_or(took, |least| least.min(took)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::picture::Source;
    use crate::checkpoint::config::Generator;
    use crate::engine::backend::DeviceChoice;
    use crate::patching::Mode;
    use crate::run::Token;
    use crate::run::request::Request;

    const SIDE: u32 = 64;

    fn picture() -> Picture {
        let config = crate::platform::built_in_config();
        let mut picture = Picture::new(Source::Run, Request::new(&config, Generator::Dpar, 3, 1), &config);
        picture.grid = SIDE as usize;
        for position in 0..(SIDE * SIDE) as usize {
            let entropy = Some((position as u32).wrapping_mul(2_654_435_761) as f32 % 997.0 / 125.0);
            picture.tokens.push(Token {
                position,
                id: 0,
                entropy,
                starts_patch: None,
                patch: 0,
                rank: 0,
                probability: 0.0,
                candidates: Vec::new(),
            });
        }
        picture
    }

    fn rule(threshold: f32) -> PatchRule {
        PatchRule { mode: Mode::EntropyRowBoundary, threshold, max_patch_length: 4, grid: SIDE }
    }

    #[test]
    fn both_grids_of_4096_tokens_are_there_in_the_frame_that_asks_and_the_faster_way_is_found() {
        let gpu = pollster::block_on(Backend::open(DeviceChoice::Gpu)).ok();
        let backends = [Some(Backend::cpu(None)), gpu];
        for backend in backends.into_iter().flatten().map(Arc::new) {
            let (mut regrid, picture) = (Regrid::default(), picture());
            let entropies = picture.entropies();
            let wake: Wake = Arc::new(|| {});
            regrid.begin(&backend, &wake);
            for n in 0..40u8 {
                let rules = [rule(f32::from(n) / 8.0), rule(f32::from(n / 10) + 0.5)];
                regrid.follow(Some(&picture), rules.map(Some)).unwrap();
                if regrid.by_kernel() == Some(true) {
                    while regrid.follow(Some(&picture), rules.map(Some)).unwrap() {}
                }
                for (line, rule) in [GridLine::Moved, GridLine::Pinned].into_iter().zip(rules) {
                    assert_eq!(regrid.grid(&picture, line), Some(&rule.patches(&entropies)), "{n} {line:?}");
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            // Where there is no kernel there is nothing to choose.
            assert_eq!(regrid.by_kernel().is_some(), backend.gpu().is_some(), "{:?}", regrid.least);
            // Another picture has no grid before it is asked for.
            let other = self::picture();
            assert_eq!(regrid.grid(&other, GridLine::Moved), None);
            regrid.follow(Some(&other), [None, None]).unwrap();
            assert_eq!((regrid.grid(&other, GridLine::Moved), regrid.grid(&picture, GridLine::Moved)), (None, None));
        }
    }

    #[test]
    fn whichever_is_faster_is_taken() {
        let ms = |n| Some(Duration::from_micros(n));
        for (least, trials, by) in [
            ([ms(100), ms(30)], TRIALS, Some(false)),
            ([ms(20), ms(30)], TRIALS, Some(true)),
            ([ms(20), ms(30)], TRIALS - 1, None),
            ([None, ms(30)], TRIALS, None),
        ] {
            assert_eq!(Regrid { least, trials, ..Regrid::default() }.by_kernel(), by, "{least:?}");
        }
        // A kernel that was found to be faster is asked, and the CPU is not: without one nothing comes.
        let (least, picture) = ([ms(1), ms(30)], picture());
        let mut regrid = Regrid { least, trials: TRIALS, ..Regrid::default() };
        regrid.follow(Some(&picture), [Some(rule(1.0)), None]).unwrap();
        assert_eq!(regrid.grid(&picture, GridLine::Moved), None);
    }
}
