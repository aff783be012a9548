//! Links and files: what others need to see the same picture.

use std::sync::Arc;

use eframe::egui;

use crate::app::input::action::Export;
use crate::app::state::app::App;
use crate::app::state::picture::{Picture, Source};
use crate::app::work::decoder;
use crate::checkpoint::config::Generator;
use crate::error::{Error, Result};
use crate::platform::{self, Task};
use crate::render::animation::Animation;
use crate::render::{self, OverlayInput, Provenance, png_bytes, png_with};
use crate::run::Preview;
use crate::run::link::{self, Link, View};
use crate::run::prompt;
use crate::run::trace::{Run, Trace};

impl App {
    /// The link that draws the shown picture again, as the `#...` part of an address; without what it would say of a
    /// person's own image, which nobody reads before the person has asked for it.
    pub(in crate::app) fn link(&self) -> Option<Link> {
        self.whole_link().map(Link::without_given)
    }

    /// The same, with the tokens that were kept of an own image.
    pub(in crate::app) fn whole_link(&self) -> Option<Link> {
        let tiles = self.playback.tiles.as_ref();
        let asked = tiles.map(|tiles| &tiles.pictures[tiles.many.asked()]).or(self.playback.main.as_ref());
        let picture = asked.filter(|p| matches!(p.source, Source::Run | Source::Recorded))?;
        let hash = self.model.hash().unwrap_or_default();
        let view = View {
            grid: self.chosen.settings.grid,
            heat: self.chosen.settings.heat,
            compare: self.playback.other.is_some(),
            ..View::default()
        };
        // What came of it, where it was drawn to its end.
        let whole = picture.tokens.len() == picture.total() && picture.is_done();
        let sum = whole.then(|| link::sum(picture.tokens.iter().map(|token| token.id)));
        let link =
            Link { view: Some(view), sum, token: self.ui.seek, ..Link::of(&picture.request, hash, &self.model.config) };
        Some(match tiles {
            Some(tiles) => link.with_many(tiles.many),
            None => link,
        })
    }

    /// How many tokens of the shown picture were kept of a person's own image.
    pub(in crate::app) fn kept_tokens(&self) -> usize {
        self.playback.main.as_ref().map_or(0, |picture| picture.request.forced.iter().flatten().count())
    }

    /// The finished picture as a file: its name and content.
    ///
    /// # Errors
    /// [`Error::Request`] where there is no finished and decoded picture.
    pub fn file(&self, export: Export) -> Result<(String, Vec<u8>)> {
        let picture = self.playback.main.as_ref().filter(|p| p.is_done());
        let picture = picture.ok_or_else(|| Error::Request("there is no finished picture to save yet".into()))?;
        let stem = self.stem(picture);
        let frame =
            decoder::finished(picture).ok_or_else(|| Error::Request("the picture is still being decoded".into()))?;
        let image = from_egui(&frame)?;
        Ok(match export {
            Export::Picture => (format!("{stem}.png"), self.png(&image, self.link())?),
            Export::WholePicture => (format!("{stem}.png"), self.png(&image, self.whole_link())?),
            Export::Overlay => (format!("{stem}-patches.png"), self.png(&self.overlay(picture, &image)?, self.link())?),
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

    /// A picture of the shown run as a file that says how it was drawn; a person's own image says nothing.
    fn png(&self, image: &image::RgbImage, link: Option<Link>) -> Result<Vec<u8>> {
        let Some(link) = link else { return png_bytes(image) };
        let left_out = self.left_out(&link);
        let drawn = Provenance { left_out, ..Provenance::new(link, self.model.hash().unwrap_or_default()) };
        png_with(image, &drawn)
    }

    /// How many tokens of the shown picture were kept of a person's own image and are not in this link.
    fn left_out(&self, link: &Link) -> usize {
        if link.given.is_empty() { self.kept_tokens() } else { 0 }
    }

    /// The run of the finished picture as an animation that is still to be encoded, frame by frame ([`App::animate`]).
    pub(in crate::app) fn animation(&self) -> Result<(String, Animation)> {
        let picture = self.playback.main.as_ref().filter(|p| p.is_done());
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
        let Some((_, animation)) = &mut self.jobs.animation else { return Ok(()) };
        if animation.step()? {
            (self.machine.wake)();
            return Ok(());
        }
        let Some((name, animation)) = self.jobs.animation.take() else { return Ok(()) };
        self.save_as(name, animation.finish()?);
        Ok(())
    }

    /// Offers a file to be saved.
    pub(in crate::app) fn save_as(&mut self, name: String, bytes: Vec<u8>) {
        let wake = self.machine.wake.clone();
        self.jobs.save = Some(Task::spawn(move || wake(), move || platform::save_file(name, bytes)));
    }

    fn stem(&self, picture: &Picture) -> String {
        match &picture.source {
            Source::Own(_) | Source::Original => "own".to_owned(),
            Source::Run | Source::Recorded => {
                let name = prompt::caption(&picture.request.class, &self.model.config);
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
            rule: &self.chosen.controls.rule(picture.grid),
            vocab: self.model.config.vocab(),
            labels: &labels,
        })
    }

    fn trace(&self, picture: &Picture) -> Trace {
        let run = Run::of_tokens(&picture.request, &picture.tokens, &self.model.config).plain();
        Trace { model: self.model.hash().unwrap_or_default().to_owned(), runs: vec![run] }
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
