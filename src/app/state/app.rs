//! Everything the app holds, and how it begins.

use eframe::egui;

use crate::app::panels::theme;
use crate::app::state::chosen::Chosen;
use crate::app::state::clock::Clock;
use crate::app::state::jobs::Jobs;
use crate::app::state::launch::Launch;
use crate::app::state::machine::{Machine, adopt_device};
use crate::app::state::model_slot::ModelSlot;
use crate::app::state::own::OwnPicture;
use crate::app::state::playback::Playback;
use crate::app::state::publisher::Publisher;
use crate::app::state::settings::Settings;
use crate::app::state::ui::UiState;
use crate::app::work::analyst::Analyst;
use crate::app::work::bench::BenchRun;
use crate::controls::Controls;
use crate::engine::backend::Backend;
use crate::platform;

/// The app. `input/` changes it: `perform.rs` as a person asks, `arrive.rs` as something comes that was waited for.
pub struct App {
    pub(in crate::app) launch: Launch,
    pub(in crate::app) machine: Machine,
    pub(in crate::app) model: ModelSlot,
    pub(in crate::app) chosen: Chosen,
    pub(in crate::app) playback: Playback,
    pub(in crate::app) own: OwnPicture,
    pub(in crate::app) ui: UiState,
    pub(in crate::app) analyst: Analyst,
    pub(in crate::app) jobs: Jobs,
    pub(in crate::app) clock: Clock,
    pub(in crate::app) bench: BenchRun,
    pub(in crate::app) publisher: Publisher,
}

impl App {
    /// Opens the app in a window (or page) that eframe has made.
    pub fn new(cc: &eframe::CreationContext<'_>, launch: Launch) -> Self {
        let backend = adopt_device(cc, &launch);
        let renderer = if cc.wgpu_render_state.is_some() { "wgpu" } else { "OpenGL" };
        let settings = Settings::load(cc.storage);
        theme::install(&cc.egui_ctx);
        cc.egui_ctx.set_theme(settings.theme);
        Self::with(&cc.egui_ctx, launch, settings, backend, renderer)
    }

    /// The app on any egui context: tests use it without a window.
    pub fn with(
        ctx: &egui::Context,
        launch: Launch,
        settings: Settings,
        backend: Backend,
        renderer: &'static str,
    ) -> Self {
        let config = platform::built_in_config();
        let mut app = Self {
            machine: Machine::new(ctx, backend, renderer),
            chosen: Chosen::new(settings, &config),
            playback: Playback::default(),
            own: OwnPicture::default(),
            ui: UiState::new(&config),
            analyst: Analyst::default(),
            jobs: Jobs::default(),
            clock: Clock::default(),
            bench: BenchRun::new(launch.bench),
            publisher: Publisher::default(),
            model: ModelSlot::new(config),
            launch,
        };
        if !app.launch.notice.is_empty() {
            app.ui.say(&app.launch.notice);
        }
        app.launch.kept.watch(app.machine.backend.clone());
        app.take_over();
        app.load_model();
        app.load_extras();
        app
    }

    /// The pictures, and the runs that fill them.
    pub fn playback(&self) -> &Playback {
        &self.playback
    }

    /// The controls in force.
    pub fn controls(&self) -> &Controls {
        &self.chosen.controls
    }
}
