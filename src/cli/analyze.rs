//! `dpar analyze`: what the models make of one of your own pictures. Nothing is drawn.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use dpar::analysis::{self, Analyzer};
use dpar::controls::Controls;
use dpar::patching::{PatchRule, Patches};
use dpar::platform;
use dpar::render::{self, OverlayInput};
use image::RgbImage;
use pollster::block_on;
use serde::Serialize;

use super::args::{PatchArgs, PlaceArgs};
use super::json::to_json;
use super::output::{Card, check_outputs, check_png, say};
use super::studio::{Studio, load_model, open_backend, tokenizer_place};
use super::{picture, report};

/// Which picture, and how its patches are cut.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// Picture (PNG, JPEG, WebP, GIF or BMP; at most 16384 pixels a side and 100 megapixels, a JPEG 400); its middle
    /// square is used
    image: PathBuf,
    #[command(flatten)]
    patching: PatchArgs,
    /// Write the picture as the tokenizer gives it back, with its patches and entropies (PNG)
    #[arg(long, help_heading = "Output", value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Write tokens, entropies and patches (JSON)
    #[arg(long, help_heading = "Output", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the JSON instead of the summary
    #[arg(long, help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What is found out about a picture.
#[derive(Debug, Serialize)]
struct AnalysisReport {
    image: String,
    model_hash: String,
    adapter: String,
    rule: PatchRule,
    /// x_i. (T)
    tokens: Vec<u32>,
    /// e_i in nats. (T)
    entropies: Vec<f32>,
    /// Whether token i starts a patch. (T)
    starts: Vec<bool>,
    /// Tokens of every patch. (M)
    lengths: Vec<usize>,
    patches: usize,
    average_patch_length: f32,
    mean_entropy: f64,
    /// Of the reconstruction; null where it is perfect.
    psnr_db: Option<f64>,
    /// Of the reconstruction, in levels of 0..255.
    mean_abs_error: f64,
}

/// Analyses and reports.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn run(args: &AnalyzeArgs) -> Result<()> {
    args.overlay.as_deref().map_or(Ok(()), check_png)?;
    let outputs: Vec<_> = args.overlay.iter().chain(&args.out).map(PathBuf::as_path).collect();
    check_outputs(&outputs, Some(&args.image))?;
    let files = load_model(args.place.model.as_deref())?;
    let mut controls = files.config.controls();
    args.patching.0.apply(&mut controls);
    controls.check()?;
    let image = picture::read_square(&args.image, files.config.image_size())?;
    let studio = Studio::new(files, open_backend(&args.place)?)?;

    let device = studio.backend.tensor_device()?;
    let found = block_on(Analyzer::new(&studio.files, studio.tokenizer.clone(), &device)?.analyse(&image));
    studio.check_device()?;
    let found = found?;
    let rule = controls.rule(studio.files.config.grid());
    let patches = rule.patches(&found.entropies);
    let analysis = report_of(args, &studio, (rule, &patches), &found);

    if let Some(path) = &args.overlay {
        platform::write_atomic(
            path,
            &render::png_bytes(&overlay(&studio, &analysis, &patches, &found.reconstruction)?)?,
        )?;
    }
    if let Some(path) = &args.out {
        platform::write_atomic(path, (to_json(&analysis)? + "\n").as_bytes())?;
    }
    say(&if args.json { to_json(&analysis)? } else { summary(args, &studio, &analysis, &controls) })?;
    Ok(())
}

fn report_of(
    args: &AnalyzeArgs,
    studio: &Studio,
    (rule, patches): (PatchRule, &Patches),
    found: &analysis::Analysis,
) -> AnalysisReport {
    let entropies = &found.entropies;
    let sum: f64 = entropies.iter().copied().map(f64::from).sum();
    AnalysisReport {
        image: args.image.display().to_string(),
        model_hash: studio.files.hash.clone(),
        adapter: studio.backend.name(),
        rule,
        starts: patches.starts().to_vec(),
        lengths: patches.list().iter().map(|p| p.len).collect(),
        patches: patches.count(),
        average_patch_length: patches.average_length(),
        mean_entropy: sum / entropies.len().max(1) as f64,
        psnr_db: found.psnr_db,
        mean_abs_error: found.mean_abs_error,
        tokens: found.codes.clone(),
        entropies: entropies.clone(),
    }
}

fn overlay(studio: &Studio, found: &AnalysisReport, patches: &Patches, decoded: &RgbImage) -> dpar::Result<RgbImage> {
    let labels = [("picture", found.image.clone()), ("reconstruction", quality(found))];
    render::overlay(&OverlayInput {
        picture: decoded,
        entropies: &found.entropies,
        patches,
        rule: &found.rule,
        vocab: studio.files.config.vocab(),
        labels: &labels,
    })
}

fn quality(found: &AnalysisReport) -> String {
    found.psnr_db.map_or_else(|| "perfect".to_owned(), |db| format!("PSNR {db:.1} dB"))
}

fn summary(args: &AnalyzeArgs, studio: &Studio, found: &AnalysisReport, controls: &Controls) -> String {
    let config = &studio.files.config;
    let mut card = Card::default();
    let (side, grid) = (config.image_size(), config.grid());
    card.row("picture", format!("{}, its middle square at {side} x {side} pixels", found.image));
    let error = found.mean_abs_error;
    card.row("reconstruction", format!("{}, {error:.1} of 255 levels off on average", quality(found)));
    card.row("patching", report::patching(controls));
    card.row("tokens", format!("{} ({grid} x {grid})", found.tokens.len()));
    card.row("patches", format!("{}, {:.2} tokens each on average", found.patches, found.average_patch_length));
    let most = (config.vocab() as f64).ln();
    card.row("entropy", format!("{:.2} nats on average, at most {most:.2} are possible", found.mean_entropy));
    card.row("models run on", tokenizer_place(&studio.backend));
    card.row("model", format!("{} ({})", studio.files.source, studio.files.hash));
    if let Some(path) = &args.overlay {
        card.row("wrote", format!("{} (reconstruction with patches and entropies)", path.display()));
    }
    if let Some(path) = &args.out {
        card.row("wrote", format!("{} (JSON)", path.display()));
    }
    card.text()
}
