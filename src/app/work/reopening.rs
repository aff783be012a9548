//! A lost device: everything is kept for the next window, which goes on with it.

use crate::app::state::app::{App, ModelSlot};
use crate::app::state::handover::{Carried, Reopen};
use crate::app::state::picture::Source;
use crate::app::state::playback::Slot;
use crate::error::Error;
use crate::run::link::{Link, View};
use crate::run::request::Request;
use crate::run::session::Session;

impl App {
    /// A run failed: says so, and where the device was lost goes on with a new one.
    pub(in crate::app) fn failed(&mut self, e: &Error) {
        if matches!(e, Error::DeviceLost(_)) {
            self.over = true;
            self.reopen(Reopen::Lost, Some(format!("The window was opened again: {e}")));
        } else {
            self.stage.clear(None);
            self.message = Some((e.to_string(), None));
        }
    }

    /// For tests of what happens then.
    pub(in crate::app) fn lose_device(&mut self, painting: bool) {
        let drawn = self.stage.main.as_ref().map_or(0, |p| p.tokens.len());
        if let Some(gpu) = self.backend.gpu()
            && self.stage.is_live()
            && self.launch.lose_device_at.is_some_and(|(at, when)| drawn >= at && when == painting)
        {
            self.launch.lose_device_at = None;
            gpu.destroy();
        }
    }

    /// Keeps everything for the next window, and closes this one.
    pub(in crate::app) fn reopen(&mut self, why: Reopen, notice: Option<String>) {
        let requests = if self.stage.is_live() {
            [Slot::Main, Slot::Other].map(|slot| self.rest(slot)).into_iter().flatten().collect()
        } else {
            Vec::new()
        };
        let carried = Carried {
            settings: self.remembered(),
            controls: self.controls.clone(),
            class: self.class.clone(),
            pinned: self.pinned,
            seek: self.seek,
            selected: self.selected,
            keep: self.keep.clone(),
            own: self.own.take(),
            main: self.stage.main.clone(),
            other: self.stage.other.clone(),
            files: if let ModelSlot::Ready(studio) = &self.model { Some(studio.files.clone()) } else { None },
            notice,
            requests,
        };
        self.launch.kept.keep(why, carried);
        self.stage.clear(None);
        self.tasks.close = true;
    }

    /// The request that brings a picture's run to its end; all of it given where it is there already.
    fn rest(&self, slot: Slot) -> Option<Request> {
        let picture = self.stage.picture(slot).filter(|p| p.source == Source::Run)?;
        Some(match self.stage.session(slot) {
            Some(session) => Session::continuation(session),
            None => {
                let mut forced: Vec<Option<u32>> = picture.tokens.iter().map(|t| Some(t.id)).collect();
                forced.extend(picture.request.forced.iter().skip(forced.len()));
                Request { forced, ..picture.request.clone() }
            }
        })
    }

    /// Keeps a link to go on with, should the window come to a sudden end. Every few tokens: what was drawn since is
    /// drawn again, and is the same.
    pub(in crate::app) fn note(&mut self) {
        const EVERY: usize = 8;
        let ModelSlot::Ready(studio) = &self.model else { return };
        let session = self.stage.session(Slot::Main);
        let drawn = session.map(|s| s.tokens().len());
        let noted = self.launch.kept.state(|s| s.latest.as_ref().map(|(n, _)| *n));
        match (session, drawn, noted) {
            (Some(session), Some(n), noted) if noted.is_none_or(|had| n < had || n >= had + EVERY) => {
                let view =
                    View { grid: self.settings.grid, heat: self.settings.heat, compare: self.stage.other.is_some() };
                let link = Link::of(&session.continuation(), &studio.files.hash, &self.config);
                let link = Link { view: Some(view), ..link }.to_string();
                self.launch.kept.state(|s| s.latest = Some((n, link)));
            }
            (None, _, Some(_)) => self.launch.kept.state(|s| s.latest = None),
            _ => {}
        }
    }

    /// Shows the pictures of the window before this one, while the model is loaded again.
    pub(in crate::app) fn take_over(&mut self) {
        let Some(carried) = self.launch.kept.take() else { return };
        self.settings = carried.settings.clone();
        self.class = carried.class.clone();
        (self.stage.main, self.stage.other) = (carried.main.clone(), carried.other.clone());
        self.carried = Some(carried);
    }

    /// The model is there again: what was under way goes on.
    pub(in crate::app) fn go_on(&mut self, carried: Carried) {
        (self.controls, self.class) = (carried.controls, carried.class);
        (self.pinned, self.seek, self.selected) = (carried.pinned, carried.seek, carried.selected);
        (self.keep, self.own) = (carried.keep, carried.own);
        if let Some(notice) = &carried.notice {
            self.say(notice);
        }
        let ModelSlot::Ready(studio) = &mut self.model else { return };
        if carried.requests.is_empty() {
            return;
        }
        self.stage.start(studio, carried.requests);
        // What had been decoded is right as long as its tokens are given.
        for (slot, before) in [(Slot::Main, carried.main), (Slot::Other, carried.other)] {
            if let (Some(picture), Some(before)) = (self.stage.picture_mut(slot), before) {
                picture.frames = before.frames;
            }
        }
    }
}
