//! One run: from a request to a picture, one token at a time, with everything a person can look at as events; or several
//! requests to as many pictures at once, all at the same position.
//!
//! The command line and the app consume the same [`Event`]s and compute nothing themselves. [`Session::step`] never
//! blocks on a GPU: it picks up what has arrived and submits more. Controls changed on the way take effect with the
//! next submit and are noted with their position, so a trace replays exactly.

use std::time::Duration;

use web_time::Instant;

use super::course::{Course, Given};
use super::event::{Event, Token};
use super::pace::Pace;
use super::request::Request;
use super::side_by_side::SideBySide;
use crate::checkpoint::config::Generator;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::engine::Engine;
use crate::engine::gpu::TimedBy;
use crate::engine::state::DRAW;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::Patches;

/// One run on an engine.
pub struct Session {
    engine: Engine,
    line: SideBySide,
    pace: Pace,
    /// What has ended the run, until it is told.
    failed: Option<Error>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = self.line.pictures.len();
        write!(f, "Session({:?}, {of} pictures, {} tokens)", self.request().generator, self.line.arrived)
    }
}

impl Session {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`Error::Request`] for a request the model or engine cannot serve, [`Error::DeviceLost`].
    pub fn new(engine: Engine, config: &ModelConfig, request: Request) -> Result<Self> {
        Self::several(engine, config, vec![request])
    }

    /// Prepares a run of several pictures at once, of one generator: at most as many as the engine was built for. What each is
    /// asked for is its own, down to the controls.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn several(mut engine: Engine, config: &ModelConfig, requests: Vec<Request>) -> Result<Self> {
        let program = engine.program();
        let (room, lanes, tokens) = (program.pictures, program.lanes, program.tokens);
        if requests.is_empty() || requests.len() > room {
            let asked = requests.len();
            return Err(Error::Internal(format!("{asked} pictures for an engine that was built for {room}")));
        }
        for request in &requests {
            request.check(config)?;
            if program.patches != (request.generator == Generator::Dpar) {
                return Err(Error::Internal("the engine was built for another generator than the request's".into()));
            }
            let later = request.schedule.iter().map(|(_, controls)| controls);
            [&request.controls].into_iter().chain(later).try_for_each(|controls| check_lanes(controls, lanes))?;
        }
        let forced = |request: &Request| request.forced.iter().map(|t| t.unwrap_or(DRAW)).collect::<Vec<u32>>();
        let forced: Vec<Vec<u32>> = requests.iter().map(forced).collect();
        let starts: Vec<(&Mix, &[u32])> =
            requests.iter().zip(&forced).map(|(request, forced)| (&request.class, &forced[..])).collect();
        engine.start(&starts)?;
        let given = Given { grid: config.grid(), vocab: config.vocab(), tokens, patches: engine.program().patches };
        let pictures = requests.into_iter().map(|request| Course::new(request, tokens)).collect();
        let pace = Pace::new(if let Engine::Gpu(gpu) = &engine { gpu.chunk } else { None });
        Ok(Self { engine, line: SideBySide::new(given, pictures, room), pace, failed: None })
    }

    /// How long one submit should keep the GPU (a page that paints wants 8 ms, a command line can take more).
    #[must_use]
    pub fn with_budget(mut self, budget: Duration) -> Self {
        self.pace.budget = budget;
        self
    }

    /// As [`Session::with_budget`], on the way.
    pub fn set_budget(&mut self, budget: Duration) {
        self.pace.budget = budget;
    }

    /// What becomes of each request.
    pub fn pictures(&self) -> &[Course] {
        &self.line.pictures
    }

    /// The first picture, the only one of most runs; a session has one at least.
    fn first(&self) -> &Course {
        &self.line.pictures[0]
    }

    /// The request the run was started with; of several, the first.
    pub fn request(&self) -> &Request {
        self.first().request()
    }

    /// The tokens drawn so far; of several pictures, the first's.
    pub fn tokens(&self) -> &[Token] {
        self.first().tokens()
    }

    /// The patches so far; of several pictures, the first's.
    pub fn patches(&self) -> Patches {
        self.first().patches(self.line.given)
    }

    /// The controls now in force; of several pictures, the first's.
    pub fn controls(&self) -> &Controls {
        self.first().controls()
    }

    /// Control changes with the position they took effect at; of several pictures, the first's.
    pub fn changes(&self) -> &[(usize, Controls)] {
        self.first().changes()
    }

    /// How many submits the run has taken (0 on the CPU).
    pub fn submits(&self) -> usize {
        self.pace.submits
    }

    /// Milliseconds a token so far, pauses excluded; `None` before the first. Tokens of all pictures count.
    pub fn ms_per_token(&self) -> Option<f64> {
        let tokens: usize = self.line.pictures.iter().map(|picture| picture.tokens().len()).sum();
        (tokens > 0).then(|| self.pace.elapsed.as_secs_f64() * 1000.0 / tokens as f64)
    }

    /// What times are measured by; `None` before the first.
    pub fn timed_by(&self) -> Option<TimedBy> {
        self.pace.timed_by
    }

    /// Whether the run is over, for all pictures.
    pub fn is_done(&self) -> bool {
        self.line.pictures.iter().all(Course::is_done)
    }

    /// Changes the controls of all pictures from the next submit on.
    ///
    /// # Errors
    /// [`Error::Request`] for numbers out of range; the old controls stay.
    pub fn set_controls(&mut self, controls: Controls) -> Result<()> {
        self.set_controls_from(0, controls)
    }

    /// As [`Session::set_controls`], but not before `position`: tokens that are given because they were there before a
    /// device was lost were drawn under the controls of then.
    ///
    /// # Errors
    /// As [`Session::set_controls`].
    pub fn set_controls_from(&mut self, position: usize, controls: Controls) -> Result<()> {
        (0..self.line.pictures.len()).try_for_each(|picture| self.set_controls_of(picture, position, controls.clone()))
    }

    /// As [`Session::set_controls_from`], for one picture.
    ///
    /// # Errors
    /// As [`Session::set_controls`].
    pub fn set_controls_of(&mut self, picture: usize, position: usize, controls: Controls) -> Result<()> {
        controls.check()?;
        check_lanes(&controls, self.engine.program().lanes)?;
        self.line.pictures[picture].set_controls(position, self.line.submitted, controls);
        Ok(())
    }

    /// Pauses: nothing more is submitted until [`Session::resume`].
    pub fn pause(&mut self) {
        self.line.paused = true;
    }

    /// Goes on after [`Session::pause`] or [`Session::run_to`].
    pub fn resume(&mut self) {
        self.run_to(self.line.given.tokens);
    }

    /// Runs on, but only until `position` tokens are drawn (single steps).
    pub fn run_to(&mut self, position: usize) {
        self.line.paused = false;
        self.line.limit = position.min(self.line.given.tokens);
    }

    /// Ends the run with what is drawn; [`Event::Done`] follows once the GPU has handed over what it was given.
    pub fn stop(&mut self) {
        (0..self.line.pictures.len()).for_each(|picture| self.stop_picture(picture));
    }

    /// As [`Session::stop`], for one picture; the others go on.
    pub fn stop_picture(&mut self, picture: usize) {
        if !self.line.pictures[picture].is_stopped() {
            self.line.pictures[picture].stop(self.line.submitted);
            self.engine.stop(picture);
        }
    }

    /// Hands the engine back for the next run.
    pub fn into_engine(self) -> Engine {
        self.engine
    }

    /// Picks up what has arrived and submits more; says of each event which picture it belongs to. Does not block on a GPU; on
    /// the CPU it works for about the budget.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]: [`Session::continuation`] then says how to go on elsewhere.
    pub fn step(&mut self) -> Result<Vec<(usize, Event)>> {
        self.advance(false)
    }

    /// As [`Session::step`], but waits for the GPU where there is nothing else to do (native).
    ///
    /// # Errors
    /// As [`Session::step`].
    pub fn step_blocking(&mut self) -> Result<Vec<(usize, Event)>> {
        self.advance(true)
    }

    /// The request that draws the same picture from the token this run has reached: after a device was lost. Of several pictures,
    /// the first's ([`Course::continuation`]).
    pub fn continuation(&self) -> Request {
        self.first().continuation()
    }

    /// All control changes of the run: those made so far, and those that it was given and has not come to yet. Of several
    /// pictures, the first's.
    pub fn schedule(&self) -> Vec<(usize, Controls)> {
        self.first().schedule()
    }

    fn advance(&mut self, block: bool) -> Result<Vec<(usize, Event)>> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let mut events = Vec::new();
        if !self.is_done()
            && let Err(e) = self.collect(block, &mut events)
        {
            // What was accepted before is told first.
            if events.is_empty() {
                return Err(e);
            }
            self.failed = Some(e);
        }
        Ok(events)
    }

    fn collect(&mut self, block: bool, events: &mut Vec<(usize, Event)>) -> Result<()> {
        match &mut self.engine {
            Engine::Gpu(gpu) => {
                self.pace.feed(&mut **gpu, &mut self.line, block, events)?;
                gpu.chunk = Some(self.pace.chunk());
            }
            Engine::Cpu(cpu) => {
                let started = Instant::now();
                while started.elapsed() < self.pace.budget {
                    let begun = Instant::now();
                    let Some(positions) = self.line.next(1, |n, controls| cpu.set_controls(n, controls)) else { break };
                    let records = cpu.run(positions);
                    self.pace.arrived(1, begun.elapsed(), TimedBy::Wall);
                    self.line.accept(&records, events)?;
                }
            }
        }
        self.line.finish(self.pace.elapsed, self.pace.timed_by, events);
        Ok(())
    }
}

fn check_lanes(controls: &Controls, lanes: usize) -> Result<()> {
    if lanes == 1 && controls.sampling.cfg_scale != 1.0 {
        return Err(Error::Request(
            "guidance needs two lanes and this run was started without guidance; start a new run to use it".into(),
        ));
    }
    Ok(())
}
