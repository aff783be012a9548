//! A lost device: everything is kept for the next window, which goes on with it.

use std::sync::Arc;

use crate::app::state::app::App;
use crate::app::state::handover::{Carried, Latest, Reopen};
use crate::app::state::starting::{Slot, Starting};
use crate::error::Error;
use crate::run::link::Link;

impl App {
    /// A run failed: says so, and where the device was lost goes on with a new one.
    pub(in crate::app) fn failed(&mut self, e: &Error) {
        if matches!(e, Error::DeviceLost(_)) {
            self.machine.over = true;
            self.reopen(Reopen::Lost, Some(format!("The window was opened again: {e}")));
        } else {
            self.playback.clear(None);
            self.ui.say(e);
        }
    }

    /// For tests of what happens then.
    pub(in crate::app) fn lose_device(&mut self, painting: bool) {
        let drawn = self.playback.main.as_ref().map_or(0, |p| p.tokens.len());
        if self.playback.is_live()
            && self.launch.lose_device_at.is_some_and(|(at, when)| drawn >= at && when == painting)
        {
            self.launch.lose_device_at = None;
            self.machine.backend.lose();
        }
    }

    /// Keeps everything for the next window, and closes this one.
    pub(in crate::app) fn reopen(&mut self, why: Reopen, notice: Option<String>) {
        // What the window before this one has left, where this one had no time to go on with it.
        let left = self.model.carried.take();
        let runs = match &left {
            Some(left) => self.moved_on(left),
            None if self.playback.is_live() => {
                [Slot::Main, Slot::Other].into_iter().filter_map(|slot| self.playback.rest(slot)).collect()
            }
            None => Vec::new(),
        };
        let carried = Carried {
            chosen: self.chosen.clone(),
            seek: left.as_ref().map_or(self.ui.seek, |left| left.seek),
            selected: left.as_ref().map_or(self.ui.selected, |left| left.selected),
            own: left.as_ref().map_or_else(|| std::mem::take(&mut self.own), |left| left.own.clone()),
            early: self.model.early,
            main: self.playback.main.clone(),
            other: self.playback.other.clone(),
            tiles: self.playback.tiles.as_ref().map(|tiles| tiles.again(&self.model.config)),
            files: self.model.ready().map(|model| model.files.clone()).or(left.and_then(|left| left.files)),
            notice,
            runs,
        };
        self.launch.kept.keep(why, carried);
        self.playback.clear(None);
        self.jobs.close = true;
    }

    /// Keeps a link to go on with, should the window come to a sudden end. Every few tokens: what was drawn since is
    /// drawn again, and is the same.
    pub(in crate::app) fn note(&mut self) {
        const EVERY: usize = 8;
        let Some(model) = self.model.ready() else { return };
        let Some(session) = self.playback.session(Slot::Main) else {
            self.launch.kept.state(|s| s.latest = None);
            return;
        };
        let drawn = session.tokens().len();
        let noted = self.launch.kept.state(|s| s.latest.as_ref().map(|latest| latest.drawn));
        if noted.is_none_or(|had| drawn < had || drawn >= had + EVERY) {
            let rest = Link::of(&session.continuation(), &model.files.hash, &self.model.config).to_string();
            let latest = self.whole_link().map(|link| Latest { drawn, link: link.to_string(), rest });
            self.launch.kept.state(|s| s.latest = latest);
        }
    }

    /// Shows the pictures of the window before this one, while the model is loaded again.
    pub(in crate::app) fn take_over(&mut self) {
        let Some(mut carried) = self.launch.kept.take() else { return };
        self.chosen = carried.chosen.clone();
        (self.playback.main, self.playback.other) = (carried.main.clone(), carried.other.clone());
        if let Some(files) = &carried.files {
            // Classes have the meaning that they had.
            self.model.config = Arc::new(files.config.clone());
        }
        // They wait for the model by themselves.
        self.playback.tiles = carried.tiles.take();
        self.model.early = carried.early;
        self.model.carried = Some(carried);
    }

    /// The runs that are to go on, under the controls as they were moved since.
    fn moved_on(&self, carried: &Carried) -> Vec<Starting> {
        let mut runs = carried.runs.clone();
        if self.chosen.controls != carried.chosen.controls {
            runs.iter_mut().for_each(|run| run.set_controls(&self.chosen.controls));
        }
        runs
    }

    /// The model is there again: what was under way goes on.
    pub(in crate::app) fn go_on(&mut self, carried: Carried) {
        let runs = self.moved_on(&carried);
        self.own = carried.own;
        (self.ui.seek, self.ui.selected) = (carried.seek, carried.selected);
        if let Some(notice) = &carried.notice {
            self.ui.say(notice);
        }
        let Some(model) = self.model.ready_mut() else { return };
        if runs.is_empty() || self.playback.tiles.is_some() {
            return;
        }
        self.playback.start(model, runs);
        // What had been decoded is right as long as its tokens are given.
        for (slot, before) in [(Slot::Main, carried.main), (Slot::Other, carried.other)] {
            if let (Some(picture), Some(before)) = (self.playback.picture_mut(slot), before) {
                picture.frames = before.frames;
            }
        }
    }
}
