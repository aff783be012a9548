//! What panels see of the app: plain data and references, read once a frame.

use eframe::egui;

use super::analyst::{Attend, Own};
use super::picture::{Cost, Picture, Source};
use super::stage::{Slot, Stage};
use super::stats::Figures;
use super::textures::Textures;
use super::{App, Model, Settings, decoder};
use crate::analysis::Region;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::mix::Mix;
use crate::patching::Patches;

/// What panels see.
pub struct Facts<'a> {
    /// Shapes, classes, defaults.
    pub config: &'a ModelConfig,
    /// The controls in force.
    pub controls: &'a Controls,
    /// What is remembered.
    pub settings: &'a Settings,
    /// Pictures and runs.
    pub stage: &'a Stage,
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
    pub(super) textures: &'a Textures,
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

impl App {
    /// Tokens shown: the cursor, or all that are drawn.
    pub(super) fn drawn(&self) -> usize {
        self.stage.main.as_ref().map_or(0, |p| self.drawn_of(p))
    }

    pub(super) fn drawn_of(&self, picture: &Picture) -> usize {
        self.seek.unwrap_or(usize::MAX).min(picture.tokens.len())
    }

    pub(super) fn figures(&self, slot: Slot, picture: &Picture, patches: &Patches) -> Figures {
        let drawn = self.seek.unwrap_or(usize::MAX).min(picture.tokens.len());
        let cost = Cost::of(&self.config, picture.request.generator);
        let measured = picture.source == Source::Run;
        let ms = match (&picture.statistics, self.stage.session(slot)) {
            (Some(s), _) if measured => Some(s.ms_per_token()),
            (_, Some(session)) => session.ms_per_token(),
            _ => None,
        };
        Figures::of(picture, patches, drawn, cost, ms)
    }

    pub(super) fn facts<'a>(&'a self, device: &'a str) -> Facts<'a> {
        let main = self.stage.main.as_ref();
        let studio = if let Model::Ready(studio) = &self.model { Some(studio) } else { None };
        Facts {
            config: &self.config,
            controls: &self.controls,
            settings: &self.settings,
            stage: &self.stage,
            class: &self.class,
            pinned: self.pinned,
            drawn: self.drawn(),
            inspected: self.hovered.or(self.selected),
            moved: self.moved(),
            ready: studio.is_some(),
            finished: main.is_some_and(|p| p.is_done() && decoder::finished(p).is_some()),
            linkable: main
                .is_some_and(|p| p.source != Source::Own(String::new()) && !matches!(p.source, Source::Own(_))),
            own: self.own.is_some(),
            image: self.own.as_ref(),
            keep: &self.keep,
            looking: self.analyst.is_looking(),
            attend: self.attend,
            device,
            fallback: self.backend.fallback.as_deref(),
            renderer: self.renderer,
            source: studio.map_or("built-in model", |s| s.files.source.as_str()),
            hash: studio.map(|s| s.files.hash.as_str()),
            textures: &self.textures,
        }
    }
}
