//! `dpar generate`: pictures of a class, or the rest of one of your own.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use dpar::analysis::{self, Region};
use dpar::bundled::recording;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::checkpoint::config::ModelConfig;
use dpar::mix::Mix;
use dpar::render::animation::Animation;
use dpar::render::{self, OverlayInput};
use dpar::run::link::Link;
use dpar::run::prompt;
use dpar::run::request::Request;
use dpar::run::trace::Trace;
use dpar::{Error, platform};
use image::RgbImage;
use pollster::block_on;

use super::args::{Device, PatchArgs, PlaceArgs, SamplingArgs};
use super::drawn::{Drawn, DrawnFiles};
use super::json::to_json;
use super::output::{check_gif, check_outputs, check_png, note, numbered, say};
use super::studio::{Studio, load_model, open_backend, progress};
use super::{picture, report};

/// Stands for the file name that is made from --out's.
const BESIDE_OUT: &str = "<OUT>";

const EXAMPLES: &str = "\
Examples:
  dpar generate --class \"red apple\"
  dpar generate --class hamburger --count 16 --out burgers.png
  dpar generate --class \"red heart + cat face\" --count 4
  dpar generate --class automobile --threshold 5.3 --overlay";

/// What to draw, how, and where to.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GenerateArgs {
    /// What to draw: a name or its number (`dpar info` lists them), an emoji, or several mixed, like "owl + panda" or
    /// "0.7 sailboat + 0.3 rocket" [default: what the model draws best]
    #[arg(long, value_name = "THING", allow_hyphen_values = true)]
    class: Option<String>,
    /// Seed of the first picture: the same seed draws the same picture
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    seed: u32,
    /// How many pictures, with the seeds that follow; more than one make a grid
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    count: u32,
    /// Draw what a share link asks for: a whole address, or its part from # on
    #[arg(long, value_name = "URL", conflicts_with_all = ["class", "seed", "baseline", "complete",
          "PatchArgs", "SamplingArgs"])]
    link: Option<String>,
    /// Draw with the fixed-length baseline (one step per token, no patches) instead of DPAR
    #[arg(long, conflicts_with = "PatchArgs")]
    baseline: bool,
    /// Keep the first rows of this picture (PNG, JPEG, WebP, GIF or BMP; at most 16384 pixels a side and 100 megapixels,
    /// a JPEG 400) and draw the rest
    #[arg(long, value_name = "IMAGE", requires = "keep_rows")]
    complete: Option<PathBuf>,
    /// How many rows of tokens --complete keeps
    #[arg(long, value_name = "N", requires = "complete", allow_negative_numbers = true)]
    keep_rows: Option<usize>,
    #[command(flatten)]
    patching: PatchArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Where the picture goes, or the grid of several (PNG)
    #[arg(long, help_heading = "Output", value_name = "FILE", default_value = "dpar.png")]
    out: PathBuf,
    /// Enlarge every picture of --out to N x N pixels per pixel [default: 1, or 256 pixels a side in a grid]
    #[arg(long, help_heading = "Output", value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    scale: Option<u32>,
    /// Also write the picture with its patches and entropies (PNG; without FILE: OUT-overlay.png); of several pictures
    /// FILE-1.png, FILE-2.png, ...
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_OUT)]
    overlay: Option<PathBuf>,
    /// Also write how the picture forms, patch by patch (GIF; without FILE: OUT.gif); of several pictures FILE-1.gif, ...
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_OUT)]
    animation: Option<PathBuf>,
    /// Also write everything that was drawn (JSON; without FILE: OUT-trace.json), for `dpar replay`
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_OUT)]
    trace: Option<PathBuf>,
    /// Also write down each token's rank, probability and best candidates in --trace
    #[arg(long, help_heading = "Output", requires = "trace")]
    details: bool,
    /// Print one JSON object instead of the summary
    #[arg(long, help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Draws and reports.
///
/// # Errors
/// Any [`dpar::Error`]; nothing has been written then, or only whole files.
pub fn run(args: &GenerateArgs) -> Result<()> {
    let args = &named(args);
    let per_picture = check_files(args)?;
    let files = load_model(args.place.model.as_deref())?;
    let link = args.link.as_deref().map(Link::parse).transpose()?;
    let requests = requests(args, link.as_ref(), &files)?;
    let given = match &args.complete {
        Some(path) => Some(picture::read_square(path, files.config.image_size())?),
        None => None,
    };
    let mut studio = Studio::new(files, open_backend(&args.place)?)?;
    let forced = given.as_ref().map(|image| forced_rows(args, &studio, image)).transpose()?;

    let bar = progress(requests.len() * studio.files.config.tokens());
    let mut pictures = Vec::with_capacity(requests.len());
    let count = requests.len();
    for (n, request) in requests.into_iter().enumerate() {
        if count > 1 {
            bar.set_prefix(format!("picture {} of {count}  ", n + 1));
        }
        let request = match &forced {
            Some(forced) => Request { forced: forced.clone(), ..request },
            None => request,
        };
        let drawing = studio.draw(request, &bar)?;
        let image = studio.decode(&drawing.run.tokens)?;
        pictures.push(Drawn { drawing, image });
    }
    bar.finish_and_clear();
    if let (Some(link), Some(first)) = (&link, pictures.first()) {
        let tokens = first.drawing.run.tokens.iter().copied();
        let said = link.differs(tokens, &studio.files.hash, &studio.backend.name());
        said.iter().for_each(|said| note(said));
    }

    let written = write(args, &studio, &pictures, &per_picture)?;
    say(&if args.json {
        report::json(&studio, &pictures, &written)?
    } else {
        report::text(&studio, &pictures, &written, kept(args, &studio).as_deref())
    })?;
    Ok(())
}

/// What the program does without a command: one picture, its overlay, and where to go from there.
///
/// # Errors
/// As [`run`].
pub fn first_look() -> Result<()> {
    let args = GenerateArgs {
        class: None,
        seed: 1,
        count: 1,
        link: None,
        patching: PatchArgs::default(),
        sampling: SamplingArgs::default(),
        baseline: false,
        complete: None,
        keep_rows: None,
        out: "dpar.png".into(),
        scale: None,
        overlay: Some("dpar-overlay.png".into()),
        animation: None,
        trace: None,
        details: false,
        json: false,
        place: PlaceArgs { model: None, device: Device::Auto },
    };
    run(&args)?;
    say("\nThat was `dpar generate` with its default settings; `dpar --help` lists what else there is.")?;
    Ok(())
}

/// The arguments with every file's name: `--overlay` and its kin without one are named after --out.
fn named(args: &GenerateArgs) -> GenerateArgs {
    let name = |given: &Option<PathBuf>, ending: &str| {
        let stem = args.out.file_stem().unwrap_or_default().to_string_lossy();
        let beside = || args.out.with_file_name(format!("{stem}{ending}"));
        given.clone().map(|path| if path.as_os_str() == BESIDE_OUT { beside() } else { path })
    };
    GenerateArgs {
        overlay: name(&args.overlay, "-overlay.png"),
        animation: name(&args.animation, ".gif"),
        trace: name(&args.trace, "-trace.json"),
        ..args.clone()
    }
}

/// The files that there is one of for each picture.
struct PerPicture {
    overlays: Vec<PathBuf>,
    animations: Vec<PathBuf>,
}

/// Refuses outputs that cannot be written, before anything else.
fn check_files(args: &GenerateArgs) -> Result<PerPicture> {
    check_overlay(args, args.baseline)?;
    let each = |path: &Option<PathBuf>| match path {
        None => Vec::new(),
        Some(path) if args.count == 1 => vec![path.clone()],
        Some(path) => (1..=args.count as usize).map(|n| numbered(path, n)).collect(),
    };
    let files = PerPicture { overlays: each(&args.overlay), animations: each(&args.animation) };
    check_png(&args.out)?;
    args.overlay.as_deref().map_or(Ok(()), check_png)?;
    args.animation.as_deref().map_or(Ok(()), check_gif)?;
    let per_picture = files.overlays.iter().chain(&files.animations);
    let all: Vec<&Path> = [&args.out].into_iter().chain(per_picture).chain(&args.trace).map(PathBuf::as_path).collect();
    check_outputs(&all, args.complete.as_deref())?;
    Ok(files)
}

fn check_overlay(args: &GenerateArgs, baseline: bool) -> Result<()> {
    if baseline && args.overlay.is_some() {
        bail!(Error::Request(
            "--overlay shows patches and entropies, and the fixed-length baseline has neither: leave out one of \
             --overlay and --baseline"
                .into()
        ));
    }
    Ok(())
}

fn requests(args: &GenerateArgs, link: Option<&Link>, files: &ModelFiles) -> Result<Vec<Request>> {
    let first = match link {
        Some(link) => linked(link, files)?,
        None => asked(args, files)?,
    };
    check_overlay(args, first.generator == Generator::Baseline)?;
    Ok((0..args.count).map(|n| Request { seed: first.seed.wrapping_add(n), ..first.clone() }).collect())
}

/// What a link asks for; says what of it this program or this model cannot honour.
fn linked(link: &Link, files: &ModelFiles) -> Result<Request> {
    let (request, notes) = link.request_for(&files.config, &files.hash)?;
    notes.iter().for_each(|text| note(text));
    Ok(request)
}

/// What `--class` asks for, or what the model draws best.
pub(super) fn class(asked: Option<&str>, config: &ModelConfig) -> dpar::Result<Mix> {
    asked.map_or_else(|| Ok(config.default_class().into()), |text| prompt::resolve(text, config))
}

/// What the flags ask for.
fn asked(args: &GenerateArgs, files: &ModelFiles) -> Result<Request> {
    let config = &files.config;
    let class = class(args.class.as_deref(), config)?;
    if let Some(rows) = args.keep_rows
        && !(1..=config.grid()).contains(&rows)
    {
        bail!(Error::Request(format!("--keep-rows {rows} is out of range: this model has {} rows", config.grid())));
    }
    let generator = if args.baseline { Generator::Baseline } else { Generator::Dpar };
    let mut first = Request::new(config, generator, class, args.seed);
    args.patching.0.apply(&mut first.controls);
    args.sampling.0.apply(&mut first.controls);
    first.check(config)?;
    Ok(first)
}

fn forced_rows(args: &GenerateArgs, studio: &Studio, image: &RgbImage) -> Result<Vec<Option<u32>>> {
    let tokens = block_on(analysis::encode(&studio.tokenizer, image, &studio.backend.tensor_device()?))?;
    let grid = studio.files.config.grid();
    Ok(analysis::keep(&tokens, grid, &Region::first_rows(args.keep_rows.unwrap_or(0), grid)))
}

/// What a completion kept, for people.
fn kept(args: &GenerateArgs, studio: &Studio) -> Option<String> {
    let (path, rows) = (args.complete.as_ref()?, args.keep_rows?);
    Some(format!("{rows} of {} rows of {}", studio.files.config.grid(), path.display()))
}

fn write(args: &GenerateArgs, studio: &Studio, pictures: &[Drawn], files: &PerPicture) -> Result<DrawnFiles> {
    let images: Vec<RgbImage> = pictures.iter().map(|p| p.image.clone()).collect();
    let scale = args.scale.unwrap_or_else(|| enlargement(&images));
    let gap = if images.len() > 1 { 8 } else { 0 };
    let sheet = render::contact_sheet(&images, 0, scale, gap);
    platform::write_atomic(&args.out, &render::png_bytes(&sheet)?)?;
    let mut written =
        DrawnFiles { picture: args.out.display().to_string(), size: sheet.dimensions(), ..DrawnFiles::default() };
    for (path, picture) in files.overlays.iter().zip(pictures) {
        platform::write_atomic(path, &render::png_bytes(&overlay(studio, picture, kept(args, studio))?)?)?;
        written.overlays.push(path.display().to_string());
    }
    for (path, picture) in files.animations.iter().zip(pictures) {
        platform::write_atomic(path, &animation(studio, picture)?)?;
        written.animations.push(path.display().to_string());
    }
    if let Some(path) = &args.trace {
        let run = |p: &Drawn| if args.details { p.drawing.run.clone() } else { p.drawing.run.clone().plain() };
        let runs = pictures.iter().map(run).collect();
        let trace = Trace { model: studio.files.hash.clone(), runs };
        platform::write_atomic(path, (to_json(&trace)? + "\n").as_bytes())?;
        written.trace = Some(path.display().to_string());
    }
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
