//! Carries actions out. Nothing else changes the app.

use eframe::egui::{self, ThemePreference};

use crate::app::input::action::{Action, Does, Export};
use crate::app::panels::tour;
use crate::app::state::app::App;
use crate::app::state::app::ModelSlot;
use crate::app::state::jobs::Copy;
use crate::app::state::picture::Source;
use crate::app::state::playback::{Slot, requests};
use crate::app::work::decoder;
use crate::checkpoint::config::Generator;
use crate::controls::Controls;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::platform::{self, Task, finished};
use crate::run::prompt;
use crate::run::request::Request;

impl App {
    /// Carries one action out; what cannot be done is said in the message line.
    pub fn act(&mut self, action: Action) {
        if let Err(e) = self.perform(action) {
            self.message = Some((e.to_string(), None));
        }
    }

    fn perform(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Generate => return self.generate(self.class.clone(), self.settings.seed),
            Action::Redraw => return self.redraw(),
            Action::Play => self.play_again(),
            Action::Pause => self.stage.pause(),
            Action::Resume => self.stage.resume(),
            Action::Stop => self.stage.stop(),
            Action::StepToken => self.stage.step_token(),
            Action::StepPatch => self.stage.step_patch(),
            Action::Dice => return self.perform(Action::Seed(dice())),
            Action::RandomThing => return self.perform(Action::Class(self.things(dice()).0.into())),
            Action::RandomMix => {
                let (a, b) = self.things(dice());
                return self.perform(Action::Class(Mix::new(vec![(1.0, a).into(), (1.0, b).into()])?));
            }
            Action::Class(class) => {
                self.class = class;
                self.settings.class = Some(prompt::describe(&self.class, &self.config));
                self.touched = true;
            }
            Action::Seed(seed) => {
                self.settings.seed = seed;
                self.touched = true;
            }
            Action::Controls(controls) => return self.set_controls(controls),
            Action::Pin(on) => self.pinned = on.then_some(self.controls.threshold),
            Action::Grid(on) => self.settings.grid = on,
            Action::Heat(on) => self.settings.heat = on,
            Action::Compare(on) => self.compare(on)?,
            Action::Theme(theme) => {
                self.settings.theme = theme;
                self.tasks.theme = Some(theme);
            }
            Action::Speed(speed) => {
                self.settings.speed = if speed.is_finite() { speed.clamp(0.0, 1000.0) } else { 0.0 };
                if self.stage.is_moving() {
                    self.stage.resume();
                }
            }
            Action::Seek(at) => {
                self.seek = at.filter(|at| self.stage.main.as_ref().is_some_and(|p| *at < p.tokens.len()))
            }
            Action::Select(token) => self.selected = token,
            Action::OpenImage => {
                let wake = self.wake.clone();
                let work = || platform::open_file("pictures", &["png", "jpg", "jpeg", "webp", "gif", "bmp"]);
                self.tasks.open = Some(Task::spawn(move || wake(), work));
            }
            Action::Image(name, bytes) => return self.own_image(&name, bytes),
            Action::Pasted(image) => return self.pasted(image),
            Action::Crop(center, zoom) => return self.crop(center, zoom),
            Action::Keep(region) => self.keep = region,
            Action::Attend(attend) => self.attend = attend,
            Action::Complete => return self.complete(),
            Action::Export(export) => return self.export(export),
            Action::CopyImage => {
                let image = self.stage.main.as_ref().and_then(decoder::finished).ok_or_else(|| nothing("copy"))?;
                self.tasks.copy = Some(Copy::Image((*image).clone()));
                self.say("the picture is on the clipboard");
            }
            Action::CopyLink => {
                let link = self.link().ok_or_else(|| nothing("link to"))?;
                self.tasks.copy = Some(Copy::Text(platform::address(&link)));
                self.say("a link that draws this picture again is on the clipboard");
            }
            Action::Link(link) => return self.follow(&link),
            Action::Tour(stop) => self.tour_to(stop),
            Action::About(on) => self.about = on,
            Action::Keys(on) => self.keys = on,
            Action::LoadModel => {
                if !matches!(self.model, ModelSlot::Ready(_)) {
                    self.message = None;
                    self.load_model();
                }
            }
            Action::Dismiss => self.message = None,
            Action::UseCpu => {
                self.over = true;
                self.reopen(crate::app::state::handover::Reopen::On(crate::engine::backend::DeviceChoice::Cpu), None);
            }
        }
        Ok(())
    }

    /// What a key means now.
    pub(in crate::app) fn key(&self, does: Does) -> Option<Action> {
        let drawn = self.drawn() as isize;
        let grid = self.config.grid() as isize;
        let total = self.stage.main.as_ref().map_or(0, |p| p.tokens.len()) as isize;
        let seek = |to: isize| Some(Action::Seek((to < total).then_some(to.max(0) as usize)));
        let threshold = |by: f32| {
            let controls = Controls {
                threshold: ((self.controls.threshold + by) * 100.0).round() / 100.0,
                ..self.controls.clone()
            };
            Some(Action::Controls(controls))
        };
        match does {
            Does::Generate => Some(Action::Generate),
            Does::Again => Some(Action::Redraw),
            Does::Dice => Some(Action::Dice),
            Does::Toggle if self.stage.is_moving() => Some(Action::Pause),
            Does::Toggle if self.stage.is_paused() => Some(Action::Resume),
            Does::Toggle => Some(Action::Play),
            Does::Stop => Some(Action::Stop),
            Does::StepToken => Some(Action::StepToken),
            Does::StepPatch => Some(Action::StepPatch),
            Does::Back => seek(drawn - 1),
            Does::Forward => seek(drawn + 1),
            Does::Up => seek(drawn - grid),
            Does::Down => seek(drawn + grid),
            Does::First => seek(0),
            Does::Last => Some(Action::Seek(None)),
            Does::Lower => threshold(-crate::app::panels::threshold::STEP),
            Does::Raise => threshold(crate::app::panels::threshold::STEP),
            Does::Pin => Some(Action::Pin(self.pinned.is_none())),
            Does::Grid => Some(Action::Grid(!self.settings.grid)),
            Does::Heat => Some(Action::Heat(!self.settings.heat)),
            Does::Compare => Some(Action::Compare(!self.settings.compare)),
            Does::Open => Some(Action::OpenImage),
            Does::Save => Some(Action::Export(Export::Picture)),
            Does::Link => Some(Action::CopyLink),
            Does::Copy => Some(Action::CopyImage),
            Does::Theme => Some(Action::Theme(match self.settings.theme {
                ThemePreference::System => ThemePreference::Light,
                ThemePreference::Light => ThemePreference::Dark,
                ThemePreference::Dark => ThemePreference::System,
            })),
            Does::Tour => Some(Action::Tour(if self.tour.is_some() { None } else { Some(0) })),
            Does::Keys => Some(Action::Keys(!self.keys)),
            Does::Close if self.keys => Some(Action::Keys(false)),
            Does::Close if self.about => Some(Action::About(false)),
            Does::Close if self.tour.is_some() => Some(Action::Tour(None)),
            Does::Close if self.message.is_some() => Some(Action::Dismiss),
            Does::Close => Some(Action::Select(None)),
        }
    }

    pub(in crate::app) fn say(&mut self, text: &str) {
        self.message = Some((text.to_owned(), None));
    }

    fn generate(&mut self, class: Mix, seed: u32) -> Result<()> {
        let request =
            Request { controls: self.controls.clone(), ..Request::new(&self.config, Generator::Dpar, class, seed) };
        self.own = None;
        self.after = None;
        self.start(request, self.settings.compare)
    }

    pub(in crate::app) fn start(&mut self, mut request: Request, compare: bool) -> Result<()> {
        if self.config.dpar.is_none() {
            request.generator = Generator::Baseline;
        }
        request.check(&self.config)?;
        let ModelSlot::Ready(studio) = &mut self.model else {
            return Err(Error::Request("the model is not there yet: wait for the download, or try it again".into()));
        };
        let compare = compare && self.config.baseline.is_some() && request.generator == Generator::Dpar;
        if (compare || request.generator == Generator::Baseline) && studio.files.awaits_baseline() {
            self.fetch_baseline();
            return Ok(());
        }
        self.stage.start(studio, requests(request, compare));
        self.seek = None;
        self.selected = None;
        Ok(())
    }

    /// The shown picture's class and seed again, under the present controls.
    fn redraw(&mut self) -> Result<()> {
        let Some(picture) = &self.stage.main else { return self.generate(self.class.clone(), self.settings.seed) };
        if let Source::Own(_) = picture.source {
            return self.complete();
        }
        let request = Request { controls: self.controls.clone(), schedule: Vec::new(), ..picture.request.clone() };
        self.adopt(&request);
        self.start(request, self.settings.compare)
    }

    /// Two different things of the model by a number nobody chose; the same where it has but one.
    fn things(&self, lot: u32) -> (usize, usize) {
        let all: Vec<usize> = (0..self.config.num_classes()).filter(|class| !self.config.is_group(*class)).collect();
        let (lot, count) = (lot as usize, all.len().max(1));
        let first = lot % count;
        let second = (first + 1 + lot / count % (count - 1).max(1)) % count;
        (all.get(first).copied().unwrap_or(0), all.get(second).copied().unwrap_or(0))
    }

    /// Class and seed of a request become the chosen ones.
    pub(in crate::app) fn adopt(&mut self, request: &Request) {
        // The null class, which stands for a picture of one's own, is nothing to choose.
        if request.class.check(self.config.num_classes() - 1).is_ok() {
            self.class = request.class.clone();
        }
        self.settings.seed = request.seed;
    }

    /// From the cursor on (or from the start, at the end) the finished picture plays again.
    fn play_again(&mut self) {
        let Some(picture) = self.stage.main.clone() else { return };
        let (Some(statistics), false) = (picture.statistics.clone(), self.stage.is_busy()) else { return };
        let from = self.seek.unwrap_or(0);
        let tokens = picture.tokens.clone();
        self.seek = None;
        self.stage.play(Slot::Main, picture, tokens, statistics, from, self.now());
        if let Some(other) = self.stage.other.clone()
            && let Some(statistics) = other.statistics.clone()
        {
            let tokens = other.tokens.clone();
            self.stage.play(Slot::Other, other, tokens, statistics, from, self.now());
        }
    }

    fn set_controls(&mut self, controls: Controls) -> Result<()> {
        controls.check()?;
        self.stage.set_controls(&controls)?;
        self.controls = controls;
        self.touched = true;
        Ok(())
    }

    fn compare(&mut self, on: bool) -> Result<()> {
        if on && self.config.baseline.is_none() {
            return Err(Error::Request("this model folder has no baseline to compare with".into()));
        }
        self.settings.compare = on;
        if !on {
            if !self.stage.is_live() {
                self.stage.other = None;
            }
        } else if self.stage.other.is_none()
            && self.studio().is_some()
            && self.stage.main.is_some()
            && self.own.is_none()
        {
            return self.redraw();
        }
        Ok(())
    }

    fn tour_to(&mut self, stop: Option<usize>) {
        let stop = stop.filter(|n| *n < tour::STOPS.len());
        match (self.tour, stop) {
            (None, Some(_)) => self.before_tour = Some((self.settings.grid, self.settings.heat)),
            (Some(_), None) => {
                // What it showed to make its points is not what somebody chose to see.
                if let Some(before) = self.before_tour.take() {
                    (self.settings.grid, self.settings.heat) = before;
                }
            }
            _ => {}
        }
        self.tour = stop;
        self.settings.toured = true;
        if let Some(n) = self.tour {
            for action in (tour::STOPS[n].does)(&self.config.controls()) {
                self.act(action);
            }
        }
    }

    fn export(&mut self, export: Export) -> Result<()> {
        if export == Export::Animation {
            self.tasks.animation = Some(self.animation()?);
            (self.wake)();
            return Ok(());
        }
        let (name, bytes) = self.file(export)?;
        self.save_as(name, bytes);
        Ok(())
    }

    /// Picks up what dialogs have brought.
    pub(in crate::app) fn collect(&mut self) {
        match finished(&mut self.tasks.open) {
            Some(Ok(Some((name, bytes)))) => self.act(Action::Image(name, bytes)),
            Some(Err(e)) => self.message = Some((e.to_string(), None)),
            Some(Ok(None)) | None => {}
        }
        match finished(&mut self.tasks.save) {
            Some(Ok(Some(path))) => self.say(&format!("saved {path}")),
            Some(Err(e)) => self.message = Some((e.to_string(), None)),
            Some(Ok(None)) | None => {}
        }
        if let Err(e) = self.animate() {
            self.tasks.animation = None;
            self.message = Some((e.to_string(), None));
        }
    }

    /// What only a frame can do: the clipboard, the theme, closing.
    pub(in crate::app) fn settle(&mut self, ctx: &egui::Context) {
        match self.tasks.copy.take() {
            Some(Copy::Text(text)) => ctx.copy_text(text),
            Some(Copy::Image(image)) => ctx.copy_image(image),
            None => {}
        }
        if let Some(theme) = self.tasks.theme.take() {
            ctx.set_theme(theme);
        }
        if std::mem::take(&mut self.tasks.close) {
            (self.launch.reopen.0)(ctx);
        }
    }
}

fn nothing(what: &str) -> Error {
    Error::Request(format!("there is no finished picture to {what} yet"))
}

/// A seed nobody chose: from the clock, small enough to read out.
fn dice() -> u32 {
    let now = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    // Fibonacci hashing spreads neighbouring times apart.
    ((now as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44) as u32 % 1_000_000
}
