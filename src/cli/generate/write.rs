//! The files of `dpar generate`: the picture or the grid, overlays, animations, the trace.

use anyhow::Result;
use dpar::bundled::recording;
use dpar::render::animation::Animation;
use dpar::render::{self, OverlayInput, Provenance};
use dpar::run::link::Link;
use dpar::run::trace::Trace;
use image::RgbImage;
use pollster::block_on;

use super::flags::GenerateArgs;
use super::places::Places;
use crate::cli::drawn::{Drawn, DrawnFiles};
use crate::cli::files::{OutputFiles, input_name, output_name};
use crate::cli::json::to_json;
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
    let links: Vec<Link> = pictures.iter().map(|picture| link(args, studio, picture)).collect();
    let left_out = pictures.iter().zip(&links).map(|(picture, link)| left_out(picture, link)).max().unwrap_or_default();
    let links: Vec<String> = links.iter().map(ToString::to_string).collect();
    let says = |links: &[String]| Provenance { links: links.to_vec(), left_out, model: studio.files.hash.clone() };
    outputs.add(&places.out, render::png_with(&sheet, &says(&links))?)?;
    let (picture, size) = (output_name(&places.out), sheet.dimensions());
    let mut written = DrawnFiles { picture, size, links: links.clone(), ..DrawnFiles::default() };
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

/// What draws the picture again, here or in the app; of a completion, class and settings only, unless somebody has asked for more:
/// the tokens that it kept are that person's image.
fn link(args: &GenerateArgs, studio: &Studio, picture: &Drawn) -> Link {
    let link = Link::of_run(&picture.drawing.run, &studio.files.hash, &studio.files.config);
    if args.share_kept { link } else { link.without_given() }
}

/// How many tokens that were given to this picture its link leaves out.
fn left_out(picture: &Drawn, link: &Link) -> usize {
    if link.given.is_empty() { picture.drawing.run.request().forced.iter().flatten().count() } else { 0 }
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
