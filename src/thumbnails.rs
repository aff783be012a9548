//! One small picture a class, for a picker: what the model draws of it with its default settings and one seed for all
//! classes, so that who picks a class knows what seed 1 will draw.

use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::sheet::{Layout, Sheet};

/// Most pixels a side; larger pictures are resampled.
const MAX_SIDE: u32 = 64;
/// Pictures in a row.
const COLUMNS: u32 = 8;

/// The pictures of all C classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnails(Sheet);

impl Thumbnails {
    /// Where the pictures of a model's classes lie.
    pub fn layout(config: &ModelConfig) -> Layout {
        let side = MAX_SIDE.min(config.image_size() as u32);
        Layout { side, columns: COLUMNS, count: config.num_classes() as u32 }
    }

    /// From one picture a class, in order.
    ///
    /// # Errors
    /// [`Error::Internal`] for another number of pictures.
    pub fn of(pictures: &[RgbImage], config: &ModelConfig) -> Result<Self> {
        let layout = Self::layout(config);
        if pictures.len() != layout.count as usize {
            return Err(Error::Internal(format!("{} pictures for {} classes", pictures.len(), layout.count)));
        }
        let side = layout.side;
        let small = |p: &RgbImage| {
            if p.dimensions() == (side, side) {
                p.clone()
            } else {
                imageops::resize(p, side, side, FilterType::Lanczos3)
            }
        };
        let pictures: Vec<RgbImage> = pictures.iter().map(small).collect();
        Ok(Self(Sheet::of(&pictures, side, COLUMNS)))
    }

    /// Reads `thumbnails.png`. `file` is the name used in messages.
    ///
    /// # Errors
    /// As [`Sheet::parse`].
    pub fn parse(png: &[u8], file: &str, config: &ModelConfig) -> Result<Self> {
        Sheet::parse(png, file, Self::layout(config)).map(Self)
    }

    /// The picture of a class; `None` for a class that does not exist.
    pub fn tile(&self, class: usize) -> Option<RgbImage> {
        self.0.tile(class)
    }

    /// All pictures side by side.
    pub fn sheet(&self) -> &Sheet {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn every_class_has_its_picture() {
        let json = include_bytes!("../assets/model/config.json");
        let config = ModelConfig::parse(json, "config.json").unwrap();
        let pictures: Vec<RgbImage> = (0..58u8).map(|n| RgbImage::from_pixel(64, 64, Rgb([n, 1, 2]))).collect();
        let all = Thumbnails::of(&pictures, &config).unwrap();
        assert_eq!(all.sheet().pixels().dimensions(), (512, 512));
        let read = Thumbnails::parse(&all.sheet().png().unwrap(), "thumbnails.png", &config).unwrap();
        assert_eq!((read.tile(0).as_ref(), read.tile(57).as_ref()), (pictures.first(), pictures.last()));
        assert_eq!(read.tile(58), None);
        assert!(Thumbnails::of(&pictures[1..], &config).is_err());
        let large = vec![RgbImage::from_pixel(128, 128, Rgb([9, 9, 9])); 58];
        assert_eq!(
            Thumbnails::of(&large, &config).unwrap().tile(3).unwrap(),
            RgbImage::from_pixel(64, 64, Rgb([9; 3]))
        );
    }
}
