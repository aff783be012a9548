//! Everything that happens between frames.

use std::sync::Arc;
use std::time::Duration;

use eframe::egui;

use crate::app::input::action::Action;
use crate::app::input::arrive::Arrival;
use crate::app::state::app::App;
use crate::app::state::model_slot::ModelState;
use crate::app::state::picture::Picture;
use crate::checkpoint::config::Generator;
use crate::controls::Controls;
use crate::error::{Error, Result};
use crate::platform::finished;

impl App {
    /// Everything that happens between frames.
    pub(in crate::app) fn advance(&mut self, ctx: &egui::Context) {
        if self.machine.over {
            return;
        }
        for arrival in self.arrivals() {
            self.arrive(arrival, ctx);
        }
        let drawn = self.draw();
        self.lose_device(false);
        self.note();
        let lost = || self.machine.backend.lost().map_or(Ok(()), Err);
        if let Err(e) = drawn.and_then(|()| lost()) {
            self.failed(&e);
        }
        if let Err(e) = self.think() {
            self.failed(&e);
        }
        if let Err(e) = self.animate() {
            self.jobs.animation = None;
            self.ui.say(e);
        }
        self.end_of_run();
        let first = self.playback.is_live() && self.playback.main.as_ref().is_some_and(|p| !p.tokens.is_empty());
        if first && self.clock.first_token_ms.is_none() {
            self.clock.first_token_ms = Some(1000.0 * self.clock.now());
        }
    }

    /// Somebody will call [`App::draw_between`] whenever nothing else is due.
    pub fn will_draw_between(&mut self) {
        self.playback.between = self.machine.backend.gpu().is_none();
    }

    /// Whether there is something to draw between two frames: the CPU twins draw, not held.
    pub fn draws_between(&self) -> bool {
        self.playback.between && !self.machine.over && self.playback.is_live() && !self.playback.is_paused()
    }

    /// The CPU twins go on between two frames, about as long as they may keep one at least. Whether they would like to be called
    /// again before the next frame: not where they wait for something.
    pub fn draw_between(&mut self) -> bool {
        if !self.draws_between() {
            return false;
        }
        let (now, speed) = (self.clock.now(), self.chosen.settings.speed);
        let drawn = self.playback.drawn();
        if let Err(e) = self.playback.advance(self.model.ready_mut(), &self.machine.wake, now, speed) {
            self.failed(&e);
            (self.machine.wake)();
            return false;
        }
        self.playback.drawn() > drawn && self.draws_between()
    }

    /// What has come since the last frame.
    fn arrivals(&mut self) -> Vec<Arrival> {
        let model = if let ModelState::Loading(task, _) = &self.model.state { task.take() } else { None };
        let baseline = self.baseline();
        let other = self.jobs.model.as_ref().and_then(|(task, _)| task.take());
        if other.is_some() {
            self.jobs.model = None;
        }
        [
            model.map(Arrival::Model),
            finished(&mut self.jobs.extras).map(|extras| Arrival::Extras(Box::new(extras))),
            self.analyst.verdict().map(|(ok, verdict)| Arrival::Checked(ok, verdict)),
            self.analyst.own().map(Arrival::Own),
            baseline.map(Arrival::Baseline),
            finished(&mut self.jobs.open).map(Arrival::File),
            finished(&mut self.jobs.choosing).map(Arrival::Chosen),
            other.map(Arrival::Other),
            finished(&mut self.jobs.forgetting).map(Arrival::Forgotten),
            finished(&mut self.jobs.save).map(Arrival::Saved),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The baseline's weights, as soon as they can be added to the model.
    fn baseline(&mut self) -> Option<Result<Vec<u8>>> {
        let (task, _) = self.model.baseline.as_ref()?;
        let ModelState::Ready(model) = &mut self.model.state else { return None };
        if Arc::get_mut(&mut model.files).is_none() {
            // Engines being built hold the files; they are done in a moment.
            (self.machine.wake)();
            return None;
        }
        task.take()
    }

    /// Runs go on, and what they have drawn is decoded.
    fn draw(&mut self) -> Result<()> {
        let (now, speed) = (self.clock.now(), self.chosen.settings.speed);
        // Where much is drawn between frames, a frame itself draws as little as may be.
        let frame_ms = if self.playback.between { 0.0 } else { self.clock.frame_ms.max(0.0) };
        self.playback.frame = Duration::from_secs_f64(frame_ms / 1000.0);
        self.playback.advance(self.model.ready_mut(), &self.machine.wake, now, speed)?;
        if let Some(e) = self.playback.take_given_up() {
            self.ui.say(format!("there is no comparison: {e}"));
        }
        let (seek, wake) = (self.ui.seek, &self.machine.wake);
        self.jobs.decoder.advance(&mut self.playback, self.model.ready(), seek, wake)
    }

    /// The slow thoughts: the grid under a moved threshold, attention, the self-test.
    fn think(&mut self) -> Result<()> {
        // A run that goes on after a lost device comes first.
        if !(self.playback.is_live() && self.launch.kept.was_lost()) {
            self.analyst.begin(&self.machine.backend, &self.machine.wake);
        }
        let picture = self.playback.main.as_ref();
        let rule =
            |threshold, picture: &Picture| Controls { threshold, ..self.chosen.controls.clone() }.rule(picture.grid);
        let moved = picture.filter(|_| self.moved()).map(|p| rule(self.chosen.controls.threshold, p));
        let pinned = picture.and_then(|p| Some(rule(self.chosen.pinned?, p)));
        let finished = picture.filter(|p| p.is_done() && p.entropies().len() == p.tokens.len());
        self.jobs.thinking = self.analyst.regrid.follow(finished, [moved, pinned])?;
        self.analyst.row = match self.attention() {
            Err(e) if !matches!(e, Error::DeviceLost(_)) => {
                // Pictures go on without it.
                self.ui.say(e);
                None
            }
            row => row?,
        };
        Ok(())
    }

    /// What the inspected token's patch attends to, where that is wanted and known.
    fn attention(&mut self) -> Result<Option<Vec<f32>>> {
        let (Some(attend), Some(token)) = (self.ui.attend, self.ui.inspected()) else { return Ok(None) };
        let (Some(model), Some(picture)) = (self.model.ready(), &self.playback.main) else { return Ok(None) };
        if !picture.is_done() || picture.request.generator != Generator::Dpar {
            return Ok(None);
        }
        let patches = self.patches(picture).into_owned();
        let Some(patch) = patches.ids().get(token).copied() else { return Ok(None) };
        self.analyst.attention.of(model, picture, &patches, (attend, patch), &self.machine.wake)
    }

    /// The run is over: the cursor goes where a link has wanted it, and a picture that is not the link's is called so.
    fn end_of_run(&mut self) {
        let done = self.playback.main.as_ref().filter(|p| p.is_done() && !self.playback.is_busy());
        let Some(picture) = done else { return };
        if let Some((link, asked)) = self.ui.followed.take()
            && picture.request == asked
            && picture.tokens.len() == picture.total()
        {
            let tokens = picture.tokens.iter().map(|token| token.id);
            if let Some(said) =
                link.differs(tokens, self.model.hash().unwrap_or_default(), &self.machine.backend.name())
            {
                self.ui.say(said);
            }
        }
        if let Some(at) = self.ui.seek_after.take() {
            self.act(Action::Seek(Some(at)));
        }
    }
}
