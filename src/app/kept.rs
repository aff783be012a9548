//! What outlives a window whose device was lost: the next window shows the same pictures and goes on with the runs.

use std::sync::{Arc, Mutex, PoisonError};

use super::analyst::Own;
use super::picture::{Picture, Source};
use super::stage::Slot;
use super::{App, Model, Settings};
use crate::analysis::Region;
use crate::checkpoint::ModelFiles;
use crate::controls::Controls;
use crate::engine::backend::{Backend, DeviceChoice};
use crate::error::Error;
use crate::mix::Mix;
use crate::run::Session;
use crate::run::link::{Link, View};
use crate::run::request::Request;

/// Passed from a window to the one that is opened after it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    reopen: Option<Reopen>,
    carried: Option<Carried>,
    lost_before: bool,
    /// The device of the window that is open.
    backend: Option<Arc<Backend>>,
    /// A link that goes on with its run, and how many tokens were drawn when it was made.
    latest: Option<(usize, String)>,
}

/// Why another window is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// The device was lost.
    Lost,
    /// A person wants the model on another device.
    On(DeviceChoice),
}

/// What a person would miss.
#[derive(Debug)]
pub(super) struct Carried {
    settings: Settings,
    controls: Controls,
    class: Mix,
    pinned: Option<f32>,
    seek: Option<usize>,
    selected: Option<usize>,
    keep: Region,
    own: Option<Own>,
    main: Option<Picture>,
    other: Option<Picture>,
    /// Read and checked once.
    files: Option<Arc<ModelFiles>>,
    /// Why the window before this one is gone.
    notice: Option<String>,
    /// The runs that were under way, each to go on after its last token.
    requests: Vec<Request>,
}

impl Carried {
    /// The model that the window had.
    pub(super) fn files(&self) -> Option<Arc<ModelFiles>> {
        self.files.clone()
    }
}

impl Kept {
    /// Whether and why a new window was asked for; once.
    pub fn take_reopen(&self) -> Option<Reopen> {
        self.state(|s| s.reopen.take())
    }

    /// Whether a window before this one lost its device.
    pub(super) fn was_lost(&self) -> bool {
        self.state(|s| s.lost_before)
    }

    /// Whether the device of the window was lost.
    pub fn is_lost(&self) -> bool {
        self.state(|s| s.backend.as_ref().is_some_and(|b| b.lost().is_some()))
    }

    /// A link that goes on with the run of a window that came to a sudden end, if there was one.
    pub fn latest(&self) -> Option<String> {
        self.state(|s| s.latest.take()).map(|(_, link)| link)
    }

    pub(super) fn watch(&self, backend: Arc<Backend>) {
        self.state(|s| s.backend = Some(backend));
    }

    pub(super) fn take(&self) -> Option<Carried> {
        self.state(|s| s.carried.take())
    }

    fn keep(&self, reopen: Reopen, carried: Carried) {
        self.state(|s| {
            (s.reopen, s.carried) = (Some(reopen), Some(carried));
            s.lost_before |= reopen == Reopen::Lost;
        });
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// A run failed: says so, and where the device was lost goes on with a new one.
    pub(super) fn failed(&mut self, e: &Error) {
        if matches!(e, Error::DeviceLost(_)) {
            self.over = true;
            self.reopen(Reopen::Lost, Some(format!("The window was opened again: {e}")));
        } else {
            self.stage.clear(None);
            self.message = Some((e.to_string(), None));
        }
    }

    /// For tests of what happens then.
    pub(super) fn lose_device(&mut self, painting: bool) {
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
    pub(super) fn reopen(&mut self, why: Reopen, notice: Option<String>) {
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
            files: if let Model::Ready(studio) = &self.model { Some(studio.files.clone()) } else { None },
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
    pub(super) fn note(&mut self) {
        const EVERY: usize = 8;
        let Model::Ready(studio) = &self.model else { return };
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
    pub(super) fn take_over(&mut self) {
        let Some(carried) = self.launch.kept.take() else { return };
        self.settings = carried.settings.clone();
        self.class = carried.class.clone();
        (self.stage.main, self.stage.other) = (carried.main.clone(), carried.other.clone());
        self.carried = Some(carried);
    }

    /// The model is there again: what was under way goes on.
    pub(super) fn go_on(&mut self, carried: Carried) {
        (self.controls, self.class) = (carried.controls, carried.class);
        (self.pinned, self.seek, self.selected) = (carried.pinned, carried.seek, carried.selected);
        (self.keep, self.own) = (carried.keep, carried.own);
        if let Some(notice) = &carried.notice {
            self.say(notice);
        }
        let Model::Ready(studio) = &mut self.model else { return };
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
