//! One small picture a class, for a picker.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::checkpoint::ModelFiles;
use crate::config::ModelConfig;
use crate::engine::Generator;
use crate::error::{Error, Result};
use crate::model::{Dpar, TokenModel, read_f32};
use crate::patching::Patches;
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

/// Chooses among pictures of a class: the parallel pass of the generator that drew them.
#[derive(Debug)]
pub struct Judge(Pass);

#[derive(Debug)]
enum Pass {
    Dpar(Box<Dpar>),
    Baseline(Box<TokenModel>),
}

impl Judge {
    /// Loads DPAR, or the baseline of a folder without DPAR.
    ///
    /// # Errors
    /// As [`Dpar::load`].
    pub fn load(files: &ModelFiles, device: &Device) -> Result<Self> {
        match (&files.config.dpar, &files.dpar, &files.config.baseline, &files.baseline) {
            (Some(config), Some(weights), _, _) => Ok(Self(Pass::Dpar(Box::new(Dpar::load(config, weights, device)?)))),
            (None, _, Some(config), Some(weights)) => {
                Ok(Self(Pass::Baseline(Box::new(TokenModel::load(config, weights, device)?))))
            }
            _ => Err(Error::Request(format!("the weights of {} are not all loaded", files.source))),
        }
    }

    /// Whose pictures it judges.
    pub fn generator(&self) -> Generator {
        if let Pass::Dpar(_) = self.0 { Generator::Dpar } else { Generator::Baseline }
    }

    /// How much better the model predicts a picture when it is told the class, in nats: log p(x | class) - log p(x). A
    /// picture of nothing may be probable, but it says nothing about its class.
    ///
    /// # Errors
    /// As [`Dpar::logits`].
    pub async fn evidence(&self, tokens: &[u32], class: usize, patches: &Patches) -> Result<f64> {
        let (with, null) = match &self.0 {
            Pass::Dpar(model) => {
                let logits = |class| model.logits(tokens, &[class], std::slice::from_ref(patches));
                (logits(class)?, logits(model.config.num_classes)?)
            }
            Pass::Baseline(model) => {
                (model.logits(tokens, &[class])?, model.logits(tokens, &[model.config.num_classes])?)
            }
        };
        Ok(log_likelihood(with, tokens).await? - log_likelihood(null, tokens).await?)
    }
}

/// log p of all tokens under logits (1, T, V).
async fn log_likelihood(logits: Tensor<3>, tokens: &[u32]) -> Result<f64> {
    let log_p = read_f32(log_softmax(logits, 2)).await?;
    let vocab = (log_p.len() / tokens.len().max(1)).max(1);
    let each = log_p.chunks_exact(vocab).zip(tokens).filter_map(|(row, id)| row.get(*id as usize));
    Ok(each.map(|p| f64::from(*p)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform;
    use image::Rgb;
    use pollster::block_on;

    #[test]
    fn pictures_say_most_about_their_own_class() {
        let files = platform::embedded_model().unwrap();
        let judge = Judge::load(&files, &Device::flex()).unwrap();
        assert_eq!(judge.generator(), Generator::Dpar);
        // A run of the reference: its class is the one that explains it, and the null class explains nothing.
        let json = include_bytes!("../tests/fixtures/pilot/runs.json");
        let runs: Vec<serde_json::Value> = serde_json::from_slice(json).unwrap();
        let run = &runs[0];
        let tokens: Vec<u32> = serde_json::from_value(run["tokens"].clone()).unwrap();
        let starts: Vec<bool> = serde_json::from_value(run["starts"].clone()).unwrap();
        let (own, patches) = (run["cls"].as_u64().unwrap() as usize, Patches::from_starts(starts, 16));
        let evidence = |class| block_on(judge.evidence(&tokens, class, &patches)).unwrap();
        assert!(evidence(own) > 0.0, "{}", evidence(own));
        assert!(evidence(58).abs() < 1e-3);
        let others = [1, 20, 33, 47].map(evidence);
        assert!(others.iter().all(|e| *e < evidence(own)), "{others:?} {}", evidence(own));
    }

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
