//! What the models make of a person's own picture, and which of its tokens a completion keeps. Nothing is drawn here.
//!
//! ```text
//! file --read_picture--> picture --square--> pixels --Analyzer--> tokens, reconstruction, entropies --PatchRule--> patches
//!                                                        tokens --keep--> Request::forced --Session--> the rest
//! ```

pub mod evaluation;
mod picture;

use std::ops::Range;

use burn::tensor::Device;
use image::RgbImage;

use crate::checkpoint::ModelFiles;
use crate::error::{Error, Result};
use crate::model::pixels::rgb_to_tensor;
use crate::model::{TokenModel, Tokenizer, entropies, read_f32};
pub use picture::{Crop, MAX_BYTES, PictureRead, read_picture, square};

/// What picture files that are read are called, in lower case (`jfif` is what browsers make of a JPEG): for dialogs and
/// folders. What is in a file is known from its content.
pub const PICTURE_ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "jfif", "webp", "gif", "bmp"];

/// A picture as the models see it.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// x_i, in raster order. (T)
    pub codes: Vec<u32>,
    /// What the tokenizer gives back.
    pub reconstruction: RgbImage,
    /// e_i in nats: the entropy model's uncertainty about x_i given the tokens before it. (T)
    pub entropies: Vec<f32>,
    /// Peak signal-to-noise ratio of the reconstruction; `None` where it is perfect.
    pub psnr_db: Option<f64>,
    /// Mean absolute error of the reconstruction, in levels of 0..255.
    pub mean_abs_error: f64,
}

/// Tokenizer and entropy model on a device.
#[derive(Clone, Debug)]
pub struct Analyzer {
    tokenizer: Tokenizer,
    entropy: TokenModel,
    /// The entropy model's weights, for messages.
    source: String,
    device: Device,
    grid: usize,
    side: usize,
}

impl Analyzer {
    /// Uploads the entropy model to `device`, where `tokenizer` must be already (a clone shares its weights).
    ///
    /// # Errors
    /// [`Error::Request`] where the model folder has no entropy model; else as [`TokenModel::load`].
    pub fn new(files: &ModelFiles, tokenizer: Tokenizer, device: &Device) -> Result<Self> {
        let (Some(config), Some(checkpoint)) = (&files.config.entropy, &files.entropy) else {
            let source = &files.source;
            return Err(Error::Request(format!("{source} has no `entropy` model: choose another --model")));
        };
        Ok(Self {
            tokenizer,
            entropy: TokenModel::load(config, checkpoint, device)?,
            source: checkpoint.file().to_owned(),
            device: device.clone(),
            grid: files.config.grid(),
            side: files.config.image_size(),
        })
    }

    /// Pixels a side that [`Analyzer::analyse`] reads.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Tokens, reconstruction and entropies of a picture of [`Analyzer::side`] x `side` pixels.
    ///
    /// # Errors
    /// [`Error::Request`] for a picture of another size, [`Error::Checkpoint`] for damaged weights,
    /// [`Error::DeviceLost`].
    pub async fn analyse(&self, picture: &RgbImage) -> Result<Analysis> {
        let ((width, height), side) = (picture.dimensions(), self.side);
        if (width as usize, height as usize) != (side, side) {
            return Err(Error::Request(format!(
                "a picture of {width} x {height} pixels: this model reads {side} x {side}, cut and resize it first"
            )));
        }
        let codes = encode(&self.tokenizer, picture, &self.device).await?;
        let reconstruction = self.tokenizer.decode_image(&codes, self.grid).await?;
        let entropies = self.entropies(&codes).await?;
        let (mean_abs_error, psnr_db) = reconstruction_error(picture, &reconstruction);
        Ok(Analysis { codes, reconstruction, entropies, psnr_db, mean_abs_error })
    }

    /// Entropy of every token under the entropy model, which reads them all in one parallel pass. (T) -> (T) nats.
    ///
    /// # Errors
    /// As [`TokenModel::logits`] and [`read_f32`]; [`Error::Checkpoint`] for damaged weights.
    pub async fn entropies(&self, codes: &[u32]) -> Result<Vec<f32>> {
        // Unconditional: its class is always the null class.
        let logits = self.entropy.logits(codes, &[self.entropy.config.num_classes.into()])?;
        let entropies = read_f32(entropies(logits)).await?;
        if let Some(at) = entropies.iter().position(|e| !e.is_finite()) {
            let problem = format!("its numbers overflow at token {at}: the weights are damaged");
            return Err(Error::Checkpoint { file: self.source.clone(), problem });
        }
        Ok(entropies)
    }
}

/// A picture's tokens, in raster order. (H, W) -> (T); `device` is the tokenizer's.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub async fn encode(tokenizer: &Tokenizer, picture: &RgbImage, device: &Device) -> Result<Vec<u32>> {
    let (width, height) = picture.dimensions();
    tokenizer.encode(rgb_to_tensor(picture.as_raw(), height as usize, width as usize, device)?).await
}

/// Mean absolute error in levels, and PSNR in dB (`None` for two equal pictures).
fn reconstruction_error(a: &RgbImage, b: &RgbImage) -> (f64, Option<f64>) {
    let differences = || a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    let count = a.as_raw().len().max(1) as f64;
    let mean = differences().sum::<f64>() / count;
    let squared = differences().map(|d| d * d).sum::<f64>() / count;
    (mean, (squared > 0.0).then(|| 10.0 * (255.0 * 255.0 / squared).log10()))
}

/// A rectangle of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its rows of the grid.
    pub rows: Range<usize>,
    /// Its columns of the grid.
    pub columns: Range<usize>,
}

impl Region {
    /// The first `count` rows of a grid `grid` wide.
    pub fn first_rows(count: usize, grid: usize) -> Self {
        Self { rows: 0..count, columns: 0..grid }
    }

    /// Whether token `i` of a grid `grid` wide lies in it.
    pub fn holds(&self, i: usize, grid: usize) -> bool {
        let grid = grid.max(1);
        self.rows.contains(&(i / grid)) && self.columns.contains(&(i % grid))
    }
}

/// The tokens of `codes` (T, raster order) that a completion is given: those in `region` stay as they are, the others are
/// drawn. For [`crate::run::request::Request::forced`]; ends with the last token that is kept.
///
/// Tokens are drawn in raster order and each sees the ones before it only. What is kept therefore shapes what follows
/// it (to its right, and below), and not what comes before: a rectangle that does not begin at the first row, or at the
/// left edge, may show a seam there. Keeping whole rows from the top shows none.
pub fn keep(codes: &[u32], grid: usize, region: &Region) -> Vec<Option<u32>> {
    let given = |(i, code): (usize, &u32)| region.holds(i, grid).then_some(*code);
    let mut forced: Vec<Option<u32>> = codes.iter().enumerate().map(given).collect();
    forced.truncate(forced.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
    forced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_tokens_are_those_of_the_rectangle() {
        let codes: Vec<u32> = (100..116).collect();
        let some = |from: u32, to: u32| (from..to).map(Some).collect::<Vec<_>>();
        assert_eq!(keep(&codes, 4, &Region::first_rows(2, 4)), some(100, 108));
        assert_eq!(keep(&codes, 4, &Region::first_rows(9, 4)), some(100, 116));
        let middle = keep(&codes, 4, &Region { rows: 1..3, columns: 2..3 });
        assert_eq!(middle, [&[None; 6][..], &[Some(106), None, None, None, Some(110)]].concat());
        for nothing in [Region::first_rows(0, 4), Region { rows: 7..9, columns: 0..4 }] {
            assert!(keep(&codes, 4, &nothing).is_empty());
        }
        assert!(keep(&[], 0, &Region::first_rows(1, 1)).is_empty());
    }

    #[test]
    fn errors_are_in_levels_and_decibels() {
        let grey = |level: u8| RgbImage::from_pixel(2, 2, image::Rgb([level; 3]));
        assert_eq!(reconstruction_error(&grey(7), &grey(7)), (0.0, None));
        let (mean, psnr) = reconstruction_error(&grey(0), &grey(255));
        assert!(mean == 255.0 && psnr.unwrap().abs() < 1e-9);
    }
}
