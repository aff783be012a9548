//! A run as an animated GIF: the picture as it forms, with its patches, at last without them.
//!
//! [`Animation`] encodes one frame a call, so that an app can paint between them. One palette serves all frames, and a
//! frame holds only what changed since the one before; both make the file several times smaller.

mod palette;

use std::borrow::Cow;

use gif::{DisposalMethod, Encoder, Frame, Repeat};
use image::RgbImage;

use super::frame::{FrameInput, frame};
use crate::error::{Error, Result};
use crate::patching::{PatchRule, Patches};
use crate::run::Preview;
use palette::{Palette, TRANSPARENT};

/// An animation is at most so many pixels wide (a cell of one pixel a token allowing).
pub const MAX_SIDE: u32 = 480;
/// Frames of the growing picture, at most.
const MAX_FRAMES: usize = 64;
/// How long a frame stays, in hundredths of a second.
const DELAY: u16 = 8;
/// How long the whole picture with its patches stays.
const PATCHES_DELAY: u16 = 120;
/// How long the picture alone stays.
const LAST_DELAY: u16 = 200;

/// An animation on its way.
pub struct Animation {
    frames: Vec<Preview>,
    patches: Option<Patches>,
    rule: PatchRule,
    cell: u32,
    moments: Vec<Moment>,
    next: usize,
    palette: Palette,
    /// What is on the screen, as palette entries.
    screen: Vec<u8>,
    encoder: Encoder<Vec<u8>>,
}

impl std::fmt::Debug for Animation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Animation({} of {} frames)", self.next, self.moments.len())
    }
}

/// What a frame shows, and how long.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    drawn: usize,
    grid: bool,
    delay: u16,
}

/// The moments of a run of `tokens` tokens.
fn moments(tokens: usize, patches: bool) -> Vec<Moment> {
    let count = tokens.min(MAX_FRAMES);
    let moment = |n: usize| Moment { drawn: (n * tokens).div_ceil(count), grid: patches, delay: DELAY };
    let mut moments: Vec<Moment> = (1..count).map(moment).collect();
    if patches {
        moments.push(Moment { drawn: tokens, grid: true, delay: PATCHES_DELAY });
    }
    moments.push(Moment { drawn: tokens, grid: false, delay: LAST_DELAY });
    moments
}

impl Animation {
    /// Prepares the animation of a run: its partial pictures in order, the last one of all tokens that are drawn (see
    /// [`crate::bundled::recording::frames`]; a session's previews do as well), and its patches, or `None` for the baseline.
    ///
    /// # Errors
    /// [`Error::Request`] where there is no picture; else as [`frame`].
    pub fn new(frames: Vec<Preview>, patches: Option<Patches>, rule: PatchRule) -> Result<Self> {
        let tokens = frames.last().map_or(0, |f| f.tokens);
        if tokens == 0 {
            return Err(Error::Request("nothing is drawn yet: there is nothing to animate".into()));
        }
        let cell = cell(rule.grid, frames.last().map_or(0, |f| f.image.width()));
        let moments = moments(tokens, patches.is_some());
        let side = u16::try_from(rule.grid * cell).unwrap_or(u16::MAX);
        let mut animation = Self {
            frames,
            patches,
            rule,
            cell,
            next: 0,
            palette: Palette::default(),
            screen: Vec::new(),
            encoder: Encoder::new(Vec::new(), side, side, &[]).map_err(failed)?,
            moments,
        };
        // The colours of the beginning, the middle and the end stand for all.
        let last = animation.moments.len() - 1;
        let samples: Result<Vec<RgbImage>> =
            [0, last / 2, last.saturating_sub(1), last].into_iter().map(|n| animation.image(n)).collect();
        animation.palette = Palette::of(&samples?);
        animation.encoder = Encoder::new(Vec::new(), side, side, &animation.palette.rgb()).map_err(failed)?;
        animation.encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
        Ok(animation)
    }

    /// Encodes the next frame; false where none was left.
    ///
    /// # Errors
    /// As [`frame`].
    pub fn step(&mut self) -> Result<bool> {
        let Some(moment) = self.moments.get(self.next) else { return Ok(false) };
        let delay = moment.delay;
        let image = self.image(self.next)?;
        let mut indices: Vec<u8> = Vec::with_capacity(image.pixels().len());
        let mut before = None;
        for pixel in image.pixels() {
            // Most pixels are like their neighbour: they need not be looked up.
            let index = match (before, indices.last()) {
                (Some(colour), Some(index)) if colour == pixel.0 => *index,
                _ => self.palette.index(pixel.0),
            };
            before = Some(pixel.0);
            indices.push(index);
        }
        let changed = changed(&self.screen, &indices, image.width() as usize);
        let frame = Frame {
            delay,
            dispose: DisposalMethod::Keep,
            transparent: Some(TRANSPARENT),
            left: changed.left as u16,
            top: changed.top as u16,
            width: changed.width as u16,
            height: changed.height as u16,
            buffer: Cow::Owned(changed.pixels),
            ..Frame::default()
        };
        self.encoder.write_frame(&frame).map_err(failed)?;
        self.screen = indices;
        self.next += 1;
        Ok(true)
    }

    /// The file; frames that are left are encoded first.
    ///
    /// # Errors
    /// As [`Animation::step`].
    pub fn finish(mut self) -> Result<Vec<u8>> {
        while self.step()? {}
        self.encoder.into_inner().map_err(failed)
    }

    fn image(&self, n: usize) -> Result<RgbImage> {
        let Some(moment) = self.moments.get(n) else {
            return Err(Error::Internal("an animation has no such frame".into()));
        };
        let picture = self.frames.iter().find(|f| f.tokens >= moment.drawn).or(self.frames.last());
        let picture = picture.ok_or_else(|| Error::Internal("an animation without pictures".into()))?;
        let patches = self.patches.as_ref().filter(|_| moment.grid);
        frame(&FrameInput { picture: &picture.image, patches, rule: &self.rule, drawn: moment.drawn }, self.cell)
    }
}

/// Pixels of a cell's side: a whole multiple of a token's own where that fits.
fn cell(grid: u32, width: u32) -> u32 {
    let most = (MAX_SIDE / grid.max(1)).clamp(1, 64);
    let own = (width / grid.max(1)).max(1);
    if own <= most { most / own * own } else { most }
}

/// The part of a frame that differs from the screen; what does not is transparent.
#[derive(Debug, PartialEq)]
struct Changed {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

fn changed(screen: &[u8], frame: &[u8], width: usize) -> Changed {
    let differs = |at: usize| screen.get(at) != frame.get(at);
    let columns = (0..frame.len()).filter(|at| differs(*at)).map(|at| at % width);
    let rows: Vec<usize> = (0..frame.len()).filter(|at| differs(*at)).map(|at| at / width).collect();
    let (Some(left), Some(right)) = (columns.clone().min(), columns.max()) else {
        // A frame needs a pixel to hold its delay.
        return Changed { left: 0, top: 0, width: 1, height: 1, pixels: vec![TRANSPARENT] };
    };
    let (top, bottom) = (rows.first().copied().unwrap_or(0), rows.last().copied().unwrap_or(0));
    let pixel = |at: usize| if differs(at) { frame[at] } else { TRANSPARENT };
    let pixels = (top..=bottom).flat_map(|y| (left..=right).map(move |x| y * width + x)).map(pixel).collect();
    Changed { left, top, width: right - left + 1, height: bottom - top + 1, pixels }
}

fn failed(e: gif::EncodingError) -> Error {
    Error::Internal(format!("an animation cannot be encoded ({e})"))
}

#[cfg(test)]
mod tests;
