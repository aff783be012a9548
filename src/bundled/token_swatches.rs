//! What every code of the codebook looks like: the pictures of tokens that nobody has decoded in their place yet.
//!
//! A code has no look of its own, the decoder sees its neighbours too. Here a code stands among copies of itself, on a
//! grid of [`FIELD`] x [`FIELD`], and its look is the middle of the decoded picture: f x f pixels. (Alone on a grid of
//! 1 x 1 it decodes to noise; an average over the grid is nearer to real pictures by half a decibel, but pale.)

use image::RgbImage;
use image::imageops;

use super::sheet::{Sheet, SheetLayout};
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};
use crate::model::Tokenizer;
use crate::model::pixels::tensor_to_rgb8;

/// Side in tokens of the grid that a code is decoded on. Odd, so that it has a middle.
pub const FIELD: usize = 3;

/// Codes decoded at once: as many tokens as a few pictures have.
const BATCH: usize = 64;

/// The looks of all V codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSwatches(Sheet);

impl TokenSwatches {
    /// Where the tiles of a model's sheet lie: V tiles of f x f pixels, ceil(sqrt(V)) a row.
    pub fn layout(config: &ModelConfig) -> SheetLayout {
        SheetLayout::square(config.vq.downsampling() as u32, config.vocab() as u32)
    }

    /// Reads `looks.png`. `file` is the name used in messages.
    ///
    /// # Errors
    /// As [`Sheet::parse`].
    pub fn parse(png: &[u8], file: &str, config: &ModelConfig) -> Result<Self> {
        Sheet::parse(png, file, Self::layout(config)).map(Self)
    }

    /// Decodes every code.
    ///
    /// # Errors
    /// As [`Tokenizer::decode_image`].
    pub async fn compute(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<Self> {
        let mut looks = Compute::new(config);
        while !looks.is_done() {
            looks.step(tokenizer).await?;
        }
        looks.finish()
    }

    /// What code `id` looks like, f x f pixels; `None` for a code that does not exist.
    pub fn tile(&self, id: u32) -> Option<RgbImage> {
        self.0.tile(id as usize)
    }

    /// All looks side by side.
    pub fn sheet(&self) -> &Sheet {
        &self.0
    }
}

/// [`TokenSwatches::compute`] in steps, for an app that paints between them.
#[derive(Debug)]
pub struct Compute {
    layout: SheetLayout,
    tiles: Vec<RgbImage>,
}

impl Compute {
    /// Begins with the first code.
    pub fn new(config: &ModelConfig) -> Self {
        Self { layout: TokenSwatches::layout(config), tiles: Vec::new() }
    }

    /// Whether all codes are decoded.
    pub fn is_done(&self) -> bool {
        self.tiles.len() >= self.layout.count as usize
    }

    /// Decodes the next codes.
    ///
    /// # Errors
    /// As [`Tokenizer::decode_image`].
    pub async fn step(&mut self, tokenizer: &Tokenizer) -> Result<()> {
        let first = self.tiles.len() as u32;
        let end = self.layout.count.min(first + BATCH as u32);
        if first == end {
            return Ok(());
        }
        let codes: Vec<u32> = (first..end).flat_map(|code| [code; FIELD * FIELD]).collect();
        let side = self.layout.side;
        let at = FIELD as u32 / 2 * side;
        for rgb in tensor_to_rgb8(tokenizer.decode(&codes, [FIELD; 2])?).await? {
            let field = RgbImage::from_raw(FIELD as u32 * side, FIELD as u32 * side, rgb)
                .ok_or_else(|| Error::Internal("a decoded picture has the wrong size".into()))?;
            self.tiles.push(imageops::crop_imm(&field, at, at, side, side).to_image());
        }
        Ok(())
    }

    /// The looks so far; codes that are missing are black.
    ///
    /// # Errors
    /// [`Error::Internal`] where codes are missing.
    pub fn finish(self) -> Result<TokenSwatches> {
        if !self.is_done() {
            return Err(Error::Internal(format!(
                "only {} of {} codes are decoded",
                self.tiles.len(),
                self.layout.count
            )));
        }
        Ok(TokenSwatches(Sheet::of(&self.tiles, self.layout.side, self.layout.columns)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::Device;
    use pollster::block_on;

    use super::*;
    use crate::checkpoint::ModelFiles;

    #[test]
    fn every_code_looks_like_the_middle_of_itself() {
        let files =
            ModelFiles::load_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny"))).unwrap();
        let tokenizer = Tokenizer::load(&files, &Device::flex()).unwrap();
        let looks = block_on(TokenSwatches::compute(&tokenizer, &files.config)).unwrap();
        let side = files.config.vq.downsampling() as u32;
        for id in [0, 1, 37, 63] {
            let alone = block_on(tokenizer.decode_image(&[id; FIELD * FIELD], FIELD)).unwrap();
            let middle = imageops::crop_imm(&alone, side, side, side, side).to_image();
            assert_eq!(looks.tile(id), Some(middle), "code {id}");
        }
        assert_eq!(looks.tile(64), None);
        let png = looks.sheet().png().unwrap();
        assert_eq!(TokenSwatches::parse(&png, "looks.png", &files.config).unwrap(), looks);
        assert!(Compute::new(&files.config).finish().is_err());
    }
}
