//! `dpar record`, `looks` and `thumbnails`: the pictures that the app shows before it has computed any.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use dpar::Error;
use dpar::bundled::recording::{self, Recorded, Recording};
use dpar::bundled::thumbnails::{Pick, Picks, Thumbnails};
use dpar::bundled::token_swatches::TokenSwatches;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::run::prompt;
use dpar::run::request::Request;
use pollster::block_on;

use super::args::{self, PlaceArgs, Seed, default_class};
use super::files::{
    OutputFiles, check_folder, check_outputs, check_png, free_name, input_name, is_stdout, output_name, read_input,
    write_folder,
};
use super::generate;
use super::output::{Card, say};
use super::studio::{Studio, load_model, open_backend, progress};

/// What to record.
#[derive(Debug, Args)]
pub struct RecordArgs {
    #[arg(long, value_name = "THING", allow_hyphen_values = true, help = class_help())]
    class: Option<String>,
    /// Seed, or `random`
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true, value_parser = Seed::parse)]
    seed: Seed,
    /// Tokens between two partial pictures
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    every: u32,
    /// Folder that gets recording.json, dpar.png and baseline.png [default: recording, or recording-2 and so on where that
    /// is there already]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Where the looks go.
#[derive(Debug, Args)]
pub struct LooksArgs {
    /// Sheet of what each code looks like (PNG; - is standard output) [default: looks.png, or looks-2.png and so on where
    /// that is there already]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Which pictures.
#[derive(Debug, Args)]
pub struct ThumbnailsArgs {
    /// Which classes and seeds (JSON, as this command writes it beside the sheet; - is standard input) [default: the things
    /// that the model features, and its groups]
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    picks: Option<PathBuf>,
    /// Seed of every picture, or `random`
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true, value_parser = Seed::parse)]
    seed: Seed,
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = args::batch(), help = args::BATCH)]
    batch: Option<usize>,
    /// Sheet of the pictures (PNG); the list of what they show goes beside it (.json). Of -, standard output, there is no
    /// list [default: thumbnails.png, or thumbnails-2.png and so on where that is there already]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

fn class_help() -> String {
    format!(
        "What to draw, as `dpar generate --class` takes it [default: {}; of a --model folder what it draws best]",
        default_class()
    )
}

fn studio(place: &PlaceArgs) -> Result<Studio> {
    Ok(Studio::new(load_model(place)?, open_backend(place)?)?)
}

/// Draws with both generators and writes the recording.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn record(args: &RecordArgs) -> Result<()> {
    let unnamed = || free_name(Path::new("recording"), |name| vec![name.to_owned()]);
    let out = args.out.clone().unwrap_or_else(unnamed);
    check_folder(&out, "a recording", recording::FILES)?;
    let mut studio = studio(&args.place)?;
    let config = studio.files.config.clone();
    let class = generate::class(args.class.as_deref(), &config)?;
    let seed = args.seed.number()?;
    let bar = progress(2 * config.tokens());
    let mut draw = |generator| {
        let run = studio.draw(Request::new(&config, generator, class.clone(), seed), &bar)?.run;
        let frames = recording::frames(&studio.tokenizer, &run.tokens, config.grid(), args.every as usize);
        Ok::<_, Error>(Recorded { frames: block_on(frames)?, run })
    };
    let dpar = draw(Generator::Dpar)?;
    let baseline = config.baseline.is_some().then(|| draw(Generator::Baseline)).transpose()?;
    studio.check_device()?;
    bar.finish_and_clear();

    let recording = Recording::new(&studio.files, dpar, baseline);
    let mut card = Card::default();
    card.row("class", prompt::caption(&class, &config));
    card.row("seed", seed.to_string());
    card.row("pictures", format!("one every {} tokens, {} a run", args.every, recording.dpar.frames.len()));
    let files = recording.files()?;
    for (n, (name, bytes)) in files.iter().enumerate() {
        let path = out.join(name);
        card.row(if n == 0 { "wrote" } else { "" }, format!("{} ({} bytes)", path.display(), bytes.len()));
    }
    write_folder(&out, files)?;
    say(&card.text())?;
    Ok(())
}

/// Decodes every code of the codebook.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn looks(args: &LooksArgs) -> Result<()> {
    let unnamed = || free_name(Path::new("looks.png"), |name| vec![name.to_owned()]);
    let out = args.out.clone().unwrap_or_else(unnamed);
    check_png(&out)?;
    check_outputs(&[&out], None, false)?;
    let studio = studio(&args.place)?;
    let looks = block_on(TokenSwatches::compute(&studio.tokenizer, &studio.files.config))?;
    studio.check_device()?;
    write(vec![(out, looks.sheet().png()?)], &studio.files)
}

/// Draws the pictures of a picker.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn thumbnails(args: &ThumbnailsArgs) -> Result<()> {
    let list = |out: &Path| (!is_stdout(out)).then(|| out.with_extension("json"));
    let all = |out: &Path| [out.to_owned()].into_iter().chain(list(out)).collect::<Vec<_>>();
    let out = args.out.clone().unwrap_or_else(|| free_name(Path::new("thumbnails.png"), all));
    check_png(&out)?;
    let places = all(&out);
    check_outputs(&places.iter().map(PathBuf::as_path).collect::<Vec<_>>(), None, false)?;
    let mut studio = studio(&args.place)?.with_batch(args.batch);
    let config = studio.files.config.clone();
    let picks = match &args.picks {
        None => Picks::of(&config, args.seed.number()?),
        Some(path) => {
            let file = input_name(path);
            let unreadable =
                |e: std::io::Error| Error::Image { file: file.clone(), problem: format!("cannot be read ({e})") };
            Picks::parse(&read_input(path).map_err(unreadable)?, &file, &config)?
        }
    };
    let generator = config.generator().unwrap_or_default();
    let count = picks.pictures.len();
    let bar = progress(count * config.tokens());
    let request = |pick: &Pick| Ok(Request::new(&config, generator, prompt::resolve(&pick.class, &config)?, pick.seed));
    let requests = picks.pictures.iter().map(request).collect::<dpar::Result<Vec<Request>>>()?;
    let mut pictures = Vec::new();
    studio.draw_all(
        || false,
        &requests,
        &bar,
        |studio, drawing| {
            pictures.push(studio.decode(&drawing.run.tokens)?);
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    let thumbnails = Thumbnails::of(&pictures, &picks, &config)?;
    let mut files = vec![(out.clone(), thumbnails.sheet().png()?)];
    if let Some(list) = list(&out) {
        files.push((list, picks.json()?));
    }
    write(files, &studio.files)
}

/// Writes all files or none, and says so.
fn write(outputs: Vec<(PathBuf, Vec<u8>)>, files: &ModelFiles) -> Result<()> {
    let mut card = Card::default();
    card.row("model", format!("{} ({})", files.source, files.hash));
    let mut set = OutputFiles::default();
    for (n, (path, bytes)) in outputs.into_iter().enumerate() {
        card.row(if n == 0 { "wrote" } else { "" }, format!("{} ({} bytes)", output_name(&path), bytes.len()));
        set.add(&path, bytes)?;
    }
    set.commit()?;
    Ok(say(&card.text())?)
}
