//! One picture and how it came about: what is shown, whether it is recorded, being drawn, or a person's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eframe::egui::{Color32, ColorImage};
use image::RgbImage;

use crate::bundled::token_swatches::TokenSwatches;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::patching::{PatchRule, Patches, StartReason};
use crate::run::request::Request;
use crate::run::{Event, Statistics, Token, fill_undrawn};

/// Where a picture comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A recorded run that came with the app.
    Recorded,
    /// A run of the model.
    Run,
    /// A person's image as the models see it, by name.
    Own(String),
    /// A person's image itself, beside it.
    Original,
}

/// A picture, its tokens and its patches.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Tells textures and decodes of different pictures apart.
    pub id: u64,
    /// Where it comes from.
    pub source: Source,
    /// What was asked for.
    pub request: Request,
    /// Tokens so far.
    pub tokens: Vec<Token>,
    /// Patches so far.
    pub patches: Patches,
    /// Decoded pictures by the number of tokens they show.
    pub frames: BTreeMap<usize, Arc<ColorImage>>,
    /// Figures of the finished run.
    pub statistics: Option<Statistics>,
    /// First token and birth (seconds) of the patches that are new enough to flash.
    pub flashes: Vec<(usize, f64)>,
    /// Grid side g.
    pub grid: usize,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Picture {
    /// Nothing drawn yet.
    pub fn new(source: Source, request: Request, config: &ModelConfig) -> Self {
        let grid = config.grid();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            source,
            request,
            tokens: Vec::new(),
            patches: Patches::from_starts(Vec::new(), grid as u32),
            frames: BTreeMap::new(),
            statistics: None,
            flashes: Vec::new(),
            grid,
        }
    }

    /// Tokens of the finished picture, T.
    pub fn total(&self) -> usize {
        self.grid * self.grid
    }

    /// Whether all is there that will be.
    pub fn is_done(&self) -> bool {
        self.statistics.is_some()
    }

    /// Only the first of these tokens, as when they had just been drawn; decoded pictures stay.
    pub fn restart(&mut self, tokens: &[Token]) {
        self.tokens.clear();
        self.flashes.clear();
        self.patches = Patches::from_starts(Vec::new(), self.grid as u32);
        self.statistics = None;
        for token in tokens {
            self.push(token.clone(), f64::NEG_INFINITY);
        }
    }

    /// Takes an event of its run, `now` in seconds.
    pub fn accept(&mut self, event: Event, now: f64) {
        match event {
            Event::Token(token) => self.push(token, now),
            Event::PatchClosed(_) => {}
            Event::Done(statistics) => self.statistics = Some(statistics),
        }
    }

    /// Adds a token.
    pub fn push(&mut self, token: Token, now: f64) {
        if token.starts_patch.is_some() {
            self.flashes.retain(|(_, born)| now - born < 1.0);
            self.flashes.push((token.position, now));
        }
        self.patches.push(token.starts_patch.is_some());
        self.tokens.push(token);
    }

    /// Adds a decoded picture of the first `tokens` tokens: the whole, or its upper rows.
    pub fn frame(&mut self, tokens: usize, image: &RgbImage) {
        let mut image = to_egui(image);
        let width = image.size[0];
        image.size[1] = width;
        image.pixels.resize(width * width, Color32::TRANSPARENT);
        self.frames.insert(tokens, Arc::new(image));
    }

    /// The controls in force at the end.
    pub fn last_controls(&self) -> &Controls {
        self.request.schedule.last().map_or(&self.request.controls, |(_, controls)| controls)
    }

    /// Entropies in nats of the tokens so far; empty for the baseline.
    pub fn entropies(&self) -> Vec<f32> {
        self.tokens.iter().filter_map(|t| t.entropy).collect()
    }

    /// The patches the tokens so far would have under another rule; their own for the baseline, which has no entropies.
    pub fn patches_under(&self, rule: &PatchRule) -> Patches {
        let entropies = self.entropies();
        if entropies.len() == self.tokens.len() { rule.patches(&entropies) } else { self.patches.clone() }
    }

    /// Codes of the rows that the first `drawn` tokens reach and of one more ([`fill_undrawn`]). That much decides what the drawn
    /// part looks like: without the row below it is 5 decibels further from the finished picture, with all rows below it is no
    /// nearer; and a decode costs as much as it has rows.
    pub fn codes(&self, drawn: usize) -> Vec<u32> {
        let codes = self.tokens.iter().take(drawn).map(|t| t.id).collect();
        let rows = (drawn.div_ceil(self.grid) + 1).min(self.grid);
        fill_undrawn(codes, self.grid, rows * self.grid)
    }

    /// The decoded picture to show for the first `drawn` tokens: the earliest that shows them all (what it shows beyond
    /// them is covered), else the newest there is. Its number of tokens, and the picture.
    pub fn frame_for(&self, drawn: usize) -> Option<(usize, &Arc<ColorImage>)> {
        let after = self.frames.range(drawn..).next();
        after.or_else(|| self.frames.range(..drawn).next_back()).map(|(n, frame)| (*n, frame))
    }

    /// What the first `drawn` tokens look like: the decoded picture for them, and for tokens that it does not show yet
    /// what their codes look like alone. Undrawn pixels are left transparent.
    pub fn compose(&self, drawn: usize, side: usize, looks: Option<&TokenSwatches>) -> ColorImage {
        let (shown, mut image) = match self.frame_for(drawn) {
            Some((n, frame)) => (n, (**frame).clone()),
            None => (0, ColorImage::filled([side, side], Color32::TRANSPARENT)),
        };
        let width = image.size[0];
        let cell = width / self.grid.max(1);
        for position in 0..self.total() {
            let tile = match (position >= shown && position < drawn, looks) {
                (true, Some(looks)) => looks.tile(self.tokens[position].id),
                (true, None) => None,
                (false, _) if position < drawn => continue,
                (false, _) => None,
            };
            let (x0, y0) = (position % self.grid * cell, position / self.grid * cell);
            for y in 0..cell {
                for x in 0..cell {
                    let pixel = tile.as_ref().and_then(|t| t.get_pixel_checked(x as u32, y as u32));
                    image.pixels[(y0 + y) * width + x0 + x] =
                        pixel.map_or(Color32::TRANSPARENT, |p| Color32::from_rgb(p.0[0], p.0[1], p.0[2]));
                }
            }
        }
        image
    }

    /// How this finished picture differs from another one: white where they are alike, the darker the further apart. `None` while
    /// either is not finished and decoded.
    pub fn difference(&self, other: &Self) -> Option<ColorImage> {
        let whole = |picture: &Self| picture.frames.get(&picture.total()).cloned();
        let (mut image, other) = ((*whole(self)?).clone(), whole(other)?);
        for (a, b) in image.pixels.iter_mut().zip(&other.pixels) {
            let apart = |a: u8, b: u8| 255 - a.abs_diff(b);
            *a = Color32::from_rgb(apart(a.r(), b.r()), apart(a.g(), b.g()), apart(a.b(), b.b()));
        }
        Some(image)
    }

    /// The entropy of every token as a colour, one pixel a token; undrawn ones are transparent.
    pub fn heat(&self, drawn: usize, most: f32) -> ColorImage {
        let mut image = ColorImage::filled([self.grid, self.grid], Color32::TRANSPARENT);
        for token in self.tokens.iter().take(drawn) {
            if let Some(e) = token.entropy {
                let [r, g, b] = crate::render::palette::heat(e / most).0;
                image.pixels[token.position] = Color32::from_rgb(r, g, b);
            }
        }
        image
    }
}

/// Why a patch begins, in words.
pub fn why(reason: StartReason) -> &'static str {
    match reason {
        StartReason::First => "a first token",
        StartReason::Row => "a new row",
        StartReason::Entropy => "entropy above \u{03B8}",
        StartReason::Full => "the last was full",
        StartReason::Every => "every token does",
    }
}

/// An image for the screen.
pub fn to_egui(image: &RgbImage) -> ColorImage {
    let size = [image.width() as usize, image.height() as usize];
    ColorImage::from_rgb(size, image.as_raw())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::Path;

    use burn::tensor::Device;
    use pollster::block_on;

    use super::*;
    use crate::bundled::recording::Recording;
    use crate::model::Tokenizer;
    use crate::platform;

    /// Decibels between two images, of the cells of the first `drawn` tokens.
    fn psnr(a: &ColorImage, b: &ColorImage, drawn: usize, grid: usize) -> f64 {
        let cell = a.size[0] / grid;
        let drawn = |at: &usize| at / a.size[0] / cell * grid + at % a.size[0] / cell < drawn;
        let apart = |at: usize| {
            let (p, q) = (a.pixels[at].to_array(), b.pixels[at].to_array());
            p.iter().zip(q).map(|(p, q)| f64::from(p.abs_diff(q)).powi(2)).sum::<f64>() / 3.0
        };
        let errors: Vec<f64> = (0..a.pixels.len()).filter(drawn).map(apart).collect();
        20.0 * 255f64.log10() - 10.0 * (errors.iter().sum::<f64>() / errors.len() as f64).log10()
    }

    /// The built-in model's recorded picture: decoded in part, from the rows that are there, it is already what it will be.
    #[test]
    fn a_part_is_decoded_from_its_rows_and_looks_like_the_finished_picture() {
        let model = platform::embedded_model().unwrap();
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/recording");
        let read = |name: &str| std::fs::read(assets.join(name)).unwrap();
        let recording = Recording::parse(&read("recording.json"), |name| Ok(Cow::Owned(read(name)))).unwrap();
        let run = &recording.dpar.run;
        let mut picture = Picture::new(Source::Run, run.request(), &model.config);
        for token in run.tokens_detailed(picture.grid) {
            picture.push(token, 0.0);
        }
        let tokenizer = Tokenizer::load(&model, &Device::flex()).unwrap();
        let whole = to_egui(&recording.dpar.frame(256).unwrap().image);
        for (drawn, rows) in [(8, 2), (16, 2), (100, 8), (241, 16), (256, 16)] {
            let codes = picture.codes(drawn);
            assert_eq!(codes.len(), rows * 16, "{drawn} tokens");
            let image = block_on(tokenizer.decode_image(&codes, picture.grid)).unwrap();
            picture.frames.clear();
            picture.frame(drawn, &image);
            let shown = picture.compose(drawn, whole.size[0], None);
            assert_eq!(shown.size, whole.size);
            let near = psnr(&shown, &whole, drawn, picture.grid);
            assert!(near > 25.0, "{drawn} tokens: {near:.1} decibels");
            let undrawn = shown.pixels.iter().filter(|p| **p == Color32::TRANSPARENT).count();
            assert_eq!(undrawn, (256 - drawn) * (whole.size[0] / 16).pow(2));
        }
    }
}
