//! Where the model is, and what waits for it.

use std::sync::Arc;

use crate::app::state::handover::Carried;
use crate::app::work::loaded_model::LoadedModel;
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};
use crate::platform::{Progress, ProgressStep, Task};
use crate::run::link::Link;
use crate::run::request::Request;

/// The model's place.
pub struct ModelSlot {
    /// Its shapes, classes and defaults; the built-in model's until it is there.
    pub config: Arc<ModelConfig>,
    /// How far it is.
    pub state: ModelState,
    /// The baseline's weights on their way.
    pub baseline: Option<(Task<Result<Vec<u8>>>, Progress)>,
    /// Somebody wants what is chosen drawn as soon as the model is there.
    pub early: bool,
    /// What is drawn as soon as they are there.
    pub waiting: Option<Wanted>,
    /// What the window before this one has left, until the model is there.
    pub carried: Option<Carried>,
}

/// A picture that somebody has asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What to draw.
    pub request: Request,
    /// With the baseline beside it.
    pub compare: bool,
    /// Where the cursor goes in the end.
    pub token: Option<usize>,
    /// The link it comes from.
    pub link: Option<Link>,
    /// The same with the tokens given that were there before a device was lost.
    pub recovered: Option<Request>,
}

impl Wanted {
    /// A picture from its first token.
    pub fn new(request: Request, compare: bool) -> Self {
        Self { request, compare, token: None, link: None, recovered: None }
    }
}

/// How far a model is.
pub enum ModelState {
    /// Being fetched.
    Loading(Task<Result<LoadedModel>>, Progress),
    /// Not there; the message line says why.
    Failed,
    /// Ready.
    Ready(Box<LoadedModel>),
}

impl ModelSlot {
    /// Nothing fetched yet.
    pub fn new(config: ModelConfig) -> Self {
        Self {
            config: Arc::new(config),
            state: ModelState::Failed,
            baseline: None,
            early: false,
            waiting: None,
            carried: None,
        }
    }

    /// The model, where it is ready.
    pub fn ready(&self) -> Option<&LoadedModel> {
        if let ModelState::Ready(model) = &self.state { Some(model) } else { None }
    }

    /// The same, to draw with.
    pub fn ready_mut(&mut self) -> Option<&mut LoadedModel> {
        if let ModelState::Ready(model) = &mut self.state { Some(model) } else { None }
    }

    /// The same, for what cannot be done without it.
    ///
    /// # Errors
    /// [`Error::Request`] where it is not ready.
    pub fn needed(&self) -> Result<&LoadedModel> {
        self.ready().ok_or_else(not_there)
    }

    /// The hash of its folder, where it is ready.
    pub fn hash(&self) -> Option<&str> {
        self.ready().map(|model| model.files.hash.as_str())
    }

    /// How far the fetching is, where it is being fetched.
    pub fn progress(&self) -> Option<Option<ProgressStep>> {
        if let ModelState::Loading(_, progress) = &self.state { Some(progress.get()) } else { None }
    }
}

/// What is said where the model would be needed.
pub fn not_there() -> Error {
    Error::Request("the model is not there yet: wait for the download, or try it again".into())
}
