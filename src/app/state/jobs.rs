//! Work under way beside the frame.

use std::path::PathBuf;

use eframe::egui::{ColorImage, ThemePreference};

use crate::app::work::decoder::Decoder;
use crate::app::work::loaded_model::LoadedModel;
use crate::bundled::Extras;
use crate::error::Result;
use crate::platform::{Progress, Task};
use crate::render::animation::Animation;

/// A file's name and content.
pub type NamedFile = (String, Vec<u8>);

/// Work under way beside the frame, and what it leaves for the next one.
#[derive(Default)]
pub struct Jobs {
    pub(in crate::app) decoder: Decoder,
    pub(in crate::app) open: Option<Task<Result<Option<NamedFile>>>>,
    /// Another model that is being chosen.
    pub(in crate::app) choosing: Option<Task<Result<Option<Vec<PathBuf>>>>>,
    /// Another model that is being made ready.
    pub(in crate::app) model: Option<(Task<Result<OtherModel>>, Progress)>,
    /// The model that the browser keeps is being deleted.
    pub(in crate::app) forgetting: Option<Task<Result<()>>>,
    pub(in crate::app) save: Option<Task<Result<Option<String>>>>,
    /// How many tokens that were kept of a person's image the file being saved does not hold.
    pub(in crate::app) left_out: usize,
    /// An animation that is being encoded, and its file's name.
    pub(in crate::app) animation: Option<(String, Animation)>,
    /// What comes with the built-in model.
    pub(in crate::app) extras: Option<Task<Extras>>,
    /// An answer of a slow thought is on its way.
    pub(in crate::app) thinking: bool,
    /// The window has to be opened again.
    pub(in crate::app) close: bool,
    /// For the clipboard.
    pub(in crate::app) copy: Option<Copy>,
    pub(in crate::app) theme: Option<ThemePreference>,
}

/// A model in place of the one that is there, and its folder.
pub type OtherModel = (Option<String>, LoadedModel);

/// What goes to the clipboard with the next frame.
pub enum Copy {
    /// Text.
    Text(String),
    /// A picture.
    Image(ColorImage),
}
