//! Pictures that are drawn at once in place of one: the wall and the strip. They have a run of their own.

use std::time::Duration;

use crate::app::state::picture::{Picture, Source};
use crate::app::state::starting::{Slot, Starting};
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::checkpoint::config::{Generator, ModelConfig};
use crate::controls::Controls;
use crate::engine::Engine;
use crate::engine::gpu::TimedBy;
use crate::error::Result;
use crate::run::many::Many;
use crate::run::request::Request;
use crate::run::{Session, Statistics};

/// How long a submit, or the CPU twins, may keep a frame: as long as a fast one takes; at most so long on a GPU, and on the CPU.
const LEAST: Duration = Duration::from_millis(12);
const MOST: [Duration; 2] = [Duration::from_millis(48), Duration::from_millis(80)];

/// Pictures side by side, and the run that fills them.
pub struct Tiles {
    /// Which they are.
    pub many: Many,
    /// In order.
    pub pictures: Vec<Picture>,
    /// Whether the finished pictures of a strip show how they differ from the middle one.
    pub difference: bool,
    /// What is to be drawn as soon as the engine is built.
    waiting: Option<Vec<Starting>>,
    run: Option<Session>,
    most: Duration,
    /// Tokens that each had before its run began.
    from: Vec<usize>,
    hold: Hold,
    /// Tokens that a limited speed lets them have by now, and when that was reckoned (seconds).
    allowed: (f64, f64),
}

/// Whether the run goes on, and until what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// To its end.
    Not,
    /// Not at all.
    Here,
    /// Until each has so many tokens.
    Tokens(usize),
    /// Until the picture that was asked for has more patches than these.
    Patches(usize),
}

impl std::fmt::Debug for Tiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tiles({:?}, {} pictures)", self.many, self.pictures.len())
    }
}

impl Tiles {
    /// Pictures of what is asked for, none drawn yet.
    pub fn new(many: Many, asked: &Request, config: &ModelConfig, now: f64) -> Self {
        let waiting = many.requests(asked).into_iter().map(|request| Starting::new(Slot::Main, request)).collect();
        let mut tiles = Self::waiting(many, waiting, config);
        tiles.allowed = (0.0, now);
        tiles
    }

    fn waiting(many: Many, waiting: Vec<Starting>, config: &ModelConfig) -> Self {
        let pictures = waiting.iter().map(|run| Picture::new(Source::Run, run.asked.clone(), config)).collect();
        let from = waiting.iter().map(|run| run.from).collect();
        let (waiting, allowed) = (Some(waiting), (0.0, 0.0));
        let most = MOST[0];
        Self { many, pictures, difference: false, waiting, run: None, most, from, hold: Hold::Not, allowed }
    }

    /// The same after a lost device: what was drawn is given, and what is finished stays.
    pub fn again(&self, config: &ModelConfig) -> Self {
        if !self.is_busy() {
            let done = Self::waiting(self.many, Vec::new(), config);
            return Self { pictures: self.pictures.clone(), difference: self.difference, waiting: None, ..done };
        }
        let rest = |picture: &Picture| {
            let asked = picture.request.clone();
            let mut forced: Vec<Option<u32>> = picture.tokens.iter().map(|token| Some(token.id)).collect();
            forced.extend(asked.forced.iter().skip(forced.len()));
            let request = Request { forced, ..asked.clone() };
            Starting { request, from: picture.tokens.len(), ..Starting::new(Slot::Main, asked) }
        };
        let mut again = match &self.waiting {
            Some(waiting) => Self::waiting(self.many, waiting.clone(), config),
            None => Self::waiting(self.many, self.pictures.iter().map(rest).collect(), config),
        };
        for (picture, before) in again.pictures.iter_mut().zip(&self.pictures) {
            picture.frames = before.frames.clone();
        }
        Self { difference: self.difference, hold: self.hold, ..again }
    }

    /// Whether something is being drawn or waited for, held or not.
    pub fn is_busy(&self) -> bool {
        self.waiting.is_some() || self.run.is_some()
    }

    /// Whether frames are wanted as fast as they come.
    pub fn is_moving(&self) -> bool {
        self.is_busy() && !self.is_paused()
    }

    /// Whether they are held.
    pub fn is_paused(&self) -> bool {
        self.hold == Hold::Here
    }

    /// Whether all pictures are there.
    pub fn is_done(&self) -> bool {
        self.pictures.iter().all(Picture::is_done)
    }

    /// Holds, or goes on.
    pub fn pause(&mut self, on: bool) {
        self.hold = if on { Hold::Here } else { Hold::Not };
    }

    /// Goes on for one token of each, then holds.
    pub fn step_token(&mut self) {
        let drawn = self.pictures.iter().filter(|picture| !picture.is_done()).map(|picture| picture.tokens.len());
        self.hold = Hold::Tokens(drawn.max().unwrap_or(0) + 1);
    }

    /// Goes on until the next patch of the picture that was asked for begins, then holds.
    pub fn step_patch(&mut self) {
        self.hold = Hold::Patches(self.pictures[self.many.asked()].patches.count());
    }

    /// Passes moved controls on, to each picture its own; from the next submit on they count.
    ///
    /// # Errors
    /// As [`Session::set_controls`].
    pub fn set_controls(&mut self, asked: &Controls) -> Result<()> {
        for (n, starting) in self.waiting.iter_mut().flatten().enumerate() {
            starting.set_controls(&self.many.controls(n, asked));
            self.pictures[n].request = starting.asked.clone();
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        let mut from = self.from.iter().enumerate();
        from.try_for_each(|(n, from)| run.set_controls_of(n, *from, self.many.controls(n, asked)))
    }

    /// Ends the run with what is drawn.
    pub fn stop(&mut self) {
        self.hold = Hold::Not;
        if let Some(run) = &mut self.run {
            run.stop();
        } else if self.waiting.take().is_some() {
            self.pictures.iter_mut().for_each(|picture| picture.statistics = Some(nothing_drawn()));
        }
    }

    /// Ends it at once and gives the engine back.
    pub fn end(self, model: Option<&mut LoadedModel>) {
        if let (Some(run), Some(model)) = (self.run, model) {
            model.give(run.request().generator, run.into_engine());
        }
    }

    /// Milliseconds a token of one picture so far, and what that was measured by.
    pub fn time(&self) -> (Option<f64>, Option<TimedBy>) {
        if let Some(run) = &self.run {
            return (run.ms_per_token(), run.timed_by());
        }
        let all = || self.pictures.iter().filter_map(|picture| picture.statistics.as_ref());
        let (tokens, seconds) = all().fold((0, 0.0), |sum, s| (sum.0 + s.tokens, sum.1 + s.elapsed.as_secs_f64()));
        let ms = (tokens > 0 && seconds > 0.0).then(|| 1000.0 * seconds / tokens as f64);
        (ms, all().find_map(|s| s.timed_by))
    }

    /// Moves everything on. `now` in seconds; `speed` in tokens a second of each picture, 0 for no limit.
    ///
    /// # Errors
    /// As [`Session::step`] and [`Session::several`].
    pub fn advance(
        &mut self,
        model: &mut LoadedModel,
        wake: &Wake,
        now: f64,
        speed: f32,
        frame: Duration,
    ) -> Result<()> {
        let generator = self.pictures.first().map_or(Generator::Dpar, |picture| picture.request.generator);
        if self.waiting.is_some()
            && let Some(engine) = model.take(generator, self.pictures.len(), wake)
            && let Some(waiting) = self.waiting.take()
        {
            let requests = waiting.into_iter().map(|run| run.request).collect();
            self.most = MOST[usize::from(matches!(engine, Engine::Cpu(_)))];
            self.run = Some(Session::several(engine, &model.files.config, requests)?);
            self.allowed = (0.0, now);
        }
        if self.run.is_some() {
            self.reckon(now, speed);
        }
        let drawn = self.drawn();
        let Some(run) = &mut self.run else { return Ok(()) };
        match self.hold {
            Hold::Here => run.pause(),
            Hold::Tokens(wanted) => run.run_to(wanted),
            Hold::Patches(_) => run.run_to(drawn + 1),
            Hold::Not if speed > 0.0 => run.run_to(self.allowed.0 as usize),
            Hold::Not => run.resume(),
        }
        run.set_budget(frame.clamp(LEAST, self.most));
        for (n, event) in run.step()? {
            self.pictures[n].accept(event, now);
        }
        for (picture, course) in self.pictures.iter_mut().zip(run.pictures()) {
            picture.request.schedule = course.schedule();
        }
        if run.is_done()
            && let Some(run) = self.run.take()
        {
            model.give(generator, run.into_engine());
        }
        Ok(())
    }

    /// Tokens that all pictures have that are not done.
    fn drawn(&self) -> usize {
        self.pictures.iter().filter(|picture| !picture.is_done()).map(|picture| picture.tokens.len()).min().unwrap_or(0)
    }

    /// Holds where what was to be drawn before is there; says how far a limited speed lets it go.
    fn reckon(&mut self, now: f64, speed: f32) {
        let reached = match self.hold {
            Hold::Not | Hold::Here => false,
            Hold::Tokens(wanted) => self.drawn() >= wanted,
            Hold::Patches(before) => self.pictures[self.many.asked()].patches.count() > before,
        };
        if reached {
            self.hold = Hold::Here;
        }
        let (allowed, since) = self.allowed;
        let more = if self.is_paused() { 0.0 } else { (now - since).clamp(0.0, 0.25) * f64::from(speed) };
        self.allowed = (allowed + more, now);
    }
}

/// Of a picture that was given up before its first token.
fn nothing_drawn() -> Statistics {
    Statistics {
        tokens: 0,
        patches: 0,
        average_patch_length: 0.0,
        elapsed: Duration::ZERO,
        timed_by: None,
        stopped: true,
    }
}
