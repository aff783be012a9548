//! The app's state for those who cannot see the canvas: the page's DOM mirror, tests, and `DPAR_STATE` on a computer.

use eframe::egui;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use web_time::{Duration, Instant};

use crate::app::state::app::App;
use crate::app::state::app::ModelSlot;
use crate::app::state::picture::Source;
use crate::app::state::playback::Slot;
use crate::platform::ProgressStep;
use crate::run::prompt;

/// The state is published this often at most.
pub(in crate::app) const PUBLISH: Duration = Duration::from_millis(100);

/// What is published. Every key is always there; `null` where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Published {
    pub phase: &'static str,
    pub message: Option<String>,
    pub device: String,
    pub renderer: String,
    pub model: Option<String>,
    pub class: String,
    pub seed: u32,
    pub threshold: f32,
    pub p_max: u32,
    pub mode: &'static str,
    pub token: usize,
    pub tokens: usize,
    pub total: usize,
    pub patches: usize,
    pub average_patch_length: f32,
    pub ms_per_token: Option<f64>,
    pub steps_saved: usize,
    pub view: PublishedView,
    pub compare: Option<Beside>,
    pub ids: Option<Vec<u32>>,
    pub link: String,
    pub progress: Option<ProgressStep>,
    pub selfcheck: Option<String>,
    pub frames: u64,
    pub longest_frame_ms: f64,
    pub regrid_ms: Option<f64>,
    pub attention: bool,
    pub bench: Option<crate::app::work::bench::BenchFigures>,
    pub first_token_ms: Option<f64>,
    pub finished_ms: Option<f64>,
    pub source: &'static str,
    pub inspected: Option<usize>,
    pub decoded: usize,
    pub tour: Option<usize>,
    /// Once for each model.
    pub classes: Option<Vec<String>>,
    /// Where the parts of the window are: left, top, width, height in points. For tests that use the mouse.
    pub places: BTreeMap<String, [f32; 4]>,
    pub hint: Option<String>,
}

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct PublishedView {
    pub grid: bool,
    pub heat: bool,
    pub theme: &'static str,
    pub compare: bool,
}

/// The picture beside.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Beside {
    pub tokens: usize,
    pub patches: usize,
    pub ms_per_token: Option<f64>,
}

impl App {
    /// Publishes what has changed; whether more is to come.
    pub(in crate::app) fn publish(&mut self) -> bool {
        if self.clock.publish.is_some_and(|at| at.elapsed() < PUBLISH) {
            return true;
        }
        let mut state = self.state();
        // A model may name thousands: said once, not with every frame.
        if !self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &self.config)) {
            state.classes = Some(self.config.classes.clone());
            self.told = Some(self.config.clone());
        }
        match serde_json::to_string(&state) {
            Ok(json) if json != self.published => {
                crate::platform::publish(&json);
                // A recording is not this person's picture: the address stays what they opened.
                if state.source == "run" && self.linked != state.link {
                    crate::platform::set_link(&state.link);
                    self.linked = state.link;
                }
                self.published = json;
                self.clock.publish = Some(Instant::now());
            }
            Ok(_) => {}
            Err(e) => log::warn!("the state cannot be published: {e}"),
        }
        false
    }

    /// The app's state, as the page and tests see it.
    pub fn state(&self) -> Published {
        let main = self.stage.main.as_ref();
        let figures = main.map(|p| self.figures(Slot::Main, p, &self.patches(p))).unwrap_or_default();
        let phase = match (&self.model, main) {
            (ModelSlot::Failed, _) => "error",
            (_, _) if self.stage.is_live() && self.stage.is_paused() => "paused",
            (_, _) if self.stage.is_live() => "running",
            (ModelSlot::Loading(..), _) if self.stage.is_busy() => "recording",
            (ModelSlot::Loading(..), _) => "loading",
            (_, Some(p)) if p.source == Source::Run && p.is_done() => "done",
            (_, Some(_)) if self.stage.is_busy() => "recording",
            _ => "ready",
        };
        Published {
            phase,
            message: self.message.as_ref().map(|(text, _)| text.clone()),
            device: self.backend.name(),
            renderer: self.renderer.to_owned(),
            model: if let ModelSlot::Ready(s) = &self.model { Some(s.files.hash.clone()) } else { None },
            class: prompt::describe(&self.class, &self.config),
            seed: self.settings.seed,
            threshold: self.controls.threshold,
            p_max: self.controls.p_max,
            mode: self.controls.mode.name(),
            token: figures.tokens,
            tokens: main.map_or(0, |p| p.tokens.len()),
            total: self.config.tokens(),
            patches: figures.patches,
            average_patch_length: figures.average,
            ms_per_token: figures.ms_per_token,
            steps_saved: figures.saved,
            view: PublishedView {
                grid: self.settings.grid,
                heat: self.settings.heat,
                theme: match self.settings.theme {
                    egui::ThemePreference::Light => "light",
                    egui::ThemePreference::Dark => "dark",
                    egui::ThemePreference::System => "system",
                },
                compare: self.settings.compare,
            },
            compare: self.stage.other.as_ref().map(|p| {
                let f = self.figures(Slot::Other, p, &p.patches);
                Beside { tokens: f.tokens, patches: f.patches, ms_per_token: f.ms_per_token }
            }),
            ids: main.filter(|p| p.is_done()).map(|p| p.tokens.iter().map(|t| t.id).collect()),
            link: self.link().unwrap_or_default(),
            progress: if let ModelSlot::Loading(_, p) = &self.model { p.get() } else { None },
            selfcheck: self.selfcheck.clone(),
            frames: self.clock.frames,
            longest_frame_ms: self.clock.longest_ms,
            regrid_ms: self.analyst.regrid_ms,
            attention: self.attention.is_some(),
            bench: self.benched.clone(),
            first_token_ms: self.clock.first_token_ms,
            finished_ms: self.clock.finished_ms,
            source: match main.map(|p| &p.source) {
                Some(Source::Recorded) => "recorded",
                Some(Source::Run) => "run",
                Some(Source::Own(_) | Source::Original) => "own",
                None => "none",
            },
            inspected: self.hovered.or(self.selected),
            decoded: main.map_or(0, |p| p.frames.len()),
            tour: self.tour,
            classes: None,
            places: self
                .places
                .iter()
                .map(|(p, r)| (format!("{p:?}").to_lowercase(), [r.min.x, r.min.y, r.width(), r.height()]))
                .collect(),
            hint: (!self.launch.notice.is_empty()).then(|| self.launch.notice.clone()),
        }
    }
}
