//! What is found out about one picture.

use std::path::Path;

use dpar::Result;
use dpar::analysis::Analyzer;
use dpar::controls::Controls;
use dpar::patching::{PatchRule, Patches};
use dpar::render::{self, OverlayInput, Provenance};
use image::RgbImage;
use pollster::block_on;
use serde::Serialize;

use crate::cli::files::input_name;
use crate::cli::picture;
use crate::cli::studio::Studio;

/// The models, and the patch rule.
pub struct Examiner {
    /// The models on a device.
    pub studio: Studio,
    /// How patches are cut.
    pub controls: Controls,
    analyzer: Analyzer,
}

/// What the models make of a picture.
pub struct Examined {
    /// All numbers.
    pub report: AnalysisReport,
    patches: Patches,
    reconstruction: RgbImage,
}

/// What is found out about a picture.
#[derive(Debug, Serialize)]
pub struct AnalysisReport {
    /// Its name.
    pub image: String,
    model_hash: String,
    adapter: String,
    rule: PatchRule,
    /// x_i. (T)
    pub tokens: Vec<u32>,
    /// e_i in nats. (T)
    entropies: Vec<f32>,
    /// Whether token i starts a patch. (T)
    starts: Vec<bool>,
    /// Tokens of every patch. (M)
    lengths: Vec<usize>,
    /// M.
    pub patches: usize,
    /// T / M.
    pub average_patch_length: f32,
    /// Nats.
    pub mean_entropy: f64,
    /// Of the reconstruction; null where it is perfect.
    pub psnr_db: Option<f64>,
    /// Of the reconstruction, in levels of 0..255.
    pub mean_abs_error: f64,
}

impl AnalysisReport {
    /// How good the reconstruction is, in words.
    pub fn quality(&self) -> String {
        self.psnr_db.map_or_else(|| "perfect".to_owned(), |db| format!("PSNR {db:.1} dB"))
    }
}

impl Examiner {
    /// Puts the entropy model on the device of `studio`.
    ///
    /// # Errors
    /// As [`Analyzer::new`].
    pub fn new(studio: Studio, controls: Controls) -> Result<Self> {
        let device = studio.backend.tensor_device()?;
        let analyzer = Analyzer::new(&studio.files, studio.tokenizer.clone(), &device)?;
        Ok(Self { studio, controls, analyzer })
    }

    /// Reads a picture and looks at it.
    ///
    /// # Errors
    /// [`dpar::Error::Image`], or what a device says.
    pub fn look_at(&self, path: &Path) -> Result<Examined> {
        let image = picture::read_square(path, self.studio.files.config.image_size())?;
        self.analyse(input_name(path), &image)
    }

    /// Looks at a picture that was read.
    ///
    /// # Errors
    /// As [`Analyzer::analyse`].
    pub fn analyse(&self, name: String, image: &RgbImage) -> Result<Examined> {
        let Self { studio, controls, analyzer } = self;
        let found = block_on(analyzer.analyse(image));
        studio.check_device()?;
        let found = found?;
        let rule = controls.rule(studio.files.config.grid());
        let patches = rule.patches(&found.entropies);
        let sum: f64 = found.entropies.iter().copied().map(f64::from).sum();
        let report = AnalysisReport {
            image: name,
            model_hash: studio.files.hash.clone(),
            adapter: studio.backend.name(),
            rule,
            starts: patches.starts().to_vec(),
            lengths: patches.list().iter().map(|p| p.len).collect(),
            patches: patches.count(),
            average_patch_length: patches.average_length(),
            mean_entropy: sum / found.entropies.len().max(1) as f64,
            psnr_db: found.psnr_db,
            mean_abs_error: found.mean_abs_error,
            tokens: found.codes,
            entropies: found.entropies,
        };
        Ok(Examined { report, patches, reconstruction: found.reconstruction })
    }

    /// The picture as the tokenizer gives it back, with its patches and entropies (PNG that says where it was made).
    ///
    /// # Errors
    /// As [`render::overlay`] and [`render::png_with`].
    pub fn overlay(&self, found: &Examined) -> Result<Vec<u8>> {
        let report = &found.report;
        let labels = [("picture", report.image.clone()), ("reconstruction", report.quality())];
        let sheet = render::overlay(&OverlayInput {
            picture: &found.reconstruction,
            entropies: &report.entropies,
            patches: &found.patches,
            rule: &report.rule,
            vocab: self.studio.files.config.vocab(),
            labels: &labels,
        })?;
        render::png_with(&sheet, &Provenance::without_link(&report.model_hash))
    }
}
