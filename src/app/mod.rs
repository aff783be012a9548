//! The app: the same on the desktop and in the browser. It consumes what [`crate::run`] has to say and computes
//! nothing of DPAR itself.
//!
//! Panels are functions of [`Facts`] that push [`Action`]s; [`App::act`] is the only place that carries them out. So a
//! button, a key, a link, the tour, a screen reader and a test all take the same way.

pub mod action;
pub mod analyst;
pub mod bench;
pub mod canvas;
mod controls;
mod decoder;
mod facts;
mod inspector;
mod kept;
mod layout;
pub mod mirror;
mod own;
mod perform;
mod picker;
pub mod picture;
mod settings;
mod share;
pub mod stage;
pub mod stats;
mod studio;
mod textures;
pub mod theme;
pub mod threshold;
mod timeline;
pub mod tour;
mod windows;

use std::sync::Arc;

use eframe::egui;
use web_time::Instant;

pub use action::Action;
pub use facts::Facts;
pub use kept::{Kept, Reopen};
pub use settings::Settings;
pub use studio::Wake;

use crate::analysis::Region;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::engine::backend::{Backend, DeviceChoice};
use crate::engine::device::{self, Gpu};
use crate::error::Result;
use crate::mix::Mix;
use crate::patching::Patches;
use crate::platform::{self, Progress, Task};
use crate::run::prompt;
use analyst::{Analyst, Attend, Own};
use bench::Bench;
use decoder::Decoder;
use picker::Picker;
use picture::Picture;
use stage::Stage;
use studio::Studio;
use textures::Textures;

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
enum Model {
    /// Being fetched.
    Loading(Task<Result<Studio>>, Progress),
    /// Not there; the message line says why.
    Failed,
    /// Ready.
    Ready(Box<Studio>),
}

/// The app.
pub struct App {
    launch: Launch,
    settings: Settings,
    controls: Controls,
    class: Mix,
    pinned: Option<f32>,
    config: Arc<ModelConfig>,
    backend: Arc<Backend>,
    renderer: &'static str,
    model: Model,
    stage: Stage,
    decoder: Decoder,
    textures: Textures,
    message: Option<(String, Option<(&'static str, Action)>)>,
    seek: Option<usize>,
    selected: Option<usize>,
    hovered: Option<usize>,
    keep: Region,
    own: Option<Own>,
    analyst: Analyst,
    /// The analyst waits: a run that goes on after a lost device comes first.
    begin_analyst: bool,
    attend: Option<Attend>,
    /// What the inspected patch attends to, where that is known.
    attention: Option<Vec<f32>>,
    /// The baseline's weights on their way.
    baseline: Option<(Task<Result<Vec<u8>>>, Progress)>,
    picker: Picker,
    tour: Option<usize>,
    /// Grid and heat as they were when the tour began.
    before_tour: Option<(bool, bool)>,
    places: Vec<(tour::Place, egui::Rect)>,
    about: bool,
    keys: bool,
    selfcheck: Option<String>,
    tasks: perform::Tasks,
    /// Where the cursor goes when the run is over.
    after: Option<usize>,
    /// What the window before this one has left, until the model is there.
    carried: Option<kept::Carried>,
    /// The device is lost and another window is asked for.
    over: bool,
    wake: Wake,
    opened: Instant,
    clock: Clock,
    bench: Option<Bench>,
    /// What the bench has measured.
    benched: Option<bench::Figures>,
    /// Show nothing: the bench measures what the view costs.
    blind: bool,
    published: String,
    /// The model whose classes were published.
    told: Option<Arc<ModelConfig>>,
    /// The link in the address bar, once this app has put one there.
    linked: String,
}

/// What the bench and the tests want to know about time.
#[derive(Debug, Default)]
struct Clock {
    frames: u64,
    last: Option<Instant>,
    longest_ms: f64,
    frame_ms: f64,
    first_token_ms: Option<f64>,
    finished_ms: Option<f64>,
    publish: Option<Instant>,
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
            model: Model::Failed,
            class: remembered_class(&settings, &config),
            textures: Textures::new(&config),
            picker: Picker::new(&config),
            launch,
            settings,
            controls,
            pinned: None,
            config,
            backend,
            renderer,
            stage: Stage::default(),
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
            tasks: perform::Tasks::default(),
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
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The controls in force.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    fn studio(&mut self) -> Option<&mut Studio> {
        match &mut self.model {
            Model::Ready(studio) => Some(studio),
            Model::Loading(..) | Model::Failed => None,
        }
    }

    /// Seconds since the app was opened.
    fn now(&self) -> f64 {
        self.opened.elapsed().as_secs_f64()
    }

    /// Everything that happens between frames.
    fn advance(&mut self) {
        if self.over {
            return;
        }
        if let Model::Loading(task, _) = &self.model
            && let Some(loaded) = task.take()
        {
            self.loaded(loaded);
        }
        let (now, speed, wake) = (self.now(), self.settings.speed, self.wake.clone());
        let studio = match &mut self.model {
            Model::Ready(studio) => Some(&mut **studio),
            Model::Loading(..) | Model::Failed => None,
        };
        self.stage.frame = std::time::Duration::from_secs_f64(self.clock.frame_ms.max(0.0) / 1000.0);
        let mut outcome = self.stage.advance(studio, &wake, now, speed);
        if outcome.is_ok() {
            let studio = if let Model::Ready(studio) = &self.model { Some(&**studio) } else { None };
            outcome = self.decoder.advance(&mut self.stage, studio, self.seek, &wake);
        }
        let going_on = self.stage.is_live() && self.launch.kept.was_lost();
        if self.begin_analyst && !going_on {
            self.begin_analyst = false;
            self.analyst.begin(&self.backend, &self.wake);
        }
        self.lose_device(false);
        self.note();
        if let Err(e) = outcome.and_then(|()| self.backend.lost().map_or(Ok(()), Err)) {
            self.failed(&e);
        }
        if let Err(e) = self.think() {
            self.failed(&e);
        }
        self.collect();
        if self.after.is_some() && !self.stage.is_busy() && self.stage.main.as_ref().is_some_and(Picture::is_done) {
            let at = self.after.take();
            self.act(Action::Seek(at));
        }
        let first = self.stage.is_live() && self.stage.main.as_ref().is_some_and(|p| !p.tokens.is_empty());
        if first && self.clock.first_token_ms.is_none() {
            self.clock.first_token_ms = Some(1000.0 * now);
        }
    }

    /// The slow thoughts: the grid under a moved threshold, attention, the self-test's verdict, an own image.
    fn think(&mut self) -> Result<()> {
        let moved = self.moved();
        let rule = moved.then(|| self.controls.rule(self.config.grid()));
        let finished = self.stage.main.as_ref().filter(|p| p.is_done() && p.entropies().len() == p.tokens.len());
        self.tasks.thinking = self.analyst.merge(finished, rule)?;
        if let Some((ok, verdict)) = self.analyst.verdict() {
            if !ok {
                self.message = Some((verdict.clone(), Some(("Use the CPU", Action::UseCpu))));
            }
            self.selfcheck = Some(verdict);
        }
        if let Some(own) = self.analyst.own() {
            match own {
                Ok(own) => self.show_own(own),
                Err(e) => self.message = Some((e.to_string(), None)),
            }
        }
        self.attention = self.attention()?;
        self.take_baseline()
    }

    /// What the inspected token's patch attends to, where that is wanted and known.
    fn attention(&mut self) -> Result<Option<Vec<f32>>> {
        let (Some(attend), Some(token)) = (self.attend, self.hovered.or(self.selected)) else { return Ok(None) };
        let (Model::Ready(studio), Some(picture)) = (&self.model, &self.stage.main) else { return Ok(None) };
        if !picture.is_done() || picture.request.generator != crate::checkpoint::config::Generator::Dpar {
            return Ok(None);
        }
        let patches = self.patches(picture);
        let Some(patch) = patches.ids().get(token).copied() else { return Ok(None) };
        self.analyst.attention(studio, picture, &patches, (attend, patch), &self.wake)
    }

    /// The patches to show for a picture: those of the moved threshold where its tokens are all there, else its own. The
    /// merge kernel finds them; until it has, the grid stays as it was.
    fn patches(&self, picture: &Picture) -> Patches {
        let merged = if self.moved() { self.analyst.merged(picture) } else { None };
        merged.unwrap_or_else(|| picture.patches.clone())
    }

    /// Whether the finished picture was drawn under other controls than those now set.
    fn moved(&self) -> bool {
        self.stage.main.as_ref().is_some_and(|p| {
            let (a, b) = (p.last_controls(), &self.controls);
            p.is_done() && (a.threshold, a.p_max, a.mode) != (b.threshold, b.p_max, b.mode)
        })
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

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.tick(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.remembered().remember(storage);
    }

    fn persist_egui_memory(&self) -> bool {
        false // panel sizes of another screen do more harm than good
    }
}
