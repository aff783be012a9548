//! Links and files: what others need to see the same picture.

use std::sync::Arc;

use eframe::egui;

use super::action::{Action, Export};
use super::picture::{Picture, Source};
use super::{App, Model, decoder};
use crate::engine::Generator;
use crate::error::{Error, Result};
use crate::link::{Link, View};
use crate::render::{self, OverlayInput, png_bytes};
use crate::trace::{Run, Trace};

impl App {
    /// The link that draws the shown picture again, as the `#...` part of an address.
    pub(super) fn link(&self) -> Option<String> {
        let picture = self.stage.main.as_ref().filter(|p| !matches!(p.source, Source::Own(_)))?;
        let hash = if let Model::Ready(studio) = &self.model { studio.files.hash.clone() } else { String::new() };
        let view = View { grid: self.settings.grid, heat: self.settings.heat, compare: self.stage.other.is_some() };
        let link = Link { view: Some(view), token: self.seek, ..Link::of(&picture.request, &hash, &self.config) };
        Some(link.to_string())
    }

    /// Does what a link says: draws its picture, and shows it as its sender saw it.
    pub(super) fn follow(&mut self, text: &str) -> Result<()> {
        let link = Link::parse(text, Some(&self.config))?;
        let request = link.request(&self.config)?;
        if let Some(view) = link.view {
            (self.settings.grid, self.settings.heat) = (view.grid, view.heat);
            self.settings.compare = view.compare && self.config.baseline.is_some();
        }
        (self.class, self.settings.seed) = (request.class.min(self.config.num_classes() - 1), request.seed);
        self.live = request.live.clone();
        let Model::Ready(studio) = &self.model else {
            // Drawn as soon as the model is there.
            self.launch.link = Some(text.to_owned());
            return Ok(());
        };
        let mut notes = link.warnings.clone();
        if let Some(other) = link.other_model(&studio.files.hash) {
            notes.push(format!(
                "the link was made with model {other}, this is {}: the picture differs",
                studio.files.hash
            ));
        }
        if !notes.is_empty() {
            self.say(&notes.join("; "));
        }
        self.own = None;
        self.start(request, self.settings.compare)?;
        self.after = link.token;
        Ok(())
    }

    /// A finished picture as a file: its name and content.
    pub(super) fn file(&self, picture: &Picture, export: Export) -> Result<(String, Vec<u8>)> {
        let stem = match &picture.source {
            Source::Own(_) => "own".to_owned(),
            Source::Run | Source::Recorded => {
                format!("{}-{}", self.config.class_name(picture.request.class), picture.request.seed)
            }
        };
        let frame =
            decoder::finished(picture).ok_or_else(|| Error::Request("the picture is still being decoded".into()))?;
        let image = from_egui(&frame)?;
        Ok(match export {
            Export::Picture => (format!("{stem}.png"), png_bytes(&image)?),
            Export::Overlay => (format!("{stem}-patches.png"), png_bytes(&self.overlay(picture, &image)?)?),
            Export::Trace => {
                let json = serde_json::to_vec(&self.trace(picture)).map_err(|e| Error::Internal(e.to_string()))?;
                (format!("{stem}.trace.json"), json)
            }
            Export::Animation => return Err(Error::Request("animations come with the next change".into())),
        })
    }

    fn overlay(&self, picture: &Picture, image: &image::RgbImage) -> Result<image::RgbImage> {
        let patches = self.patches(picture);
        let label = format!("{} patches for {} tokens", patches.count(), picture.tokens.len());
        let labels = [("picture", label)];
        render::overlay(&OverlayInput {
            picture: image,
            entropies: &picture.entropies(),
            patches: &patches,
            rule: &self.live.rule(picture.grid),
            vocab: self.config.vocab(),
            labels: &labels,
        })
    }

    fn trace(&self, picture: &Picture) -> Trace {
        let request = &picture.request;
        let run = Run {
            class: request.class,
            class_name: self.config.class_name(request.class),
            baseline: request.generator == Generator::Baseline,
            seed: request.seed,
            live: request.live.clone(),
            changes: request.schedule.clone(),
            forced: request.forced.clone(),
            tokens: picture.tokens.iter().map(|t| t.id).collect(),
            entropies: picture.entropies(),
            starts: picture.patches.starts().to_vec(),
        };
        let model = if let Model::Ready(studio) = &self.model { studio.files.hash.clone() } else { String::new() };
        Trace { model, runs: vec![run] }
    }

    /// A file that was let go over the window.
    pub(super) fn read_dropped(&mut self, file: egui::DroppedFileHandle) {
        let wake = self.wake.clone();
        self.tasks.open = Some(crate::platform::Task::spawn(move || wake(), move || crate::platform::read_dropped(file)));
    }

    /// The model is there: what was waiting for it happens now.
    pub(super) fn ready(&mut self) {
        let waiting = self.launch.link.take();
        if let Some(request) = self.launch.kept.take_request() {
            self.act_on(|app| app.start(request, false));
        } else if let Some(link) = waiting {
            self.act(Action::Link(link));
        }
    }

    fn act_on(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(e) = work(self) {
            self.say(&e.to_string());
        }
    }

    /// Plays the run that comes with the app.
    pub(super) fn play_recording(&mut self) {}
}

/// An image of the screen as a picture again.
fn from_egui(frame: &Arc<egui::ColorImage>) -> Result<image::RgbImage> {
    let rgb = frame.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    image::RgbImage::from_raw(frame.size[0] as u32, frame.size[1] as u32, rgb)
        .ok_or_else(|| Error::Internal("a picture has the wrong size".into()))
}
