//! What panels see of the app: plain data and references, read once a frame.

use std::borrow::Cow;

use eframe::egui;

use crate::analysis::Region;
use crate::app::panels::textures::Textures;
use crate::app::panels::tour::Place;
use crate::app::state::figures::Figures;
use crate::app::state::message::Message;
use crate::app::state::own::{Attend, Own};
use crate::app::state::picture::Picture;
use crate::app::state::playback::Playback;
use crate::app::state::settings::Settings;
use crate::app::state::starting::Slot;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::engine::gpu::TimedBy;
use crate::mix::Mix;
use crate::patching::Patches;
use crate::platform::{KeptModel, ProgressStep};
use crate::run::many::Many;

/// A picture as it is shown now.
pub struct ShownPicture<'a> {
    /// Which of the two it is.
    pub slot: Slot,
    /// The picture.
    pub picture: &'a Picture,
    /// Its patches; under a moved threshold those that it would have.
    pub patches: Cow<'a, Patches>,
    /// Tokens shown: up to the cursor, or all that are drawn.
    pub drawn: usize,
    /// What they came to.
    pub figures: Figures,
    /// What stands over it.
    pub title: String,
}

/// Pictures side by side.
pub struct ShownTiles<'a> {
    /// Which they are.
    pub many: Many,
    /// In order.
    pub pictures: Vec<ShownTile<'a>>,
    /// Whether finished ones show how they differ from the middle one.
    pub difference: bool,
    /// Milliseconds a token of one picture, and what that was measured by.
    pub time: (Option<f64>, Option<TimedBy>),
}

/// One of them.
pub struct ShownTile<'a> {
    /// The picture.
    pub picture: &'a Picture,
    /// Its patches; under moved controls those that it would have.
    pub patches: Cow<'a, Patches>,
    /// The threshold of these, in nats.
    pub threshold: f32,
    /// What tells it from the others, and what it has come to.
    pub title: String,
    /// The same in few letters.
    pub short: String,
}

/// What panels see.
pub struct Facts<'a> {
    /// Shapes, classes, defaults.
    pub config: &'a ModelConfig,
    /// The controls in force.
    pub controls: &'a Controls,
    /// What is remembered.
    pub settings: &'a Settings,
    /// Pictures and runs.
    pub playback: &'a Playback,
    /// The picture the app is about.
    pub main: Option<ShownPicture<'a>>,
    /// Beside it: the baseline's, or one's own image itself.
    pub other: Option<ShownPicture<'a>>,
    /// Many pictures in place of these.
    pub tiles: Option<ShownTiles<'a>>,
    /// The same picture under the pinned threshold, where nothing else is beside it.
    pub pinned_grid: Option<ShownPicture<'a>>,
    /// The chosen class.
    pub class: &'a Mix,
    /// The pinned threshold, in nats.
    pub pinned: Option<f32>,
    /// The token in the inspector.
    pub inspected: Option<usize>,
    /// The token that was kept there.
    pub selected: Option<usize>,
    /// The token under the pointer.
    pub hovered: Option<usize>,
    /// Whether the threshold was moved away from the picture's own.
    pub moved: bool,
    /// Whether the model is ready.
    pub ready: bool,
    /// How far its fetching is, where it is being fetched; nothing is known at first.
    pub fetching: Option<Option<ProgressStep>>,
    /// The same of another model, beside the one that is there.
    pub opening: Option<Option<ProgressStep>>,
    /// The model of a person's own that the browser keeps.
    pub kept_model: Option<KeptModel>,
    /// Whether the model is another than the one that comes with the app.
    pub other_model: bool,
    /// How far the baseline's weights are.
    pub fetching_baseline: Option<ProgressStep>,
    /// The same of the tokenizer's encoder.
    pub fetching_encoder: Option<ProgressStep>,
    /// Whether the picture is finished and decoded.
    pub finished: bool,
    /// Whether a link can draw the picture again.
    pub linkable: bool,
    /// A person's own image, where one is looked at.
    pub own: Option<&'a Own>,
    /// What of it is kept.
    pub keep: &'a Region,
    /// Whether an image is being looked at.
    pub looking: bool,
    /// Whose attention is shown.
    pub attend: Option<Attend>,
    /// What the inspected patch attends to, where that is known: a weight a patch.
    pub attention: Option<&'a [f32]>,
    /// What is said, and what can be done about it.
    pub message: Option<&'a Message>,
    /// The tour's stop.
    pub tour: Option<usize>,
    /// What this is lies open.
    pub about: bool,
    /// The sheet of keys lies open.
    pub keys: bool,
    /// Where the parts of the window were, a frame ago.
    pub places: &'a [(Place, egui::Rect)],
    /// Where the model runs.
    pub device: String,
    /// Why it is not a GPU, where one would have been welcome.
    pub fallback: Option<&'a str>,
    /// What draws the window.
    pub renderer: &'a str,
    /// The self-test's verdict.
    pub selfcheck: Option<&'a str>,
    /// Where the model came from.
    pub source: &'a str,
    /// The model's hash.
    pub hash: Option<&'a str>,
    /// Seconds since the app was opened.
    pub now: f64,
    /// What of the pictures is on the GPU that paints.
    pub textures: &'a Textures,
}

impl Facts<'_> {
    /// Tokens shown of the picture the app is about.
    pub fn drawn(&self) -> usize {
        self.main.as_ref().map_or(0, |shown| shown.drawn)
    }

    /// A class's thumbnail: texture and place in it.
    pub fn thumbnail(&self, class: usize) -> Option<(egui::TextureId, egui::Rect)> {
        self.textures.thumbnail(class)
    }

    /// What a code looks like: texture and place in it.
    pub fn tile(&self, id: u32) -> Option<(egui::TextureId, egui::Rect)> {
        self.textures.tile(id)
    }
}
