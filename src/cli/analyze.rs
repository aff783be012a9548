//! `dpar analyze`: what the models make of one of your own pictures. Nothing is drawn.

mod found;
mod several;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use dpar::Error;
use dpar::checkpoint::ModelFiles;
use dpar::controls::Controls;
use dpar::render::Provenance;

use super::args::{PatchArgs, PlaceArgs};
use super::files::{
    OutputFiles, beside, check_json, check_outputs, check_png, free_name, input_name, is_picture_name, is_stdin,
    is_stdout, output_name,
};
use super::json::to_json;
use super::output::{Card, print, say};
use super::studio::{Studio, load_model, open_backend, tokenizer_place};
use super::{picture, report};
use found::{Examined, Examiner};
use several::OverlayPlaces;

/// Stands for the file name that is made from the picture's.
const BESIDE_IMAGE: &str = "<IMAGE>";

const EXAMPLES: &str = "\
Examples:
  dpar analyze photo.jpg --overlay
  dpar analyze photo.jpg --threshold 4 --overlay patches.png --out tokens.json
  dpar analyze *.jpg --out overlays > patches.csv
  dpar analyze photos --json";

/// Which pictures, and how their patches are cut.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AnalyzeArgs {
    /// Picture (PNG, JPEG, WebP, GIF or BMP, at most 16384 pixels a side and 100 megapixels, a JPEG 400; - is standard input);
    /// its middle square is used. Of several, or of a folder, every picture gets a row of CSV
    #[arg(required_unless_present = "overlay", value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    patching: PatchArgs,
    /// Write the picture as the tokenizer gives it back, with its patches and entropies (PNG; - is standard output; without
    /// FILE: IMAGE-overlay.png, beside each picture where there are several)
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_IMAGE)]
    overlay: Option<PathBuf>,
    /// Write tokens, entropies and patches (JSON; - is standard output); of several pictures: the folder of their overlays
    #[arg(short, long, help_heading = "Output", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the JSON instead of the summary; of several pictures a line of JSON each instead of CSV
    #[arg(long, help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Analyses and reports.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn run(args: &AnalyzeArgs) -> Result<()> {
    args.overlay.as_deref().map_or(Ok(()), |file| check_overlay(file, &args.images))?;
    if several_are_meant(args) { many(args) } else { one(args) }
}

/// `--overlay photo.png` takes the picture for the file that it writes.
fn check_overlay(file: &Path, images: &[PathBuf]) -> Result<()> {
    let precious = || fs::read(file).is_ok_and(|there| !there.is_empty() && !Provenance::is_ours(&there));
    let named = file.as_os_str() != BESIDE_IMAGE;
    if images.is_empty() || (named && is_picture_name(file) && precious()) {
        let name = if named { file.display().to_string() } else { "photo.png".to_owned() };
        let what = if images.is_empty() { "no picture is named" } else { "that picture is not one of dpar's" };
        bail!(Error::Request(format!(
            "--overlay takes the name that follows it for the file to write, and {what}: `dpar analyze {name} --overlay` \
             looks at it, --overlay with another name writes there"
        )));
    }
    Ok(())
}

/// Whether rows are wanted: also of a pattern that happens to fit one picture, where --out is a folder.
fn several_are_meant(args: &AnalyzeArgs) -> bool {
    let folder = |path: &Path| path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/');
    args.images.len() > 1 || args.images.iter().any(|path| path.is_dir()) || args.out.as_deref().is_some_and(folder)
}

fn many(args: &AnalyzeArgs) -> Result<()> {
    let pictures = several::pictures(&args.images);
    if let [Err(_)] = pictures[..] {
        pictures.into_iter().collect::<dpar::Result<Vec<_>>>()?;
        return Ok(());
    }
    let overlays = match (&args.overlay, &args.out) {
        (Some(file), _) if file.as_os_str() != BESIDE_IMAGE => {
            let file = file.display();
            bail!(Error::Request(format!(
                "--overlay {file} is one file for several pictures: name a folder with --out"
            )));
        }
        (_, Some(folder)) if is_stdout(folder) || is_file_name(folder) => {
            let file = folder.display();
            bail!(Error::Request(format!(
                "--out {file} is one file for several pictures: name a folder, which gets their overlays, and send the \
                 rows from standard output to a file"
            )));
        }
        (_, Some(folder)) if folder.exists() && !folder.is_dir() => {
            let problem = "it is a file, the overlays of several pictures need a folder".to_owned();
            bail!(Error::Output { file: folder.display().to_string(), problem });
        }
        (_, Some(folder)) => OverlayPlaces::Folder(folder.clone()),
        (Some(_), None) => OverlayPlaces::Beside,
        (None, None) => OverlayPlaces::None,
    };
    let (files, controls) = model(args)?;
    let examiner = Examiner::new(Studio::new(files, open_backend(&args.place)?)?, controls)?;
    several::run(&examiner, pictures, &overlays, args.json)
}

/// Whether a path that is not there is called as files are.
fn is_file_name(path: &Path) -> bool {
    let data = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json") || e.eq_ignore_ascii_case("csv"));
    (data || is_picture_name(path)) && !path.is_dir()
}

fn model(args: &AnalyzeArgs) -> Result<(ModelFiles, Controls)> {
    let files = load_model(&args.place)?;
    let mut controls = files.config.controls();
    args.patching.0.apply(&mut controls);
    controls.check()?;
    Ok((files, controls))
}

fn one(args: &AnalyzeArgs) -> Result<()> {
    let [image] = &args.images[..] else { bail!(Error::Internal("one picture was expected".into())) };
    let overlay = args.overlay.as_deref().map(|path| named(path, image));
    overlay.as_deref().map_or(Ok(()), check_png)?;
    if let Some(path) = &args.out {
        let file = path.display();
        check_json(
            path,
            &format!("the picture with its patches is --overlay {file}; choose a name that ends in .json"),
        )?;
    }
    let outputs: Vec<&Path> = overlay.iter().chain(&args.out).map(PathBuf::as_path).collect();
    check_outputs(&outputs, Some(image), args.json)?;
    let (files, controls) = model(args)?;
    let square = picture::read_square(image, files.config.image_size())?;
    let examiner = Examiner::new(Studio::new(files, open_backend(&args.place)?)?, controls)?;
    let found = examiner.analyse(input_name(image), &square)?;

    let mut files = OutputFiles::default();
    if let Some(path) = &overlay {
        files.add(path, examiner.overlay(&found)?)?;
    }
    if let Some(path) = &args.out {
        files.add(path, (to_json(&found.report)? + "\n").into_bytes())?;
    }
    files.commit()?;
    if args.json {
        return Ok(print(&to_json(&found.report)?)?);
    }
    Ok(say(&summary(&examiner, &found, overlay.as_deref(), args.out.as_deref()))?)
}

/// The overlay's name: after the picture's where it has none.
fn named(overlay: &Path, image: &Path) -> PathBuf {
    if overlay.as_os_str() != BESIDE_IMAGE {
        return overlay.to_owned();
    }
    let image = if is_stdin(image) { Path::new("picture") } else { image };
    free_name(&beside(image, "-overlay.png"), |name| vec![name.to_owned()])
}

fn summary(examiner: &Examiner, found: &Examined, overlay: Option<&Path>, out: Option<&Path>) -> String {
    let Examiner { studio, controls, .. } = examiner;
    let (config, found) = (&studio.files.config, &found.report);
    let mut card = Card::default();
    let (side, grid) = (config.image_size(), config.grid());
    card.row("picture", format!("{}, its middle square at {side} x {side} pixels", found.image));
    let error = found.mean_abs_error;
    card.row("reconstruction", format!("{}, {error:.1} of 255 levels off on average", found.quality()));
    card.row("patching", report::patching(controls));
    card.row("tokens", format!("{} ({grid} x {grid})", found.tokens.len()));
    card.row("patches", format!("{}, {:.2} tokens each on average", found.patches, found.average_patch_length));
    let most = (config.vocab() as f64).ln();
    card.row("entropy", format!("{:.2} nats on average, at most {most:.2} are possible", found.mean_entropy));
    card.row("models run on", tokenizer_place(&studio.backend));
    card.row("model", format!("{} ({})", studio.files.source, studio.files.hash));
    if let Some(path) = overlay {
        card.row("wrote", format!("{} (reconstruction with patches and entropies)", output_name(path)));
    }
    if let Some(path) = out {
        card.row("wrote", format!("{} (JSON)", output_name(path)));
    }
    card.text()
}
