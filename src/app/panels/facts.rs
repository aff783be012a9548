//! What panels see of the app: plain data and references, read once a frame.

use eframe::egui;

use crate::analysis::Region;
use crate::app::panels::textures::Textures;
use crate::app::state::own::{Attend, Own};
use crate::app::state::playback::Playback;
use crate::app::state::settings::Settings;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::mix::Mix;

/// What panels see.
pub struct Facts<'a> {
    /// Shapes, classes, defaults.
    pub config: &'a ModelConfig,
    /// The controls in force.
    pub controls: &'a Controls,
    /// What is remembered.
    pub settings: &'a Settings,
    /// Pictures and runs.
    pub stage: &'a Playback,
    /// The chosen class.
    pub class: &'a Mix,
    /// The pinned threshold, in nats.
    pub pinned: Option<f32>,
    /// Tokens shown: the cursor, or all that are drawn.
    pub drawn: usize,
    /// The token in the inspector.
    pub inspected: Option<usize>,
    /// Whether the threshold was moved away from the picture's own.
    pub moved: bool,
    /// Whether the model is ready.
    pub ready: bool,
    /// Whether the picture is finished and decoded.
    pub finished: bool,
    /// Whether a link can draw the picture again.
    pub linkable: bool,
    /// Whether the picture is a person's own.
    pub own: bool,
    /// What is known of it.
    pub image: Option<&'a Own>,
    /// What of it is kept.
    pub keep: &'a Region,
    /// Whether an image is being looked at.
    pub looking: bool,
    /// Whether attention is shown, and whose.
    pub attend: Option<Attend>,
    /// Where the model runs.
    pub device: &'a str,
    /// Why it is not a GPU, where one would have been welcome.
    pub fallback: Option<&'a str>,
    /// What draws the window.
    pub renderer: &'a str,
    /// Where the model came from.
    pub source: &'a str,
    /// The model's hash.
    pub hash: Option<&'a str>,
    pub(in crate::app) textures: &'a Textures,
}

impl Facts<'_> {
    /// A class's thumbnail: texture and place in it.
    pub fn thumbnail(&self, class: usize) -> Option<(egui::TextureId, egui::Rect)> {
        self.textures.thumbnail(class)
    }

    /// What a code looks like: texture and place in it.
    pub fn tile(&self, id: u32) -> Option<(egui::TextureId, egui::Rect)> {
        self.textures.tile(id)
    }
}
