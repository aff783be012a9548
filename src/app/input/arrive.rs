//! Takes in what was waited for: the model, files, a person's image as the models see it.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;

use crate::analysis::Region;
use crate::app::input::action::{Action, Brought, Export};
use crate::app::state::app::App;
use crate::app::state::jobs::{NamedFile, OtherModel};
use crate::app::state::model_slot::{ModelState, Wanted};
use crate::app::state::own::Own;
use crate::app::state::picture::{Picture, Source};
use crate::app::state::starting::Slot;
use crate::app::work::analyst::Analyst;
use crate::app::work::loaded_model::LoadedModel;
use crate::bundled::Extras;
use crate::bundled::recording::Recording;
use crate::checkpoint::config::Generator;
use crate::error::Result;
use crate::run::request::Request;
use crate::run::{Statistics, Token};

/// Something that was waited for.
pub(in crate::app) enum Arrival {
    /// The model.
    Model(Result<LoadedModel>),
    /// What comes with the built-in model.
    Extras(Box<Extras>),
    /// The baseline's weights.
    Baseline(Result<Vec<u8>>),
    /// Another model that somebody has chosen.
    Chosen(Result<Option<Vec<PathBuf>>>),
    /// The model that the browser has kept is gone.
    Forgotten(Result<()>),
    /// Another model, ready.
    Other(Result<OtherModel>),
    /// A file that somebody has chosen or let go over the window.
    File(Result<Option<NamedFile>>),
    /// Where a file was saved.
    Saved(Result<Option<String>>),
    /// What the models make of a person's image.
    Own(Result<Own>),
    /// Whether GPU and CPU agree, and the sentence.
    Checked(bool, String),
}

impl App {
    /// Takes something in; what went wrong is said.
    pub(in crate::app) fn arrive(&mut self, arrival: Arrival, ctx: &egui::Context) {
        match arrival {
            Arrival::Model(Ok(model)) => self.model_is_there(model),
            Arrival::Model(Err(e)) => {
                self.ui.offer(e, "Try again", Action::LoadModel);
                self.model.state = ModelState::Failed;
            }
            Arrival::Extras(extras) => self.show_extras(*extras, ctx),
            Arrival::Baseline(bytes) => self.add_baseline(bytes),
            Arrival::File(Ok(Some((name, bytes)))) => self.act(Action::Image(Brought::File(name, bytes))),
            Arrival::Chosen(Ok(Some(paths))) => self.act(Action::Model(Some(paths))),
            Arrival::Forgotten(Ok(())) => self.ui.say("the model is no longer kept in this browser"),
            Arrival::Other(Ok(other)) => self.change_model(other),
            Arrival::Saved(Ok(Some(path))) => match std::mem::take(&mut self.jobs.left_out) {
                0 => self.ui.say(format!("saved {path}")),
                kept => {
                    let said = format!(
                        "saved {path}, which says how it was drawn, but nothing of your image; to be drawn again as it is it \
                         would carry the {kept} tokens kept of it"
                    );
                    self.ui.offer(said, "Save it with them", Action::Export(Export::WholePicture));
                }
            },
            // Somebody has thought better of it.
            Arrival::File(Ok(None)) | Arrival::Saved(Ok(None)) | Arrival::Chosen(Ok(None)) => {}
            Arrival::Own(Ok(own)) => self.show_own(own),
            // The model that was there stays.
            Arrival::Chosen(Err(e)) | Arrival::Other(Err(e)) | Arrival::Forgotten(Err(e)) => self.ui.say(e),
            Arrival::File(Err(e)) | Arrival::Saved(Err(e)) | Arrival::Own(Err(e)) => self.ui.say(e),
            Arrival::Checked(ok, verdict) => {
                if !ok {
                    self.ui.offer(&verdict, "Use the CPU", Action::UseCpu);
                }
                self.analyst.selfcheck = Some(verdict);
            }
        }
    }

    /// The model is there: what was waiting for it happens now.
    pub(in crate::app) fn model_is_there(&mut self, mut model: LoadedModel) {
        let config = Arc::new(model.files.config.clone());
        if self.model.carried.is_none() {
            self.chosen.change_model(&self.model.config, &config, &model.files.hash);
        }
        self.ui.change_model(&config);
        self.own.keep = Region::first_rows(config.grid() / 2, config.grid());
        self.analyst = Analyst::waiting();
        if let Some(first) = config.generator() {
            model.prepare(first, 1, &self.machine.wake);
        }
        let early = std::mem::take(&mut self.model.early);
        if early {
            self.ui.message = None; // it said that this would happen
        }
        if !model.files.notes.is_empty() {
            self.ui.say(model.files.notes.join("; "));
        }
        self.model.config = config;
        self.model.state = ModelState::Ready(Box::new(model));
        let link = self.launch.link.take();
        if let Some(mut carried) = self.model.carried.take() {
            if early {
                carried.runs.clear();
            }
            self.go_on(carried);
        }
        if early {
            self.act(Action::Generate);
        } else if let Some(link) = link {
            let rest = self.launch.rest.take();
            if let Err(e) = self.follow(&link, rest.as_deref()) {
                self.ui.say(e);
            }
        }
    }

    /// Shows what has come, and plays the recorded run if nothing else goes on.
    fn show_extras(&mut self, extras: Extras, ctx: &egui::Context) {
        if let Some(swatches) = extras.swatches {
            self.ui.textures.set_looks(ctx, swatches);
        }
        if let Some(thumbnails) = extras.thumbnails {
            self.ui.textures.set_thumbnails(ctx, &thumbnails);
        }
        if let Some(recording) = extras.recording.filter(|_| self.playback.main.is_none() && !self.playback.is_busy()) {
            self.play_recording(&recording);
        }
    }

    fn play_recording(&mut self, recording: &Recording) {
        let grid = recording.config.grid();
        let recorded = &recording.dpar;
        let mut picture = Picture::new(Source::Recorded, recorded.run.request(), &recording.config);
        for frame in &recorded.frames {
            picture.frame(frame.tokens, &frame.image);
        }
        let tokens = recorded.run.tokens_detailed(grid);
        let statistics = Statistics::of_read(&recorded.run.patches(grid));
        self.chosen.offer(&picture.request, &self.model.config);
        self.playback.play(Slot::Main, picture, tokens, statistics, 0, self.clock.now());
    }

    /// Adds the baseline's weights to the model, and draws what has waited for them.
    fn add_baseline(&mut self, bytes: Result<Vec<u8>>) {
        self.model.baseline = None;
        // Nothing else holds the files now: the weights were asked for only then.
        let files = self.model.ready_mut().and_then(|model| Arc::get_mut(&mut model.files));
        let Some(files) = files else { return };
        let added = bytes.and_then(|bytes| files.add_baseline(bytes));
        let Some(wanted) = self.model.waiting.take() else { return };
        let started = match added {
            Ok(()) => self.start(wanted),
            Err(e) => {
                self.chosen.settings.compare = false;
                self.ui.offer(e, "Try again", Action::Compare(true));
                // DPAR's picture needs no baseline.
                match wanted.request.generator {
                    Generator::Dpar => self.start(Wanted { compare: false, ..wanted }),
                    Generator::Baseline => Ok(()),
                }
            }
        };
        if let Err(e) = started {
            self.ui.say(e);
        }
    }

    /// Shows what the models make of a person's image, and the image beside it.
    fn show_own(&mut self, own: Own) {
        self.playback.clear(self.model.ready_mut());
        let config = &self.model.config;
        let rule = self.chosen.controls.rule(config.grid());
        let request = Request {
            controls: self.chosen.controls.clone(),
            ..Request::new(config, Generator::Dpar, config.num_classes(), self.chosen.settings.seed)
        };
        let mut picture = Picture::new(Source::Own(own.name.clone()), request, config);
        for token in Token::read(&own.analysis.codes, &own.analysis.entropies, &rule) {
            picture.push(token, f64::NEG_INFINITY);
        }
        picture.frame(picture.tokens.len(), &own.analysis.reconstruction);
        picture.statistics = Some(Statistics::of_read(&picture.patches));
        let mut original = Picture::new(Source::Original, picture.request.clone(), config);
        original.request.generator = Generator::Baseline; // no patches on it
        original.tokens.clone_from(&picture.tokens);
        original.statistics.clone_from(&picture.statistics);
        original.frame(picture.tokens.len(), &own.square);
        (self.playback.main, self.playback.other) = (Some(picture), Some(original));
        self.ui.look_at_all();
        if let Some(note) = &own.note {
            self.ui.say(note);
        }
        self.own.image = Some(own);
    }
}
