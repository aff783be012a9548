//! The files of `dpar generate`: the picture or the grid, overlays, animations, the trace.

use anyhow::Result;
use dpar::bundled::recording;
use dpar::render::animation::Animation;
use dpar::render::{self, OverlayInput, Provenance};
use dpar::run::trace::Trace;
use image::RgbImage;
use pollster::block_on;

use super::flags::GenerateArgs;
use super::places::Places;
use crate::cli::drawn::{Drawn, DrawnFiles};
use crate::cli::files::{OutputFiles, input_name, output_name};
use crate::cli::json::to_json;
use crate::cli::report;
use crate::cli::studio::Studio;

/// Writes everything that was asked for, together: a full disk leaves nothing behind.
///
/// # Errors
/// [`dpar::Error::Output`].
pub fn write(args: &GenerateArgs, studio: &Studio, pictures: &[Drawn], places: &Places) -> Result<DrawnFiles> {
    let mut outputs = OutputFiles::default();
    let images: Vec<RgbImage> = pictures.iter().map(|p| p.image.clone()).collect();
    let scale = args.scale.unwrap_or_else(|| enlargement(&images));
    let gap = if images.len() > 1 { 8 } else { 0 };
    let sheet = render::contact_sheet(&images, 0, scale, gap);
    let links: Vec<String> = pictures.iter().map(|picture| report::link(studio, picture)).collect();
    let says = |links: &[String]| Provenance { links: links.to_vec(), model: studio.files.hash.clone() };
    outputs.add(&places.out, render::png_with(&sheet, &says(&links))?)?;
    let mut written =
        DrawnFiles { picture: output_name(&places.out), size: sheet.dimensions(), ..DrawnFiles::default() };
    for (n, (path, picture)) in places.overlays.iter().zip(pictures).enumerate() {
        let sheet = overlay(studio, picture, kept(args, studio))?;
        outputs.add(path, render::png_with(&sheet, &says(&links[n..=n]))?)?;
        written.overlays.push(output_name(path));
    }
    for (path, picture) in places.animations.iter().zip(pictures) {
        outputs.add(path, animation(studio, picture)?)?;
        written.animations.push(output_name(path));
    }
    if let Some(path) = &places.trace {
        let run = |p: &Drawn| if args.details { p.drawing.run.clone() } else { p.drawing.run.clone().plain() };
        let runs = pictures.iter().map(run).collect();
        let trace = Trace { model: studio.files.hash.clone(), runs };
        outputs.add(path, (to_json(&trace)? + "\n").into_bytes())?;
        written.trace = Some(output_name(path));
    }
    outputs.commit()?;
    Ok(written)
}

/// One picture is written pixel by pixel. A grid is for looking at: about 256 pixels a side, in whole pixels.
fn enlargement(images: &[RgbImage]) -> u32 {
    match images {
        [first, _, ..] => (256 / first.width().max(1)).max(1),
        _ => 1,
    }
}

/// Partial pictures of an animation, at most: each is a decode.
const ANIMATION_FRAMES: usize = 32;

fn animation(studio: &Studio, picture: &Drawn) -> dpar::Result<Vec<u8>> {
    let (grid, run) = (studio.files.config.grid(), &picture.drawing.run);
    let every = run.tokens.len().div_ceil(ANIMATION_FRAMES);
    let frames = block_on(recording::frames(&studio.tokenizer, &run.tokens, grid, every))?;
    studio.check_device()?;
    let patches = (!run.baseline).then(|| picture.drawing.patches.clone());
    Animation::new(frames, patches, run.controls.rule(grid))?.finish()
}

fn overlay(studio: &Studio, picture: &Drawn, kept: Option<String>) -> dpar::Result<RgbImage> {
    let (config, run) = (&studio.files.config, &picture.drawing.run);
    let mut labels = vec![
        ("class", run.class_name.clone()),
        ("seed", run.seed.to_string()),
        ("guidance", run.controls.sampling.cfg_scale.to_string()),
    ];
    labels.extend(kept.map(|text| ("kept", text)));
    render::overlay(&OverlayInput {
        picture: &picture.image,
        entropies: &run.entropies,
        patches: &picture.drawing.patches,
        rule: &run.controls.rule(config.grid()),
        vocab: config.vocab(),
        labels: &labels,
    })
}

/// What a completion kept, for people.
pub fn kept(args: &GenerateArgs, studio: &Studio) -> Option<String> {
    let (path, rows) = (args.complete.as_ref()?, args.keep_rows?);
    Some(format!("{rows} of {} rows of {}", studio.files.config.grid(), input_name(path)))
}
