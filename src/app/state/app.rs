//! Everything the app holds, and how it begins.

use std::sync::Arc;

use eframe::egui;
use web_time::Instant;

use crate::analysis::Region;
use crate::app::input::action::Action;
use crate::app::panels::picker::Picker;
use crate::app::panels::textures::Textures;
use crate::app::panels::theme;
use crate::app::panels::tour::Place;
use crate::app::state::handover::{Carried, Kept};
use crate::app::state::jobs::Jobs;
use crate::app::state::own::{Attend, Own};
use crate::app::state::playback::Playback;
use crate::app::state::settings::Settings;
use crate::app::work::analyst::Analyst;
use crate::app::work::bench::{Bench, BenchFigures};
use crate::app::work::decoder::Decoder;
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::engine::backend::{Backend, DeviceChoice};
use crate::engine::device::{self, Gpu};
use crate::error::Result;
use crate::mix::Mix;
use crate::platform::{self, Progress, Task};
use crate::run::prompt;

/// How the app is opened.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// A link to follow at once.
    pub link: Option<String>,
    /// Where the model runs.
    pub device: DeviceChoice,
    /// A model folder; `None` is the one that comes with the app.
    pub model: Option<String>,
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

/// Where the model is.
pub enum ModelSlot {
    /// Being fetched.
    Loading(Task<Result<LoadedModel>>, Progress),
    /// Not there; the message line says why.
    Failed,
    /// Ready.
    Ready(Box<LoadedModel>),
}

/// The app.
pub struct App {
    pub(in crate::app) launch: Launch,
    pub(in crate::app) settings: Settings,
    pub(in crate::app) controls: Controls,
    pub(in crate::app) class: Mix,
    /// Somebody has chosen class, seed or a control: what arrives later leaves them alone.
    pub(in crate::app) touched: bool,
    pub(in crate::app) pinned: Option<f32>,
    pub(in crate::app) config: Arc<ModelConfig>,
    pub(in crate::app) backend: Arc<Backend>,
    pub(in crate::app) renderer: &'static str,
    pub(in crate::app) model: ModelSlot,
    pub(in crate::app) stage: Playback,
    pub(in crate::app) decoder: Decoder,
    pub(in crate::app) textures: Textures,
    pub(in crate::app) message: Option<(String, Option<(&'static str, Action)>)>,
    pub(in crate::app) seek: Option<usize>,
    pub(in crate::app) selected: Option<usize>,
    pub(in crate::app) hovered: Option<usize>,
    pub(in crate::app) keep: Region,
    pub(in crate::app) own: Option<Own>,
    pub(in crate::app) analyst: Analyst,
    /// The analyst waits: a run that goes on after a lost device comes first.
    pub(in crate::app) begin_analyst: bool,
    pub(in crate::app) attend: Option<Attend>,
    /// What the inspected patch attends to, where that is known.
    pub(in crate::app) attention: Option<Vec<f32>>,
    /// The baseline's weights on their way.
    pub(in crate::app) baseline: Option<(Task<Result<Vec<u8>>>, Progress)>,
    pub(in crate::app) picker: Picker,
    pub(in crate::app) tour: Option<usize>,
    /// Grid and heat as they were when the tour began.
    pub(in crate::app) before_tour: Option<(bool, bool)>,
    pub(in crate::app) places: Vec<(Place, egui::Rect)>,
    pub(in crate::app) about: bool,
    pub(in crate::app) keys: bool,
    pub(in crate::app) selfcheck: Option<String>,
    pub(in crate::app) tasks: Jobs,
    /// Where the cursor goes when the run is over.
    pub(in crate::app) after: Option<usize>,
    /// What the window before this one has left, until the model is there.
    pub(in crate::app) carried: Option<Carried>,
    /// The device is lost and another window is asked for.
    pub(in crate::app) over: bool,
    pub(in crate::app) wake: Wake,
    pub(in crate::app) opened: Instant,
    pub(in crate::app) clock: Clock,
    pub(in crate::app) bench: Option<Bench>,
    /// What the bench has measured.
    pub(in crate::app) benched: Option<BenchFigures>,
    /// Show nothing: the bench measures what the view costs.
    pub(in crate::app) blind: bool,
    pub(in crate::app) published: String,
    /// The model whose classes were published.
    pub(in crate::app) told: Option<Arc<ModelConfig>>,
    /// The link in the address bar, once this app has put one there.
    pub(in crate::app) linked: String,
}

/// What the bench and the tests want to know about time.
#[derive(Debug, Default)]
pub struct Clock {
    pub(in crate::app) frames: u64,
    pub(in crate::app) last: Option<Instant>,
    pub(in crate::app) longest_ms: f64,
    pub(in crate::app) frame_ms: f64,
    pub(in crate::app) first_token_ms: Option<f64>,
    pub(in crate::app) finished_ms: Option<f64>,
    pub(in crate::app) publish: Option<Instant>,
}

impl App {
    /// Opens the app in a window (or page) that eframe has made.
    pub fn new(cc: &eframe::CreationContext<'_>, launch: Launch) -> Self {
        let backend = adopt(cc, &launch);
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
        let waker = ctx.clone();
        let wake: Wake = Arc::new(move || waker.request_repaint());
        let backend = Arc::new(backend);
        let config = Arc::new(platform::built_in_config());
        let controls = config.controls();
        let message = (!launch.notice.is_empty()).then(|| (launch.notice.clone(), None));
        let mut app = Self {
            model: ModelSlot::Failed,
            class: remembered_class(&settings, &config),
            textures: Textures::new(&config),
            picker: Picker::new(&config),
            launch,
            settings,
            controls,
            touched: false,
            pinned: None,
            config,
            backend,
            renderer,
            stage: Playback::default(),
            decoder: Decoder::default(),
            message,
            seek: None,
            selected: None,
            hovered: None,
            keep: Region::first_rows(0, 0),
            own: None,
            analyst: Analyst::default(),
            begin_analyst: false,
            attend: None,
            attention: None,
            baseline: None,
            tour: None,
            before_tour: None,
            places: Vec::new(),
            about: false,
            keys: false,
            selfcheck: None,
            tasks: Jobs::default(),
            after: None,
            carried: None,
            over: false,
            wake,
            opened: Instant::now(),
            clock: Clock::default(),
            bench: None,
            benched: None,
            blind: false,
            published: String::new(),
            told: None,
            linked: String::new(),
        };
        app.bench = app.launch.bench.then(Bench::default);
        app.launch.kept.watch(app.backend.clone());
        app.take_over();
        app.load_model();
        app.load_extras();
        app
    }

    /// The pictures, and the runs that fill them.
    pub fn stage(&self) -> &Playback {
        &self.stage
    }

    /// The controls in force.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    pub(in crate::app) fn studio(&mut self) -> Option<&mut LoadedModel> {
        match &mut self.model {
            ModelSlot::Ready(studio) => Some(studio),
            ModelSlot::Loading(..) | ModelSlot::Failed => None,
        }
    }

    /// Seconds since the app was opened.
    pub(in crate::app) fn now(&self) -> f64 {
        self.opened.elapsed().as_secs_f64()
    }
}

/// What was last asked for, where this model knows it.
fn remembered_class(settings: &Settings, config: &ModelConfig) -> Mix {
    let asked = settings.class.as_deref().and_then(|text| prompt::resolve(text, config).ok());
    asked.unwrap_or_else(|| config.default_class().into())
}

/// The window's device, or the CPU where that is wanted or the window has none that can run the engine.
fn adopt(cc: &eframe::CreationContext<'_>, launch: &Launch) -> Backend {
    if launch.device == DeviceChoice::Cpu {
        return Backend::cpu(None);
    }
    let Some(state) = &cc.wgpu_render_state else { return Backend::cpu(Some(launch.notice.clone())) };
    if let Err(e) = device::check(&state.adapter) {
        return Backend::cpu(Some(e.to_string()));
    }
    let gpu = Gpu::adopt(state.instance.clone(), state.adapter.clone(), state.device.clone(), state.queue.clone());
    if launch.device == DeviceChoice::Auto && gpu.is_software() {
        // It would compute on the same cores as the twins, four times as slowly, and paint there too.
        let name = if gpu.info.name.is_empty() { "what it offers" } else { &gpu.info.name };
        let why = format!("{name} is no real GPU and slower than the CPU ({} takes it)", platform::DEMAND_GPU);
        return Backend::cpu(Some(why));
    }
    Backend::adopt(gpu)
}
