//! Links and files: what others need to see the same picture.

use std::sync::Arc;
use std::time::Duration;

use eframe::egui;

use crate::app::input::action::{Action, Export};
use crate::app::state::app::App;
use crate::app::state::app::ModelSlot;
use crate::app::state::picture::{Picture, Source};
use crate::app::state::playback::Slot;
use crate::app::work::bench::{Sight, Wish};
use crate::app::work::decoder;
use crate::bundled::recording::Recording;
use crate::checkpoint::config::Generator;
use crate::error::{Error, Result};
use crate::platform::{self, Task, finished};
use crate::render::animation::Animation;
use crate::render::{self, OverlayInput, png_bytes};
use crate::run::link::{Link, View};
use crate::run::prompt;
use crate::run::trace::{Run, Trace};
use crate::run::{Preview, Statistics};

impl App {
    /// The link that draws the shown picture again, as the `#...` part of an address.
    pub(in crate::app) fn link(&self) -> Option<String> {
        let picture = self.stage.main.as_ref().filter(|p| matches!(p.source, Source::Run | Source::Recorded))?;
        let hash = if let ModelSlot::Ready(studio) = &self.model { studio.files.hash.clone() } else { String::new() };
        let view = View { grid: self.settings.grid, heat: self.settings.heat, compare: self.stage.other.is_some() };
        let link = Link { view: Some(view), token: self.seek, ..Link::of(&picture.request, &hash, &self.config) };
        Some(link.to_string())
    }

    /// Does what a link says: draws its picture, and shows it as its sender saw it.
    pub(in crate::app) fn follow(&mut self, text: &str) -> Result<()> {
        let link = Link::parse(text)?;
        let hash = if let ModelSlot::Ready(studio) = &self.model { studio.files.hash.clone() } else { String::new() };
        let (request, notes) = link.request_for(&self.config, &hash)?;
        if let Some(view) = link.view {
            (self.settings.grid, self.settings.heat) = (view.grid, view.heat);
            self.settings.compare = view.compare && self.config.baseline.is_some();
        }
        self.adopt(&request);
        self.touched = true;
        // Where controls were moved on the way, as they were in the end: then the grid shown is the picture's own.
        self.controls = request.schedule.last().map_or(&request.controls, |(_, controls)| controls).clone();
        let ModelSlot::Ready(_) = &self.model else {
            // Drawn as soon as the model is there.
            self.launch.link = Some(text.to_owned());
            return Ok(());
        };
        if !notes.is_empty() {
            self.say(&notes.join("; "));
        }
        self.own = None;
        self.start(request, self.settings.compare)?;
        self.after = link.token;
        Ok(())
    }

    /// The finished picture as a file: its name and content.
    ///
    /// # Errors
    /// [`Error::Request`] where there is no finished and decoded picture.
    pub fn file(&self, export: Export) -> Result<(String, Vec<u8>)> {
        let picture = self.stage.main.as_ref().filter(|p| p.is_done());
        let picture = picture.ok_or_else(|| Error::Request("there is no finished picture to save yet".into()))?;
        let stem = self.stem(picture);
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
            Export::Animation => {
                let (name, mut animation) = self.animation()?;
                while animation.step()? {}
                (name, animation.finish()?)
            }
        })
    }

    /// The run of the finished picture as an animation that is still to be encoded, frame by frame ([`App::animate`]).
    pub(in crate::app) fn animation(&self) -> Result<(String, Animation)> {
        let picture = self.stage.main.as_ref().filter(|p| p.is_done());
        let picture = picture.ok_or_else(|| Error::Request("there is no finished picture to save yet".into()))?;
        let frame = |(tokens, image): (&usize, &Arc<egui::ColorImage>)| {
            Ok(Preview { tokens: *tokens, image: from_egui(image)? })
        };
        let frames = picture.frames.iter().map(frame).collect::<Result<Vec<_>>>()?;
        let dpar = picture.request.generator == Generator::Dpar;
        let rule = picture.last_controls().rule(picture.grid);
        let animation = Animation::new(frames, dpar.then(|| picture.patches.clone()), rule)?;
        Ok((format!("{}.gif", self.stem(picture)), animation))
    }

    /// Encodes a frame of the animation; at its end saves it.
    pub(in crate::app) fn animate(&mut self) -> Result<()> {
        let Some((_, animation)) = &mut self.tasks.animation else { return Ok(()) };
        if animation.step()? {
            (self.wake)();
            return Ok(());
        }
        let Some((name, animation)) = self.tasks.animation.take() else { return Ok(()) };
        self.save_as(name, animation.finish()?);
        Ok(())
    }

    /// Offers a file to be saved.
    pub(in crate::app) fn save_as(&mut self, name: String, bytes: Vec<u8>) {
        let wake = self.wake.clone();
        self.tasks.save = Some(Task::spawn(move || wake(), move || platform::save_file(name, bytes)));
    }

    /// Goes on with the bench.
    pub(in crate::app) fn measure(&mut self, ctx: &egui::Context) {
        let Some(mut bench) = self.bench.take() else { return };
        let main = self.stage.main.as_ref();
        let run = main.filter(|p| p.source == Source::Run);
        let sight = Sight {
            now_ms: 1000.0 * self.now(),
            frames: self.clock.frames,
            frame_ms: self.clock.frame_ms,
            ready: matches!(self.model, ModelSlot::Ready(_))
                && (self.selfcheck.is_some() || self.backend.gpu().is_none()),
            recorded: main.is_some_and(|p| p.source == Source::Recorded && !p.tokens.is_empty()),
            live: self.stage.is_live(),
            tokens: run.map_or(0, |p| p.tokens.len()),
            finished: run.is_some_and(|p| p.is_done() && decoder::finished(p).is_some()),
            ms_per_token: run.and_then(|p| p.statistics.as_ref()).map(Statistics::ms_per_token),
        };
        match bench.tick(&sight, &self.backend, &self.wake) {
            Ok(Wish::Wait) => {}
            Ok(Wish::Draw { blind }) => {
                self.blind = blind;
                self.act(Action::Generate);
            }
            Ok(Wish::Done) => {
                self.blind = false;
                let text = format!("{}\nmodel runs on {}", bench.figures.text(), self.backend.name());
                self.say(&text);
                platform::finish_bench(&text);
                self.benched = Some(bench.figures);
                if platform::CLOSES {
                    ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                }
                return;
            }
            Err(e) => self.say(&e.to_string()),
        }
        self.bench = Some(bench);
        ctx.request_repaint_after(Duration::from_millis(5));
    }

    fn stem(&self, picture: &Picture) -> String {
        match &picture.source {
            Source::Own(_) | Source::Original => "own".to_owned(),
            Source::Run | Source::Recorded => {
                let name = prompt::describe(&picture.request.class, &self.config);
                format!("{}-{}", file_name(&name), picture.request.seed)
            }
        }
    }

    fn overlay(&self, picture: &Picture, image: &image::RgbImage) -> Result<image::RgbImage> {
        let patches = self.patches(picture);
        let label = format!("{} patches for {} tokens", patches.count(), picture.tokens.len());
        let labels = [("picture", label)];
        render::overlay(&OverlayInput {
            picture: image,
            entropies: &picture.entropies(),
            patches: &patches,
            rule: &self.controls.rule(picture.grid),
            vocab: self.config.vocab(),
            labels: &labels,
        })
    }

    fn trace(&self, picture: &Picture) -> Trace {
        let run = Run::of_tokens(&picture.request, &picture.tokens, &self.config).plain();
        let model = if let ModelSlot::Ready(studio) = &self.model { studio.files.hash.clone() } else { String::new() };
        Trace { model, runs: vec![run] }
    }

    /// A file that was let go over the window.
    pub(in crate::app) fn read_dropped(&mut self, file: egui::DroppedFileHandle) {
        let wake = self.wake.clone();
        self.tasks.open = Some(Task::spawn(move || wake(), move || platform::read_dropped(file)));
    }

    /// The model is there: what was waiting for it happens now.
    pub(in crate::app) fn ready(&mut self) {
        let waiting = self.launch.link.take();
        if let Some(carried) = self.carried.take() {
            self.go_on(carried);
        } else if let Some(link) = waiting {
            self.act(Action::Link(link));
        }
    }

    /// Asks for what comes with the built-in model: the recording, the codes' looks, the classes' thumbnails.
    pub(in crate::app) fn load_extras(&mut self) {
        if self.launch.model.is_some() {
            return; // they belong to the built-in model
        }
        let (wake, config) = (self.wake.clone(), self.config.clone());
        self.tasks.extras = Some(Task::spawn(move || wake(), async move || platform::load_extras(&config).await));
    }

    /// Shows what has come, and plays the recorded run if nothing else goes on.
    pub(in crate::app) fn take_extras(&mut self, ctx: &egui::Context) {
        let Some(extras) = finished(&mut self.tasks.extras) else { return };
        if let Some(looks) = extras.swatches {
            self.textures.set_looks(ctx, looks);
        }
        if let Some(thumbnails) = extras.thumbnails {
            self.textures.set_thumbnails(ctx, &thumbnails);
        }
        if let Some(recording) = extras.recording.filter(|_| self.stage.main.is_none() && !self.stage.is_busy()) {
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
        let patches = recorded.run.patches(grid);
        let statistics = Statistics {
            tokens: tokens.len(),
            patches: patches.count(),
            average_patch_length: patches.average_length(),
            elapsed: Duration::ZERO,
            stopped: false,
        };
        // It may come late, and somebody may have chosen something by then, or on an earlier visit.
        if !self.touched && self.settings.class.is_none() {
            self.controls = picture.request.controls.clone();
            self.adopt(&picture.request);
        }
        self.stage.play(Slot::Main, picture, tokens, statistics, 0, self.now());
    }
}

/// A prompt as part of a file's name: `0.7 owl + 0.3 panda` is `0.7-owl-0.3-panda`.
fn file_name(prompt: &str) -> String {
    let kept = prompt.chars().map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' }).collect::<String>();
    kept.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").chars().take(60).collect()
}

/// An image of the screen as a picture again.
fn from_egui(frame: &Arc<egui::ColorImage>) -> Result<image::RgbImage> {
    let rgb = frame.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    image::RgbImage::from_raw(frame.size[0] as u32, frame.size[1] as u32, rgb)
        .ok_or_else(|| Error::Internal("a picture has the wrong size".into()))
}
