//! From the app to what panels see of it.

use crate::app::panels::facts::Facts;
use crate::app::panels::stats::Figures;
use crate::app::state::app::{App, ModelSlot};
use crate::app::state::picture::{Cost, Picture, Source};
use crate::app::state::playback::Slot;
use crate::app::work::decoder;
use crate::patching::Patches;

impl App {
    /// Tokens shown: the cursor, or all that are drawn.
    pub(in crate::app) fn drawn(&self) -> usize {
        self.stage.main.as_ref().map_or(0, |p| self.drawn_of(p))
    }

    pub(in crate::app) fn drawn_of(&self, picture: &Picture) -> usize {
        self.seek.unwrap_or(usize::MAX).min(picture.tokens.len())
    }

    pub(in crate::app) fn figures(&self, slot: Slot, picture: &Picture, patches: &Patches) -> Figures {
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

    pub(in crate::app) fn facts<'a>(&'a self, device: &'a str) -> Facts<'a> {
        let main = self.stage.main.as_ref();
        let studio = if let ModelSlot::Ready(studio) = &self.model { Some(studio) } else { None };
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
