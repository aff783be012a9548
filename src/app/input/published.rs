//! The app's state for those who cannot see the canvas: the page's DOM mirror, tests, and `DPAR_STATE` on a computer.

use eframe::egui;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::app::input::command::AppCommand;
use crate::app::input::lookup;
use crate::app::panels::threshold;
use crate::app::state::app::App;
use crate::app::state::model_slot::ModelState;
use crate::app::state::picture::Source;
use crate::controls::{CONTROLS, Controls};
use crate::platform::ProgressStep;
use crate::run::many::Many;
use crate::run::prompt;

/// What is published. Every key is always there; `null` where it is not known.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Published {
    pub phase: &'static str,
    pub message: Option<String>,
    pub device: String,
    pub renderer: String,
    pub model: Option<String>,
    pub class: String,
    pub seed: u32,
    /// By their names in [`CONTROLS`].
    #[serde(flatten, serialize_with = "by_name")]
    pub controls: Controls,
    /// Tokens a second at most; 0 is as fast as it goes.
    pub speed: f32,
    /// Where the threshold's slider ends, in nats.
    pub most_surprise: f32,
    pub token: usize,
    pub tokens: usize,
    pub total: usize,
    pub patches: usize,
    pub average_patch_length: f32,
    pub ms_per_token: Option<f64>,
    pub steps_saved: usize,
    pub view: PublishedView,
    pub compare: Option<Beside>,
    /// What stands under each of many pictures.
    pub tiles: Option<Vec<String>>,
    pub ids: Option<Vec<u32>>,
    pub link: String,
    pub progress: Option<ProgressStep>,
    pub selfcheck: Option<String>,
    pub frames: u64,
    pub longest_frame_ms: f64,
    pub longest_work_ms: f64,
    pub regrid_ms: Option<f64>,
    pub regrid_by: Option<&'static str>,
    pub attention: bool,
    pub bench: Option<crate::app::work::bench::BenchFigures>,
    pub first_token_ms: Option<f64>,
    pub source: &'static str,
    pub inspected: Option<usize>,
    pub decoded: usize,
    pub tour: Option<usize>,
    /// Once for each model.
    pub classes: Option<Vec<String>>,
    /// What can be asked for, with the classes.
    pub commands: Option<Vec<AppCommand>>,
    /// What the figures are called, with the classes: key and words.
    pub labels: Option<BTreeMap<&'static str, &'static str>>,
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
    pub pinned: bool,
    /// As the command takes it.
    pub attend: String,
    pub theme: &'static str,
    pub compare: bool,
    /// As the commands take them.
    pub wall: String,
    pub strip: String,
    pub difference: bool,
    pub about: bool,
    pub keys: bool,
}

/// The picture beside.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Beside {
    pub tokens: usize,
    pub patches: usize,
    pub ms_per_token: Option<f64>,
}

/// What figures and states are called; controls have their names in [`CONTROLS`].
pub const LABELS: &[(&str, &str)] = &[
    ("phase", "State"),
    ("message", "Message"),
    ("device", "Model runs on"),
    ("renderer", "Drawn with"),
    ("model", "Model"),
    ("class", "Drawing"),
    ("seed", "Seed"),
    ("speed", "Tokens a second (0: as fast as it goes)"),
    ("most_surprise", "Where the threshold's slider ends (nats)"),
    ("token", "Shown token"),
    ("tokens", "Tokens drawn"),
    ("total", "Tokens in all"),
    ("patches", "Patches (steps of the big network)"),
    ("average_patch_length", "Tokens per patch"),
    ("ms_per_token", "Milliseconds per token"),
    ("steps_saved", "Steps saved"),
    ("view.grid", "Patch grid shown"),
    ("view.heat", "Entropy colours shown"),
    ("view.pinned", "Threshold pinned"),
    ("view.attend", "Attention shown"),
    ("view.theme", "Theme"),
    ("view.compare", "Comparison shown"),
    ("view.about", "About is open"),
    ("view.keys", "The sheet of keys is open"),
    ("view.wall", "Wall"),
    ("view.strip", "Strip"),
    ("view.difference", "Differences shown"),
    ("tiles", "Pictures side by side"),
    ("compare", "Baseline"),
    ("compare.tokens", "Baseline: tokens drawn"),
    ("compare.patches", "Baseline: steps"),
    ("compare.ms_per_token", "Baseline: milliseconds per token"),
    ("ids", "Token ids"),
    ("link", "Link"),
    ("progress", "Loading"),
    ("progress.phase", "Loading"),
    ("progress.done", "Loaded (bytes)"),
    ("progress.total", "To load (bytes)"),
    ("selfcheck", "Self-check"),
    ("frames", "Frames drawn"),
    ("longest_frame_ms", "Longest frame (ms)"),
    ("longest_work_ms", "Longest work for a frame, without painting (ms)"),
    ("regrid_ms", "From the slider to the new grid (ms)"),
    ("regrid_by", "The new grid is faster from"),
    ("attention", "Attention known"),
    ("bench", "Bench"),
    ("first_token_ms", "From opening to the first token (ms)"),
    ("source", "Where the picture comes from"),
    ("inspected", "Token in the inspector"),
    ("decoded", "Partial pictures decoded"),
    ("tour", "Stop of the tour"),
    ("hint", "Hint"),
    ("classes", "Classes"),
    ("commands", "Commands"),
    ("labels", "Labels"),
    ("places", "Places"),
];

fn by_name<S: Serializer>(controls: &Controls, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(CONTROLS.iter().map(|control| (control.name, control.get(controls))))
}

impl App {
    /// Publishes what has changed; whether more is to come.
    pub(in crate::app) fn publish(&mut self) -> bool {
        if self.publisher.is_early() {
            return true;
        }
        let mut state = self.state();
        if self.publisher.is_new(&self.model.config) {
            state.classes = Some(self.model.config.classes.clone());
            state.commands = Some(lookup::all().collect());
            let controls = CONTROLS.iter().map(|control| (control.name, control.label));
            state.labels = Some(LABELS.iter().copied().chain(controls).collect());
        }
        match serde_json::to_string(&state) {
            // A recording is not this person's picture: the address stays what they opened.
            Ok(json) => {
                if self.publisher.tell(json) && state.source == "run" {
                    self.publisher.link(state.link);
                }
            }
            Err(e) => log::warn!("the state cannot be published: {e}"),
        }
        false
    }

    /// The app's state, as the page and tests see it.
    pub fn state(&self) -> Published {
        let f = self.facts();
        let main = f.main.as_ref();
        let figures = main.map(|shown| shown.figures.clone()).unwrap_or_default();
        let picture = main.map(|shown| shown.picture);
        Published {
            phase: self.phase(),
            message: f.message.map(|message| message.text.clone()),
            device: f.device.clone(),
            renderer: f.renderer.to_owned(),
            model: f.hash.map(str::to_owned),
            class: prompt::caption(f.class, f.config),
            seed: f.settings.seed,
            controls: f.controls.clone(),
            speed: f.settings.speed,
            most_surprise: threshold::range(f.config.vocab()),
            token: figures.tokens,
            tokens: picture.map_or(0, |p| p.tokens.len()),
            total: f.config.tokens(),
            patches: figures.patches,
            average_patch_length: figures.average,
            ms_per_token: figures.ms_per_token,
            steps_saved: figures.saved,
            view: PublishedView {
                grid: f.settings.grid,
                heat: f.settings.heat,
                pinned: f.pinned.is_some(),
                attend: f.attend.map_or_else(|| "off".to_owned(), |attend| attend.to_string()),
                theme: match f.settings.theme {
                    egui::ThemePreference::Light => "light",
                    egui::ThemePreference::Dark => "dark",
                    egui::ThemePreference::System => "system",
                },
                compare: f.settings.compare,
                wall: match f.tiles.as_ref().map(|tiles| tiles.many) {
                    Some(Many::Wall(count)) => count.to_string(),
                    _ => "off".to_owned(),
                },
                strip: match f.tiles.as_ref().map(|tiles| tiles.many) {
                    Some(Many::Strip(span)) => span.to_string(),
                    _ => "off".to_owned(),
                },
                difference: f.tiles.as_ref().is_some_and(|tiles| tiles.difference),
                about: f.about,
                keys: f.keys,
            },
            compare: f.other.as_ref().map(|shown| Beside {
                tokens: shown.figures.tokens,
                patches: shown.figures.patches,
                ms_per_token: shown.figures.ms_per_token,
            }),
            tiles: f.tiles.as_ref().map(|tiles| tiles.pictures.iter().map(|tile| tile.title.clone()).collect()),
            ids: picture.filter(|p| p.is_done()).map(|p| p.tokens.iter().map(|t| t.id).collect()),
            link: self.link().map(|link| link.to_string()).unwrap_or_default(),
            progress: f.fetching.clone().flatten(),
            selfcheck: f.selfcheck.map(str::to_owned),
            frames: self.clock.frames,
            longest_frame_ms: self.clock.longest_ms,
            longest_work_ms: self.clock.longest_work_ms,
            regrid_ms: self.analyst.regrid.ms,
            regrid_by: self.analyst.regrid.by_kernel().map(|kernel| if kernel { "kernel" } else { "CPU" }),
            attention: f.attention.is_some(),
            bench: self.bench.figures.clone(),
            first_token_ms: self.clock.first_token_ms,
            source: match picture.map(|p| &p.source) {
                Some(Source::Recorded) => "recorded",
                Some(Source::Run) => "run",
                Some(Source::Own(_) | Source::Original) => "own",
                None => "none",
            },
            inspected: f.inspected,
            decoded: picture.map_or(0, |p| p.frames.len()),
            tour: f.tour,
            classes: None,
            commands: None,
            labels: None,
            places: f
                .places
                .iter()
                .map(|(p, r)| (format!("{p:?}").to_lowercase(), [r.min.x, r.min.y, r.width(), r.height()]))
                .collect(),
            hint: (!self.launch.notice.is_empty()).then(|| self.launch.notice.clone()),
        }
    }

    /// What goes on.
    fn phase(&self) -> &'static str {
        let runs = &self.playback;
        match (&self.model.state, &runs.main) {
            (ModelState::Failed, _) => "error",
            (_, _) if runs.is_live() && runs.is_paused() => "paused",
            (_, _) if runs.is_live() => "running",
            (ModelState::Loading(..), _) if runs.is_busy() => "recording",
            (ModelState::Loading(..), _) => "loading",
            (_, Some(p)) if p.source == Source::Run && p.is_done() => "done",
            _ if runs.tiles.as_ref().is_some_and(|tiles| tiles.is_done()) => "done",
            (_, Some(_)) if runs.is_busy() => "recording",
            _ => "ready",
        }
    }
}
