//! How the app is opened, and opened again.

use std::path::PathBuf;

use eframe::egui;

use crate::app::state::handover::Kept;
use crate::checkpoint::stored::WeightFormat;
use crate::engine::backend::DeviceChoice;
use crate::engine::cache::CacheFormat;

/// How the app is opened.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// A link to follow at once.
    pub link: Option<String>,
    /// A link that draws what is missing of the picture of `link`: the device was lost in the middle of it.
    pub rest: Option<String>,
    /// Where the model runs.
    pub device: DeviceChoice,
    /// Threads of the CPU twins; `None` is one a core, within reason.
    pub threads: Option<usize>,
    /// A model folder; `None` is the one that comes with the app.
    pub model: Option<String>,
    /// Where models are put that the app has made of others' files; `None` is a folder of the app's own.
    pub models: Option<PathBuf>,
    /// How its weights are kept; `None` is as they are stored.
    pub weights: Option<WeightFormat>,
    /// How keys and values are kept.
    pub caches: CacheFormat,
    /// Said at once, where something is not as hoped for (no GPU).
    pub notice: String,
    /// Measure, print, close.
    pub bench: bool,
    /// What outlives the window.
    pub kept: Kept,
    /// How the app is opened again.
    pub reopen: Reopener,
    /// For tests: the device is lost when so many tokens are drawn, before the frame or (`true`) just before it is
    /// painted, which is more than egui's renderer survives.
    pub lose_device_at: Option<(usize, bool)>,
}

/// Opens the app again where its device was lost: a window closes, and whoever has opened it opens the next; a page starts it
/// anew on the same canvas.
#[derive(Clone, Copy, Debug)]
pub struct Reopener(pub fn(&egui::Context));

impl Default for Reopener {
    fn default() -> Self {
        Self(|ctx| ctx.send_viewport_cmd(egui::ViewportCommand::Close))
    }
}
