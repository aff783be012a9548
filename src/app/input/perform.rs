//! Carries actions out. Nothing that a person does changes the app in another way; what was waited for comes in through
//! `arrive.rs`.

use eframe::egui;

use crate::analysis::{PICTURE_ENDINGS, keep};
use crate::app::input::action::{Action, Brought, Export};
use crate::app::panels::tour;
use crate::app::state::app::App;
use crate::app::state::handover::Reopen;
use crate::app::state::jobs::Copy;
use crate::app::state::model_slot::{ModelState, Wanted, not_there};
use crate::app::state::picture::Source;
use crate::app::state::starting::{Slot, starting};
use crate::app::work::analyst::{LookAt, Readable};
use crate::app::work::decoder;
use crate::checkpoint::config::Generator;
use crate::controls::Controls;
use crate::engine::backend::DeviceChoice;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::platform::{self, Task};
use crate::render::Provenance;
use crate::run::link::Link;
use crate::run::many::Many;
use crate::run::request::Request;

impl App {
    /// Carries one action out; what cannot be done is said in the message line.
    pub fn act(&mut self, action: Action) {
        if let Err(e) = self.perform(action) {
            self.ui.say(e);
        }
    }

    fn perform(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Generate => return self.generate(self.chosen.class.clone(), self.chosen.settings.seed),
            Action::Redraw => return self.redraw(),
            Action::Play => self.play_again(),
            Action::Pause => self.playback.pause(),
            Action::Resume => self.playback.resume(),
            Action::Stop => self.playback.stop(),
            Action::StepToken => self.playback.step_token(),
            Action::StepPatch => self.playback.step_patch(),
            Action::Dice => return self.perform(Action::Seed(dice())),
            Action::RandomThing => return self.perform(Action::Class(self.things(dice()).0.into())),
            Action::RandomMix => {
                let (a, b) = self.things(dice());
                return self.perform(Action::Class(Mix::new(vec![(1.0, a).into(), (1.0, b).into()])?));
            }
            Action::Class(class) => self.chosen.set_class(class, &self.model.config),
            Action::Seed(seed) => self.chosen.set_seed(seed),
            Action::Controls(controls) => return self.set_controls(controls),
            Action::Pin(on) => self.chosen.pinned = on.then_some(self.chosen.controls.threshold),
            Action::Grid(on) => self.chosen.settings.grid = on,
            Action::Heat(on) => self.chosen.settings.heat = on,
            Action::Compare(on) => self.compare(on)?,
            Action::Many(many) => return self.draw_many(many),
            Action::Tile(n) => return self.take_tile(n),
            Action::Difference(on) => {
                if let Some(tiles) = &mut self.playback.tiles {
                    tiles.difference = on && matches!(tiles.many, Many::Strip(_));
                }
            }
            Action::Theme(theme) => {
                self.chosen.settings.theme = theme;
                self.jobs.theme = Some(theme);
            }
            Action::Speed(speed) => {
                self.chosen.settings.speed = if speed.is_finite() { speed.clamp(0.0, 1000.0) } else { 0.0 };
                if self.playback.is_moving() {
                    self.playback.resume();
                }
            }
            Action::Seek(at) => {
                self.ui.seek = at.filter(|at| self.playback.main.as_ref().is_some_and(|p| *at < p.tokens.len()))
            }
            Action::Select(token) => self.ui.selected = token,
            Action::Hover(token) => self.ui.hovered = token,
            Action::OpenImage => {
                let wake = self.machine.wake.clone();
                let work = || platform::open_file("pictures", &PICTURE_ENDINGS);
                self.jobs.open = Some(Task::spawn(move || wake(), work));
            }
            Action::OpenModel => {
                let wake = self.machine.wake.clone();
                self.jobs.choosing = Some(Task::spawn(move || wake(), platform::choose_model));
            }
            Action::Model(paths) => self.open_model(paths),
            Action::ForgetModel => {
                let wake = self.machine.wake.clone();
                self.jobs.forgetting = Some(Task::spawn(move || wake(), platform::forget_model));
            }
            Action::Image(brought) => return self.bring(brought),
            Action::Crop(center, zoom) => {
                let own =
                    self.own.image.as_ref().ok_or_else(|| Error::Request("open an image of your own first".into()))?;
                let (name, image) = (own.name.clone(), own.image.clone());
                return self.look_at(LookAt::Again(Readable { name, image, crop: (center, zoom), note: None }));
            }
            Action::Keep(region) => self.own.keep = region,
            Action::Attend(attend) => self.ui.attend = attend,
            Action::Complete => return self.complete(),
            Action::Export(export) => return self.export(export),
            Action::CopyImage => {
                let image = self.playback.main.as_ref().and_then(decoder::finished).ok_or_else(|| nothing("copy"))?;
                self.jobs.copy = Some(Copy::Image((*image).clone()));
                self.ui.say("the picture is on the clipboard");
            }
            Action::CopyLink => {
                let link = self.link().ok_or_else(|| nothing("link to"))?;
                self.jobs.copy = Some(Copy::Text(platform::address(&link.to_string())));
                match self.kept_tokens() {
                    0 => self.ui.say("a link that draws this picture again is on the clipboard"),
                    kept => {
                        let said = format!(
                            "a link with class and settings is on the clipboard, without your image; to draw this very picture \
                             again it would carry the {kept} tokens kept of it"
                        );
                        self.ui.offer(said, "Copy it with them", Action::CopyWholeLink);
                    }
                }
            }
            Action::CopyWholeLink => {
                let link = self.whole_link().ok_or_else(|| nothing("link to"))?;
                self.jobs.copy = Some(Copy::Text(platform::address(&link.to_string())));
                self.ui.say("a link that draws this picture again is on the clipboard");
            }
            Action::Link(link) => return self.follow(&link, None),
            Action::Tour(stop) => self.tour_to(stop),
            Action::About(on) => self.ui.about = on,
            Action::Keys(on) => self.ui.keys = on,
            Action::LoadModel => {
                if self.model.ready().is_none() {
                    self.ui.message = None;
                    self.load_model();
                }
            }
            Action::Dismiss => self.ui.message = None,
            Action::UseCpu => {
                self.machine.over = true;
                self.reopen(Reopen::On(DeviceChoice::Cpu), None);
            }
        }
        Ok(())
    }

    fn generate(&mut self, class: Mix, seed: u32) -> Result<()> {
        let request = Request {
            controls: self.chosen.controls.clone(),
            ..Request::new(&self.model.config, Generator::Dpar, class, seed)
        };
        self.own.image = None;
        match &self.playback.tiles {
            Some(tiles) => self.draw_many_of(tiles.many, request),
            None => self.start(Wanted::new(request, self.chosen.settings.compare)),
        }
    }

    /// Draws a picture, and the baseline's beside it if that is wanted: now, or when the baseline's weights are there.
    pub(in crate::app) fn start(&mut self, mut wanted: Wanted) -> Result<()> {
        if self.model.config.generator() == Some(Generator::Baseline) {
            wanted.request.generator = Generator::Baseline;
        }
        wanted.request.check(&self.model.config)?;
        wanted.compare &= self.model.config.baseline.is_some() && wanted.request.generator == Generator::Dpar;
        self.model.waiting = None;
        if let ModelState::Loading(..) = self.model.state {
            // What is chosen then is drawn then: class numbers are those of the model that comes.
            (self.model.early, self.launch.link) = (true, None);
            self.ui.say("it is drawn as soon as the model is there");
            return Ok(());
        }
        let model = self.model.ready_mut().ok_or_else(not_there)?;
        if (wanted.compare || wanted.request.generator == Generator::Baseline) && model.files.awaits_baseline() {
            self.model.waiting = Some(wanted);
            self.fetch_baseline();
            return Ok(());
        }
        let asked = wanted.request.clone();
        let mut runs = starting(wanted.request, wanted.compare);
        if let (Some(recovered), Some(main)) = (wanted.recovered, runs.first_mut()) {
            main.from = recovered.forced.iter().take_while(|token| token.is_some()).count();
            main.request = recovered;
        }
        self.playback.start(model, runs);
        self.ui.look_at_all();
        self.ui.seek_after = wanted.token;
        self.ui.followed = wanted.link.map(|link| (link, asked));
        Ok(())
    }

    /// The shown picture's class and seed again, under the present controls.
    fn redraw(&mut self) -> Result<()> {
        if let Some(tiles) = &self.playback.tiles {
            return self.draw_many(Some(tiles.many));
        }
        let Some(picture) = &self.playback.main else {
            return self.generate(self.chosen.class.clone(), self.chosen.settings.seed);
        };
        if let Source::Own(_) = picture.source {
            return self.complete();
        }
        let request =
            Request { controls: self.chosen.controls.clone(), schedule: Vec::new(), ..picture.request.clone() };
        self.chosen.adopt(&request, &self.model.config);
        self.start(Wanted::new(request, self.chosen.settings.compare))
    }

    /// Does what a link says: draws its picture, and shows it as its sender saw it. `rest`: a link that draws what is missing
    /// of it, after a lost device.
    pub(super) fn follow(&mut self, text: &str, rest: Option<&str>) -> Result<()> {
        let link = Link::parse(text)?;
        let (request, notes) = link.request_for(&self.model.config, self.model.hash().unwrap_or_default())?;
        let rest =
            rest.map(|rest| Link::parse(rest)?.request_for(&self.model.config, self.model.hash().unwrap_or_default()));
        let recovered = rest.transpose()?.map(|(request, _)| request);
        if let Some(view) = link.view {
            (self.chosen.settings.grid, self.chosen.settings.heat) = (view.grid, view.heat);
            self.chosen.settings.compare = view.compare && self.model.config.baseline.is_some();
        }
        self.chosen.adopt(&request, &self.model.config);
        // Where controls were moved on the way, as they were in the end: then the grid shown is the picture's own.
        self.chosen.controls = request.schedule.last().map_or(&request.controls, |(_, controls)| controls).clone();
        if self.model.ready().is_none() {
            // Drawn as soon as the model is there.
            (self.model.early, self.launch.link) = (false, Some(text.to_owned()));
            return Ok(());
        }
        if !notes.is_empty() {
            self.ui.say(notes.join("; "));
        }
        self.own.image = None;
        if let Some(many) = link.many() {
            return self.draw_many_of(many, request);
        }
        let compare = self.chosen.settings.compare;
        self.start(Wanted { request, compare, token: link.token, link: Some(link), recovered })
    }

    /// Looks at what somebody has brought; a picture that DPAR has drawn can be drawn again as well.
    fn bring(&mut self, brought: Brought) -> Result<()> {
        let Brought::File(name, bytes) = brought else { return self.look_at(LookAt::Brought(brought)) };
        let drawn = Provenance::read(&bytes).and_then(|drawn| Some((drawn.links.into_iter().next()?, drawn.left_out)));
        let Some((link, left_out)) = drawn else { return self.look_at(LookAt::Brought(Brought::File(name, bytes))) };
        self.model.needed()?;
        let said = match left_out {
            0 => format!("{name} was drawn by DPAR and says how"),
            kept => format!(
                "{name} was drawn by DPAR and says how, but not the {kept} tokens that it kept of an image: drawn again it \
                 is another picture"
            ),
        };
        let offers = vec![
            ("Draw it again", Action::Link(link)),
            ("Look at it as a picture", Action::Image(Brought::Drawn(name.clone(), bytes))),
        ];
        self.ui.offer_all(said, offers);
        Ok(())
    }

    /// Starts to look at an image of a person's own.
    fn look_at(&mut self, what: LookAt) -> Result<()> {
        let model = self.model.needed()?;
        self.analyst.look(model, what, &self.machine.wake)
    }

    /// Draws what is not kept of the image.
    fn complete(&mut self) -> Result<()> {
        let own = self.own.image.as_ref().ok_or_else(|| Error::Request("open an image of your own first".into()))?;
        let forced = keep(&own.analysis.codes, self.model.config.grid(), &self.own.keep);
        let chosen = &self.chosen;
        let base = Request::new(&self.model.config, Generator::Dpar, chosen.class.clone(), chosen.settings.seed);
        let request = Request { controls: chosen.controls.clone(), forced, ..base };
        self.start(Wanted::new(request, false))
    }

    /// Two different things of the model by a number nobody chose; the same where it has but one.
    fn things(&self, lot: u32) -> (usize, usize) {
        let all: Vec<usize> =
            (0..self.model.config.num_classes()).filter(|class| !self.model.config.is_group(*class)).collect();
        let (lot, count) = (lot as usize, all.len().max(1));
        let first = lot % count;
        let second = (first + 1 + lot / count % (count - 1).max(1)) % count;
        (all.get(first).copied().unwrap_or(0), all.get(second).copied().unwrap_or(0))
    }

    /// From the cursor on (or from the start, at the end) the finished picture plays again.
    fn play_again(&mut self) {
        let Some(picture) = self.playback.main.clone() else { return };
        let (Some(statistics), false) = (picture.statistics.clone(), self.playback.is_busy()) else { return };
        let from = self.ui.seek.unwrap_or(0);
        let tokens = picture.tokens.clone();
        self.ui.seek = None;
        self.playback.play(Slot::Main, picture, tokens, statistics, from, self.clock.now());
        if let Some(other) = self.playback.other.clone()
            && let Some(statistics) = other.statistics.clone()
        {
            let tokens = other.tokens.clone();
            self.playback.play(Slot::Other, other, tokens, statistics, from, self.clock.now());
        }
    }

    fn set_controls(&mut self, controls: Controls) -> Result<()> {
        controls.check()?;
        self.playback.set_controls(&controls)?;
        self.chosen.set_controls(controls);
        Ok(())
    }

    fn compare(&mut self, on: bool) -> Result<()> {
        if on && self.model.config.baseline.is_none() {
            return Err(Error::Request("this model folder has no baseline to compare with".into()));
        }
        self.chosen.settings.compare = on;
        if !on {
            if !self.playback.is_live() {
                self.playback.other = None;
            }
            // What waited for the baseline alone waits no more.
            if let Some(wanted) = self.model.waiting.take_if(|w| w.request.generator == Generator::Dpar) {
                return self.start(Wanted { compare: false, ..wanted });
            }
        } else if self.playback.other.is_none()
            && self.model.ready().is_some()
            && self.playback.main.is_some()
            && self.own.image.is_none()
        {
            return self.redraw();
        }
        Ok(())
    }

    fn tour_to(&mut self, stop: Option<usize>) {
        let stop = stop.filter(|n| *n < tour::STOPS.len());
        self.ui.go_on_tour(stop, &mut self.chosen.settings);
        if let Some(n) = stop {
            for action in (tour::STOPS[n].does)(&self.model.config.controls()) {
                self.act(action);
            }
        }
    }

    fn export(&mut self, export: Export) -> Result<()> {
        // At every export: one that was thought better of leaves nothing for the next.
        self.jobs.left_out = if export == Export::Picture { self.kept_tokens() } else { 0 };
        if export == Export::Animation {
            self.jobs.animation = Some(self.animation()?);
            (self.machine.wake)();
            return Ok(());
        }
        let (name, bytes) = self.file(export)?;
        self.save_as(name, bytes);
        Ok(())
    }

    /// What only a frame can do: the clipboard, the theme, closing.
    pub(in crate::app) fn settle(&mut self, ctx: &egui::Context) {
        match self.jobs.copy.take() {
            Some(Copy::Text(text)) => ctx.copy_text(text),
            Some(Copy::Image(image)) => ctx.copy_image(image),
            None => {}
        }
        if let Some(theme) = self.jobs.theme.take() {
            ctx.set_theme(theme);
        }
        if std::mem::take(&mut self.jobs.close) {
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
