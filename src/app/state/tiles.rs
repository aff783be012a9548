//! Pictures that are drawn at once in place of one: the wall and the strip. They have a run of their own.

use std::time::Duration;

use crate::app::state::picture::{Picture, Source};
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::checkpoint::config::{Generator, ModelConfig};
use crate::error::Result;
use crate::run::many::Many;
use crate::run::request::Request;
use crate::run::{Session, Statistics};

/// How long a submit, or the CPU twins, may keep a frame.
const BUDGET: [Duration; 2] = [Duration::from_millis(12), Duration::from_millis(48)];

/// Pictures side by side, and the run that fills them.
pub struct Tiles {
    /// Which they are.
    pub many: Many,
    /// In order.
    pub pictures: Vec<Picture>,
    /// Whether the finished pictures of a strip show how they differ from the middle one.
    pub difference: bool,
    /// What is to be drawn as soon as the engine is built.
    waiting: Option<Vec<Request>>,
    run: Option<Session>,
    paused: bool,
    /// Tokens that a limited speed lets them have by now, and when that was reckoned (seconds).
    allowed: (f64, f64),
}

impl std::fmt::Debug for Tiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tiles({:?}, {} pictures)", self.many, self.pictures.len())
    }
}

impl Tiles {
    /// Pictures of what is asked for, none drawn yet.
    pub fn new(many: Many, asked: &Request, config: &ModelConfig, now: f64) -> Self {
        let requests = many.requests(asked);
        let picture = |request: &Request| Picture::new(Source::Run, request.clone(), config);
        let pictures = requests.iter().map(picture).collect();
        let (waiting, allowed) = (Some(requests), (0.0, now));
        Self { many, pictures, difference: false, waiting, run: None, paused: false, allowed }
    }

    /// The same after a lost device: what was drawn is given.
    pub fn again(&self, config: &ModelConfig) -> Self {
        let rest = |picture: &Picture| {
            let mut forced: Vec<Option<u32>> = picture.tokens.iter().map(|token| Some(token.id)).collect();
            forced.extend(picture.request.forced.iter().skip(forced.len()));
            Request { forced, ..picture.request.clone() }
        };
        let again = |before: &Picture| {
            let mut picture = Picture::new(Source::Run, before.request.clone(), config);
            picture.frames = before.frames.clone();
            picture
        };
        Self {
            many: self.many,
            pictures: self.pictures.iter().map(again).collect(),
            difference: self.difference,
            waiting: Some(self.pictures.iter().map(rest).collect()),
            run: None,
            paused: self.paused,
            allowed: (0.0, 0.0),
        }
    }

    /// Whether something is being drawn or waited for, held or not.
    pub fn is_busy(&self) -> bool {
        self.waiting.is_some() || self.run.is_some()
    }

    /// Whether frames are wanted as fast as they come.
    pub fn is_moving(&self) -> bool {
        self.is_busy() && !self.paused
    }

    /// Whether they are held.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether all pictures are there.
    pub fn is_done(&self) -> bool {
        self.pictures.iter().all(Picture::is_done)
    }

    /// Holds, or goes on.
    pub fn pause(&mut self, on: bool) {
        self.paused = on;
    }

    /// Ends the run with what is drawn.
    pub fn stop(&mut self) {
        self.paused = false;
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

    /// Milliseconds a token of one picture so far.
    pub fn ms_per_token(&self) -> Option<f64> {
        self.run.as_ref().and_then(Session::ms_per_token)
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
            && let Some(requests) = self.waiting.take()
        {
            self.run = Some(Session::several(engine, &model.files.config, requests)?);
            self.allowed = (0.0, now);
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        let (allowed, since) = self.allowed;
        let more = if self.paused { 0.0 } else { (now - since).clamp(0.0, 0.25) * f64::from(speed) };
        self.allowed = (allowed + more, now);
        if self.paused {
            run.pause();
        } else if speed > 0.0 {
            run.run_to(self.allowed.0 as usize);
        } else {
            run.resume();
        }
        run.set_budget(frame.clamp(BUDGET[0], BUDGET[1]));
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
