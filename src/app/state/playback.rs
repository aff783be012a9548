//! The runs that go on: starts them, lets them take turns, and fills the pictures with what they say.

use std::time::Duration;

use crate::app::state::picture::{Picture, Source};
use crate::app::state::starting::{Slot, Starting};
use crate::app::state::tiles::Tiles;
use crate::app::state::turns::{Standing, Standings, Turns};
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::checkpoint::config::Generator;
use crate::controls::Controls;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::run::request::Request;
use crate::run::{Session, Statistics, Token};

/// How long one submit may keep a GPU that also paints: short where frames are fast, longer where they are slow anyway
/// (software adapters), so that what is in flight lasts until the next frame; and never so long that three of them keep a
/// person waiting who has pressed Stop.
const GPU_BUDGET: [Duration; 2] = [Duration::from_millis(8), Duration::from_millis(32)];
/// How long the CPU twins may keep a frame, for the same reasons; the least where they draw between frames, too.
const CPU_BUDGET: [Duration; 2] = [Duration::from_millis(24), Duration::from_millis(64)];
/// How long a submit may take while tokens are only repeated (after a lost device): nobody wants to watch that again, and
/// the cost of a frame is best shared by many of them.
const REPEAT_BUDGET: Duration = Duration::from_millis(250);

/// As [`Standings`] has them.
const SLOTS: [Slot; 2] = [Slot::Main, Slot::Other];

struct ActiveRun {
    slot: Slot,
    session: Session,
    /// As in [`Starting`].
    from: usize,
    /// Least and most.
    budget: [Duration; 2],
}

/// A recorded run that is being played.
struct Tape {
    slot: Slot,
    tokens: std::iter::Skip<std::vec::IntoIter<Token>>,
    statistics: Statistics,
    due: f64,
}

/// Pictures, and the runs that fill them.
#[derive(Default)]
pub struct Playback {
    /// The picture the app is about.
    pub main: Option<Picture>,
    /// The picture beside it, in a comparison.
    pub other: Option<Picture>,
    /// Many pictures in place of these.
    pub tiles: Option<Tiles>,
    runs: Vec<ActiveRun>,
    tapes: Vec<Tape>,
    waiting: Vec<Starting>,
    turns: Turns,
    given_up: Option<Error>,
    /// How long the last frame took.
    pub frame: Duration,
    /// Whether the runs go on between frames as well ([`App::draw_between`](crate::app::App::draw_between)).
    pub between: bool,
}

impl Playback {
    /// A picture.
    pub fn picture(&self, slot: Slot) -> Option<&Picture> {
        match slot {
            Slot::Main => self.main.as_ref(),
            Slot::Other => self.other.as_ref(),
        }
    }

    /// A picture, to change.
    pub fn picture_mut(&mut self, slot: Slot) -> Option<&mut Picture> {
        match slot {
            Slot::Main => self.main.as_mut(),
            Slot::Other => self.other.as_mut(),
        }
    }

    /// Whether something is being drawn, played or waited for (held or not).
    pub fn is_busy(&self) -> bool {
        self.is_live() || !self.tapes.is_empty()
    }

    /// Whether a model draws (rather than a tape playing), held or not.
    pub fn is_live(&self) -> bool {
        !(self.runs.is_empty() && self.waiting.is_empty()) || self.tiles.as_ref().is_some_and(Tiles::is_busy)
    }

    /// Whether it is held.
    pub fn is_paused(&self) -> bool {
        self.tiles.as_ref().map_or(self.turns.is_paused(), Tiles::is_paused)
    }

    /// Tokens that all pictures have together.
    pub fn drawn(&self) -> usize {
        self.pictures().map(|picture| picture.tokens.len()).sum()
    }

    /// Whether frames are wanted as fast as they come.
    pub fn is_moving(&self) -> bool {
        self.is_busy() && !self.is_paused()
    }

    /// Ends what goes on and gives the engines back; pictures stay as they are, but for those of a wall or strip.
    pub fn clear(&mut self, model: Option<&mut LoadedModel>) {
        let runs = std::mem::take(&mut self.runs);
        let mut model = model;
        if let Some(tiles) = self.tiles.take() {
            tiles.end(model.as_deref_mut());
        }
        if let Some(model) = model {
            for run in runs {
                let generator = run.session.request().generator;
                model.give(generator, run.session.into_engine());
            }
        }
        self.tapes.clear();
        self.waiting.clear();
        self.turns = Turns::default();
    }

    /// Draws one picture, or two in turns, as soon as their engines are there.
    pub fn start(&mut self, model: &mut LoadedModel, runs: Vec<Starting>) {
        self.clear(Some(model));
        let config = &model.files.config;
        self.other = None;
        for run in runs {
            let picture = Picture::new(Source::Run, run.asked.clone(), config);
            match run.slot {
                Slot::Main => self.main = Some(picture),
                Slot::Other => self.other = Some(picture),
            }
            self.waiting.push(run);
        }
    }

    /// Plays a recorded run into a picture.
    pub fn play(
        &mut self,
        slot: Slot,
        mut picture: Picture,
        tokens: Vec<Token>,
        statistics: Statistics,
        from: usize,
        now: f64,
    ) {
        picture.restart(&tokens[..from.min(tokens.len())]);
        match slot {
            Slot::Main => self.main = Some(picture),
            Slot::Other => self.other = Some(picture),
        }
        let tokens = tokens.into_iter().skip(from);
        self.tapes.push(Tape { slot, tokens, statistics, due: now });
        self.turns = Turns::default();
    }

    /// Holds.
    pub fn pause(&mut self) {
        self.hold(true);
    }

    /// Goes on.
    pub fn resume(&mut self) {
        self.hold(false);
    }

    /// Goes on for one token, of a recorded run too.
    pub fn step_token(&mut self) {
        if let Some(tiles) = &mut self.tiles {
            return tiles.step_token();
        }
        let drawn = self.main.as_ref().map_or(0, |p| p.tokens.len());
        self.turns.step_token(&self.standings());
        self.wind(|main| main.tokens.len() > drawn);
    }

    /// Goes on until the next patch begins, of a recorded run too.
    pub fn step_patch(&mut self) {
        if let Some(tiles) = &mut self.tiles {
            return tiles.step_patch();
        }
        let patches = self.main.as_ref().map_or(0, |p| p.patches.count());
        self.turns.step_patch(&self.standings());
        self.wind(|main| main.patches.count() > patches);
    }

    /// Recorded runs go on, token by token, until the main picture is `there`; then they are held.
    fn wind(&mut self, there: impl Fn(&Picture) -> bool) {
        if self.tapes.is_empty() {
            return;
        }
        self.turns.pause();
        let mut tapes = std::mem::take(&mut self.tapes);
        while self.main.as_ref().is_some_and(|main| !there(main)) && !tapes.is_empty() {
            tapes.retain_mut(|tape| self.next_of(tape, f64::NEG_INFINITY));
        }
        self.tapes = tapes;
    }

    /// Plays the next token of a tape; whether there was one.
    fn next_of(&mut self, tape: &mut Tape, now: f64) -> bool {
        let Some(picture) = self.picture_mut(tape.slot) else { return false };
        match tape.tokens.next() {
            Some(token) => picture.push(token, now),
            None => picture.statistics = Some(tape.statistics.clone()),
        }
        picture.statistics.is_none()
    }

    /// Ends the runs with what is drawn; of a recorded run all is known, so it is shown to its end.
    pub fn stop(&mut self) {
        for tape in std::mem::take(&mut self.tapes) {
            if let Some(picture) = self.picture_mut(tape.slot) {
                tape.tokens.for_each(|token| picture.push(token, f64::NEG_INFINITY));
                picture.statistics = Some(tape.statistics);
            }
        }
        for run in &mut self.runs {
            run.session.stop();
        }
        if let Some(tiles) = &mut self.tiles {
            tiles.stop();
        }
        self.waiting.clear();
        self.turns.resume();
    }

    /// Passes moved controls to the runs; from the next submit on they count.
    ///
    /// # Errors
    /// As [`Session::set_controls`].
    pub fn set_controls(&mut self, controls: &Controls) -> Result<()> {
        for mut run in std::mem::take(&mut self.waiting) {
            run.set_controls(controls);
            if let Some(picture) = self.picture_mut(run.slot) {
                picture.request = run.asked.clone();
            }
            self.waiting.push(run);
        }
        self.tiles.as_mut().map_or(Ok(()), |tiles| tiles.set_controls(controls))?;
        self.runs.iter_mut().try_for_each(|run| run.session.set_controls_from(run.from, controls.clone()))
    }

    /// The run that fills a picture.
    pub fn session(&self, slot: Slot) -> Option<&Session> {
        self.runs.iter().find(|r| r.slot == slot).map(|r| &r.session)
    }

    /// The run that brings a picture to its end; all of it is given where it is there already.
    pub fn rest(&self, slot: Slot) -> Option<Starting> {
        if let Some(waiting) = self.waiting.iter().find(|run| run.slot == slot) {
            return Some(waiting.clone());
        }
        let picture = self.picture(slot).filter(|p| p.source == Source::Run)?;
        let asked = picture.request.clone();
        Some(match self.runs.iter().find(|run| run.slot == slot) {
            Some(run) => Starting {
                slot,
                request: run.session.continuation(),
                asked,
                from: run.from.max(run.session.tokens().len()),
            },
            None => {
                let mut forced: Vec<Option<u32>> = picture.tokens.iter().map(|t| Some(t.id)).collect();
                forced.extend(asked.forced.iter().skip(forced.len()));
                Starting { slot, request: Request { forced, ..asked.clone() }, asked, from: picture.tokens.len() }
            }
        })
    }

    /// Moves everything on. `now` in seconds; `speed` in tokens a second, 0 for no limit.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] and whatever else ends a run.
    pub fn advance(&mut self, model: Option<&mut LoadedModel>, wake: &Wake, now: f64, speed: f32) -> Result<()> {
        self.play_on(now, speed);
        let Some(model) = model else { return Ok(()) };
        for (generator, pictures, e) in model.poll() {
            self.without(generator, pictures, e)?;
        }
        if let Some(tiles) = &mut self.tiles {
            return tiles.advance(model, wake, now, speed, self.frame);
        }
        self.begin(model, wake)?;
        let grant = self.turns.next(&self.standings(), now, speed);
        let mut runs = std::mem::take(&mut self.runs);
        let mut outcome = Ok(());
        for run in &mut runs {
            match grant.filter(|grant| SLOTS[grant.run] == run.slot) {
                Some(grant) => run.session.run_to(grant.to),
                None => run.session.pause(),
            }
            let drawn = run.session.tokens().len();
            let repeated = run.session.request().forced.get(drawn).is_some_and(Option::is_some);
            let budget = if repeated { REPEAT_BUDGET } else { self.frame.clamp(run.budget[0], run.budget[1]) };
            run.session.set_budget(budget);
            // What was in flight comes in, also where it is not this run's turn any more.
            match (run.session.step(), self.picture_mut(run.slot)) {
                (Ok(events), Some(picture)) => {
                    events.into_iter().for_each(|(_, event)| picture.accept(event, now));
                    // As far as the run has come, and no further: what a link or a trace of it says.
                    picture.request.schedule = run.session.schedule();
                }
                (Ok(_), None) => {}
                (Err(e), _) => outcome = Err(e),
            }
        }
        for run in runs {
            if !run.session.is_done() {
                self.runs.push(run);
                continue;
            }
            model.give(run.session.request().generator, run.session.into_engine());
        }
        outcome
    }

    /// An engine could not be built: the picture that waits for it is given up, and no other.
    fn without(&mut self, generator: Generator, pictures: usize, e: Error) -> Result<()> {
        if pictures > 1 {
            // Nobody waits for it any more, or these pictures do.
            return if self.tiles.take().is_some() || matches!(e, Error::DeviceLost(_)) { Err(e) } else { Ok(()) };
        }
        let given_up: Vec<Slot> =
            self.waiting.extract_if(.., |run| run.request.generator == generator).map(|run| run.slot).collect();
        if matches!(e, Error::DeviceLost(_)) || given_up.contains(&Slot::Main) {
            return Err(e);
        }
        if given_up.contains(&Slot::Other) {
            self.other = None;
            self.given_up = Some(e);
        }
        // Nobody waits for it: whoever asks for it next is told.
        Ok(())
    }

    /// Why the picture beside was given up, when it just was.
    pub fn take_given_up(&mut self) -> Option<Error> {
        self.given_up.take()
    }

    /// Where the runs stand.
    fn standings(&self) -> Standings {
        SLOTS.map(|slot| {
            let (run, picture) = (self.session(slot)?, self.picture(slot)?);
            let (patches, total) = (picture.patches.count(), picture.total());
            Some(Standing { drawn: run.tokens().len(), patches, total })
        })
    }

    /// Starts the sessions whose engines are ready.
    fn begin(&mut self, model: &mut LoadedModel, wake: &Wake) -> Result<()> {
        let mut still = Vec::new();
        for run in std::mem::take(&mut self.waiting) {
            let Some(engine) = model.take(run.request.generator, 1, wake) else {
                still.push(run);
                continue;
            };
            let budget = if matches!(engine, Engine::Cpu(_)) { CPU_BUDGET } else { GPU_BUDGET };
            let session = Session::new(engine, &model.files.config, run.request)?.with_budget(budget[0]);
            self.runs.push(ActiveRun { slot: run.slot, from: run.from, session, budget });
        }
        self.waiting = still;
        Ok(())
    }

    /// Plays tapes at a speed that shows a picture in a few seconds.
    fn play_on(&mut self, now: f64, speed: f32) {
        const SECONDS: f64 = 9.0;
        if self.turns.is_paused() {
            self.tapes.iter_mut().for_each(|t| t.due = now);
            return;
        }
        let tapes = std::mem::take(&mut self.tapes);
        for mut tape in tapes {
            let total = self.picture(tape.slot).map_or(1, Picture::total);
            let each = if speed > 0.0 { f64::from(1.0 / speed) } else { SECONDS / total as f64 };
            let mut more = true;
            while more && tape.due <= now {
                tape.due = (tape.due + each).max(now - 0.25);
                more = self.next_of(&mut tape, now);
            }
            if more {
                self.tapes.push(tape);
            }
        }
    }
}

mod many;
#[cfg(test)]
mod tests;
