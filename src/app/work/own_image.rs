//! A person's own image: read, shown as the models see it, completed; and the baseline's weights, which come late.

use std::sync::Arc;
use std::time::Duration;

use eframe::egui::{self, ColorImage};

use crate::analysis::keep;
use crate::app::input::action::Action;
use crate::app::state::app::App;
use crate::app::state::app::ModelSlot;
use crate::app::state::own::Own;
use crate::app::state::picture::{Picture, Source};
use crate::checkpoint::config::Generator;
use crate::error::{Error, Result};
use crate::platform::{self, Progress, Task};
use crate::run::request::Request;
use crate::run::{Statistics, Token};

fn no_model() -> Error {
    Error::Request("the model is not there yet: wait for the download, or try it again".into())
}

impl App {
    /// Files let go over the window; pictures and links that were pasted.
    pub(in crate::app) fn dropped(&mut self, ctx: &egui::Context, out: &mut Vec<Action>) {
        let files = ctx.input_mut(|i| std::mem::take(&mut i.raw.dropped_files));
        if let Some(file) = files.into_iter().next() {
            self.read_dropped(file);
        }
        let pasted = ctx.input(|i| {
            i.events
                .iter()
                .find_map(|e| if let egui::Event::PasteImage(image) = e { Some(image.clone()) } else { None })
        });
        if let Some(image) = pasted {
            out.push(Action::Pasted(image));
        }
        let text = ctx.input(|i| {
            i.events.iter().find_map(|e| if let egui::Event::Paste(text) = e { Some(text.clone()) } else { None })
        });
        if let Some(text) = text.filter(|t| !ctx.text_edit_focused() && t.contains("seed=")) {
            out.push(Action::Link(text));
        }
    }

    /// Looks at an image file.
    pub(in crate::app) fn own_image(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let ModelSlot::Ready(studio) = &self.model else { return Err(no_model()) };
        self.analyst.read(studio, name.to_owned(), bytes, &self.wake)
    }

    /// Looks at an image from the clipboard.
    pub(in crate::app) fn pasted(&mut self, image: Arc<ColorImage>) -> Result<()> {
        let ModelSlot::Ready(studio) = &self.model else { return Err(no_model()) };
        self.analyst.paste(studio, image, &self.wake)
    }

    /// Looks at another square of the image that is there.
    pub(in crate::app) fn crop(&mut self, center: [f32; 2], zoom: f32) -> Result<()> {
        let (ModelSlot::Ready(studio), Some(own)) = (&self.model, &self.own) else { return Err(no_model()) };
        self.analyst.crop(studio, own, (center, zoom), &self.wake)
    }

    /// Shows what the models make of the image, and the image beside it.
    pub(in crate::app) fn show_own(&mut self, own: Own) {
        let studio = if let ModelSlot::Ready(studio) = &mut self.model { Some(&mut **studio) } else { None };
        self.stage.clear(studio);
        let grid = self.config.grid();
        let rule = self.controls.rule(grid);
        let request = Request {
            controls: self.controls.clone(),
            ..Request::new(&self.config, Generator::Dpar, self.config.num_classes(), self.settings.seed)
        };
        let mut picture = Picture::new(Source::Own(own.name.clone()), request, &self.config);
        let (mut run, mut patch) = (0, 0);
        for (position, (id, entropy)) in own.analysis.codes.iter().zip(&own.analysis.entropies).enumerate() {
            let starts_patch = rule.start(position as u32, *entropy, run);
            run = if starts_patch.is_some() { 1 } else { run + 1 };
            patch += usize::from(starts_patch.is_some() && position > 0);
            let (rank, probability, candidates) = (0, f32::NAN, Vec::new());
            let token = Token {
                position,
                id: *id,
                entropy: Some(*entropy),
                starts_patch,
                patch,
                rank,
                probability,
                candidates,
            };
            picture.push(token, f64::NEG_INFINITY);
        }
        picture.frame(picture.tokens.len(), &own.analysis.reconstruction);
        picture.statistics = Some(Statistics {
            tokens: picture.tokens.len(),
            patches: picture.patches.count(),
            average_patch_length: picture.patches.average_length(),
            elapsed: Duration::ZERO,
            stopped: false,
        });
        let mut original = Picture::new(Source::Original, picture.request.clone(), &self.config);
        original.request.generator = Generator::Baseline; // no patches on it
        original.tokens.clone_from(&picture.tokens);
        original.statistics.clone_from(&picture.statistics);
        original.frame(picture.tokens.len(), &own.square);
        (self.stage.main, self.stage.other) = (Some(picture), Some(original));
        (self.seek, self.selected) = (None, None);
        self.own = Some(own);
    }

    /// Draws what is not kept of the image.
    pub(in crate::app) fn complete(&mut self) -> Result<()> {
        let own = self.own.as_ref().ok_or_else(|| Error::Request("open an image of your own first".into()))?;
        let forced = keep(&own.analysis.codes, self.config.grid(), &self.keep);
        let base = Request::new(&self.config, Generator::Dpar, self.class.clone(), self.settings.seed);
        self.start(Request { controls: self.controls.clone(), forced, ..base }, false)
    }

    /// Fetches the baseline's weights; the comparison follows when they are there.
    pub(in crate::app) fn fetch_baseline(&mut self) {
        if self.baseline.is_some() {
            return;
        }
        let progress = Progress::default();
        let (wake, to) = (self.wake.clone(), progress.clone());
        self.baseline = Some((Task::spawn(move || wake(), move || platform::load_baseline(to)), progress));
    }

    /// Adds the baseline's weights to the model, and compares.
    pub(in crate::app) fn take_baseline(&mut self) -> Result<()> {
        let Some((task, _)) = &self.baseline else { return Ok(()) };
        let ModelSlot::Ready(studio) = &mut self.model else { return Ok(()) };
        // Engines being built hold the files; they are done in a moment.
        let Some(files) = Arc::get_mut(&mut studio.files) else {
            (self.wake)();
            return Ok(());
        };
        let Some(bytes) = task.take() else { return Ok(()) };
        self.baseline = None;
        match bytes.and_then(|bytes| files.add_baseline(bytes)) {
            Ok(()) => self.act(Action::Redraw),
            Err(e) => {
                self.settings.compare = false;
                self.message = Some((e.to_string(), Some(("Try again", Action::Compare(true)))));
            }
        }
        Ok(())
    }
}
