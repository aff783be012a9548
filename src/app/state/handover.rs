//! What outlives a window whose device was lost: the next window shows the same pictures and goes on with the runs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::app::state::chosen::Chosen;
use crate::app::state::own::OwnPicture;
use crate::app::state::picture::Picture;
use crate::app::state::starting::Starting;
use crate::app::state::tiles::Tiles;
use crate::checkpoint::ModelFiles;
use crate::engine::backend::{Backend, DeviceChoice};

/// Passed from a window to the one that is opened after it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<HandoverState>>);

/// What a window has left.
#[derive(Debug, Default)]
pub struct HandoverState {
    pub(in crate::app) reopen: Option<Reopen>,
    pub(in crate::app) carried: Option<Carried>,
    pub(in crate::app) lost_before: bool,
    /// The device of the window that is open.
    pub(in crate::app) backend: Option<Arc<Backend>>,
    /// How to go on with its run.
    pub(in crate::app) latest: Option<Latest>,
    /// The model that a person has opened in place of the first one: its folder, `None` for the built-in one.
    pub(in crate::app) model: Option<Option<String>>,
}

/// How to go on with a run, should the window come to a sudden end.
#[derive(Clone, Debug)]
pub struct Latest {
    /// How many tokens were drawn when this was written.
    pub(in crate::app) drawn: usize,
    /// A link to the picture.
    pub link: String,
    /// A link that draws what is missing of it.
    pub rest: String,
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
pub struct Carried {
    pub(in crate::app) chosen: Chosen,
    pub(in crate::app) seek: Option<usize>,
    pub(in crate::app) selected: Option<usize>,
    pub(in crate::app) own: OwnPicture,
    /// Somebody wants what is chosen drawn as soon as the model is there.
    pub(in crate::app) early: bool,
    pub(in crate::app) main: Option<Picture>,
    pub(in crate::app) other: Option<Picture>,
    /// Many pictures in place of these, to go on with.
    pub(in crate::app) tiles: Option<Tiles>,
    /// Read and checked once.
    pub(in crate::app) files: Option<Arc<ModelFiles>>,
    /// Why the window before this one is gone.
    pub(in crate::app) notice: Option<String>,
    /// The runs that were under way, each to go on after its last token.
    pub(in crate::app) runs: Vec<Starting>,
}

impl Carried {
    /// The model that the window had.
    pub(in crate::app) fn files(&self) -> Option<Arc<ModelFiles>> {
        self.files.clone()
    }
}

impl Kept {
    /// Whether and why a new window was asked for; once.
    pub fn take_reopen(&self) -> Option<Reopen> {
        self.state(|s| s.reopen.take())
    }

    /// Whether a window before this one lost its device.
    pub(in crate::app) fn was_lost(&self) -> bool {
        self.state(|s| s.lost_before)
    }

    /// Whether the device of the window was lost.
    pub fn is_lost(&self) -> bool {
        self.state(|s| s.backend.as_ref().is_some_and(|b| b.lost().is_some()))
    }

    /// Loses the device of the window, for tests of what happens then.
    pub fn lose_device(&self) {
        if let Some(backend) = self.state(|s| s.backend.clone()) {
            backend.lose();
        }
    }

    /// How to go on with the run of a window that came to a sudden end, if there was one.
    pub fn latest(&self) -> Option<Latest> {
        self.state(|s| s.latest.take())
    }

    /// The model folder that the next window opens, where a person has opened another than the first window did.
    pub fn model(&self) -> Option<Option<String>> {
        self.state(|s| s.model.clone())
    }

    pub(in crate::app) fn watch(&self, backend: Arc<Backend>) {
        self.state(|s| s.backend = Some(backend));
    }

    pub(in crate::app) fn take(&self) -> Option<Carried> {
        self.state(|s| s.carried.take())
    }

    pub(in crate::app) fn keep(&self, reopen: Reopen, carried: Carried) {
        self.state(|s| {
            (s.reopen, s.carried) = (Some(reopen), Some(carried));
            s.lost_before |= reopen == Reopen::Lost;
        });
    }

    pub(in crate::app) fn state<T>(&self, work: impl FnOnce(&mut HandoverState) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
