//! The runs that go on: starts them, lets them take turns, and fills the pictures with what they say.

use std::time::Duration;

use crate::app::state::picture::{Picture, Source};
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::checkpoint::config::Generator;
use crate::controls::Controls;
use crate::engine::Engine;
use crate::error::Result;
use crate::run::request::Request;
use crate::run::{Session, Statistics, Token};

/// How long one submit may keep a GPU that also paints: short where frames are fast, longer where they are slow anyway
/// (software adapters), so that what is in flight lasts until the next frame; and never so long that three of them keep a
/// person waiting who has pressed Stop.
const GPU_BUDGET: [Duration; 2] = [Duration::from_millis(8), Duration::from_millis(32)];
/// How long the CPU twins may keep a frame, for the same reasons.
const CPU_BUDGET: [Duration; 2] = [Duration::from_millis(24), Duration::from_millis(80)];
/// How long a submit may take while tokens are only repeated (after a lost device): nobody wants to watch that again, and
/// the cost of a frame is best shared by many of them.
const REPEAT_BUDGET: Duration = Duration::from_millis(250);
/// Tokens a run draws before it is the other's turn: short enough to watch, long enough to keep a GPU busy. Taking turns
/// (and not sharing the device) is what makes the times of the two comparable.
const TURN: usize = 16;

/// Which picture a run fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one the app is about.
    Main,
    /// The one beside it, in a comparison.
    Other,
}

/// How far to go before holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    End,
    Tokens(usize),
    Patches(usize),
}

struct ActiveRun {
    slot: Slot,
    session: Session,
    held: bool,
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
    runs: Vec<ActiveRun>,
    tapes: Vec<Tape>,
    waiting: Vec<(Slot, Request)>,
    turn: usize,
    paused: bool,
    until: Option<Until>,
    pace: Option<(f64, usize)>,
    /// How long the last frame took.
    pub frame: Duration,
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
        !(self.runs.is_empty() && self.tapes.is_empty() && self.waiting.is_empty())
    }

    /// Whether a model draws (rather than a tape playing), held or not.
    pub fn is_live(&self) -> bool {
        !(self.runs.is_empty() && self.waiting.is_empty())
    }

    /// Whether it is held.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether frames are wanted as fast as they come.
    pub fn is_moving(&self) -> bool {
        self.is_busy() && !self.paused
    }

    /// Ends what goes on and gives the engines back; pictures stay as they are.
    pub fn clear(&mut self, studio: Option<&mut LoadedModel>) {
        let runs = std::mem::take(&mut self.runs);
        if let Some(studio) = studio {
            for run in runs {
                let generator = run.session.request().generator;
                studio.give(generator, run.session.into_engine());
            }
        }
        self.tapes.clear();
        self.waiting.clear();
        self.paused = false;
        self.until = None;
        self.pace = None;
    }

    /// Draws one picture, or two in turns, as soon as their engines are there.
    pub fn start(&mut self, studio: &mut LoadedModel, requests: Vec<Request>) {
        self.clear(Some(studio));
        let config = &studio.files.config;
        let slots = [Slot::Main, Slot::Other];
        self.other = None;
        for (slot, request) in slots.into_iter().zip(requests) {
            let picture = Picture::new(Source::Run, request.clone(), config);
            match slot {
                Slot::Main => self.main = Some(picture),
                Slot::Other => self.other = Some(picture),
            }
            self.waiting.push((slot, request));
        }
        self.turn = 0;
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
        picture.tokens.clear();
        picture.flashes.clear();
        picture.statistics = None;
        for token in &tokens[..from.min(tokens.len())] {
            picture.push(token.clone(), f64::NEG_INFINITY);
        }
        match slot {
            Slot::Main => self.main = Some(picture),
            Slot::Other => self.other = Some(picture),
        }
        let tokens = tokens.into_iter().skip(from);
        self.tapes.push(Tape { slot, tokens, statistics, due: now });
        self.paused = false;
    }

    /// Holds.
    pub fn pause(&mut self) {
        self.paused = true;
        for run in &mut self.runs {
            run.session.pause();
        }
    }

    /// Goes on.
    pub fn resume(&mut self) {
        self.set_until(Until::End);
    }

    /// Goes on for one token.
    pub fn step_token(&mut self) {
        let drawn = self.main.as_ref().map_or(0, |p| p.tokens.len());
        self.set_until(Until::Tokens(drawn + 1));
    }

    /// Goes on until the next patch begins.
    pub fn step_patch(&mut self) {
        let patches = self.main.as_ref().map_or(0, |p| p.patches.count());
        self.set_until(Until::Patches(patches + 1));
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
        self.waiting.clear();
        self.paused = false;
        self.until = None;
    }

    /// Passes moved controls to the runs; from the next submit on they count.
    ///
    /// # Errors
    /// As [`Session::set_controls`].
    pub fn set_controls(&mut self, controls: &Controls) -> Result<()> {
        for (_, request) in &mut self.waiting {
            request.controls = controls.clone();
        }
        self.runs.iter_mut().try_for_each(|run| run.session.set_controls(controls.clone()))
    }

    /// The run that fills a picture.
    pub fn session(&self, slot: Slot) -> Option<&Session> {
        self.runs.iter().find(|r| r.slot == slot).map(|r| &r.session)
    }

    /// Moves everything on. `now` in seconds; `speed` in tokens a second, 0 for no limit.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] and whatever else ends a run.
    pub fn advance(&mut self, studio: Option<&mut LoadedModel>, wake: &Wake, now: f64, speed: f32) -> Result<()> {
        self.play_on(now, speed);
        let Some(studio) = studio else { return Ok(()) };
        studio.poll()?;
        self.begin(studio, wake)?;
        if self.runs.is_empty() {
            return Ok(());
        }
        self.turn %= self.runs.len();
        self.pace(now, speed);
        let sole = self.runs.len() == 1;
        let run = &mut self.runs[self.turn];
        let drawn = run.session.tokens().len();
        if run.held && !self.paused {
            let goal = self.until_of(self.turn, drawn, sole);
            let run = &mut self.runs[self.turn];
            run.session.run_to(goal);
            run.held = false;
        }
        let run = &mut self.runs[self.turn];
        let repeated = run.session.request().forced.get(drawn).is_some_and(Option::is_some);
        let budget = if repeated { REPEAT_BUDGET } else { self.frame.clamp(run.budget[0], run.budget[1]) };
        run.session.set_budget(budget);
        let events = run.session.step()?;
        let (slot, done) = (run.slot, run.session.is_done());
        let drawn_now = run.session.tokens().len();
        for event in events {
            if let Some(picture) = self.picture_mut(slot) {
                picture.accept(event, now);
            }
        }
        if done {
            let run = self.runs.remove(self.turn);
            let changes = run.session.changes().to_vec();
            if let Some(picture) = self.picture_mut(slot) {
                picture.request.schedule = changes;
            }
            studio.give(run.session.request().generator, run.session.into_engine());
        } else {
            self.hold_or_pass(drawn_now, sole);
        }
        Ok(())
    }

    /// Starts the sessions whose engines are ready.
    fn begin(&mut self, studio: &mut LoadedModel, wake: &Wake) -> Result<()> {
        let mut still = Vec::new();
        for (slot, request) in std::mem::take(&mut self.waiting) {
            let Some(engine) = studio.take(request.generator, wake) else {
                still.push((slot, request));
                continue;
            };
            let budget = if matches!(engine, Engine::Cpu(_)) { CPU_BUDGET } else { GPU_BUDGET };
            let mut session = Session::new(engine, &studio.files.config, request)?.with_budget(budget[0]);
            if self.paused {
                session.pause();
            }
            self.runs.push(ActiveRun { slot, session, held: true, budget });
        }
        self.waiting = still;
        Ok(())
    }

    fn set_until(&mut self, until: Until) {
        self.paused = false;
        self.until = Some(until);
        self.pace = None;
        for run in &mut self.runs {
            run.held = true;
        }
    }

    /// Up to which token the run at `turn` may go now.
    fn until_of(&self, turn: usize, drawn: usize, sole: bool) -> usize {
        let slot = self.runs[turn].slot;
        let total = self.picture(slot).map_or(usize::MAX, Picture::total);
        let turn_ends = if sole { total } else { drawn + TURN };
        let limit = match self.until {
            Some(Until::Tokens(n)) => n.max(drawn),
            Some(Until::Patches(_)) => drawn + 1,
            Some(Until::End) | None => total,
        };
        let paced = self.pace.map_or(total, |(_, n)| n.max(drawn));
        turn_ends.min(limit).min(paced).min(total)
    }

    /// With a limited speed: how many tokens may be there by now.
    fn pace(&mut self, now: f64, speed: f32) {
        if speed <= 0.0 || self.paused {
            self.pace = None;
            return;
        }
        let drawn = self.runs.iter().map(|r| r.session.tokens().len()).min().unwrap_or(0);
        let due = match self.pace {
            Some((due, allowed)) if now < due || allowed > drawn => return,
            Some((due, _)) => (due + f64::from(1.0 / speed)).max(now - 0.1),
            None => now + f64::from(1.0 / speed),
        };
        self.pace = Some((due, drawn + 1));
        for run in &mut self.runs {
            run.held = true;
        }
    }

    /// After a step: goes on to the other run when this one's turn is over, and holds where it was asked to.
    fn hold_or_pass(&mut self, drawn: usize, sole: bool) {
        let reached = match self.until {
            Some(Until::Tokens(n)) => drawn >= n,
            Some(Until::Patches(n)) => self.main.as_ref().is_some_and(|p| p.patches.count() >= n),
            Some(Until::End) | None => false,
        };
        if reached && self.runs[self.turn].slot == Slot::Main {
            self.pause();
            self.until = None;
            return;
        }
        let run = &mut self.runs[self.turn];
        if matches!(self.until, Some(Until::Patches(_))) {
            run.held = true;
        }
        if !sole && drawn.is_multiple_of(TURN) && drawn > 0 && !run.held {
            run.held = true;
            self.turn += 1;
        }
    }

    /// Plays tapes at a speed that shows a picture in a few seconds.
    fn play_on(&mut self, now: f64, speed: f32) {
        const SECONDS: f64 = 9.0;
        if self.paused {
            self.tapes.iter_mut().for_each(|t| t.due = now);
            return;
        }
        let tapes = std::mem::take(&mut self.tapes);
        for mut tape in tapes {
            let Some(picture) = self.picture_mut(tape.slot) else { continue };
            let each = if speed > 0.0 { f64::from(1.0 / speed) } else { SECONDS / picture.total() as f64 };
            let mut over = false;
            while tape.due <= now {
                tape.due = (tape.due + each).max(now - 0.25);
                match tape.tokens.next() {
                    Some(token) => picture.push(token, now),
                    None => {
                        over = true;
                        break;
                    }
                }
            }
            if over {
                picture.statistics = Some(tape.statistics);
            } else {
                self.tapes.push(tape);
            }
        }
    }
}

/// The runs a click on Generate asks for: DPAR, and the baseline beside it in a comparison.
pub fn requests(request: Request, compare: bool) -> Vec<Request> {
    let mut all = vec![request];
    if compare {
        all.push(Request { generator: Generator::Baseline, ..all[0].clone() });
    }
    all
}
