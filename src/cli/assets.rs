//! `dpar record`, `looks` and `thumbnails`: the pictures that the app shows before it has computed any.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use dpar::bundled::recording::{self, Recorded, Recording};
use dpar::bundled::thumbnails::{Picks, Thumbnails};
use dpar::bundled::token_swatches::TokenSwatches;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::run::prompt;
use dpar::run::request::Request;
use dpar::{Error, platform};
use pollster::block_on;

use super::args::PlaceArgs;
use super::generate;
use super::output::{Card, check_outputs, check_png, say};
use super::studio::{Studio, load_model, open_backend, progress};

/// What to record.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// What to draw, as `dpar generate --class` takes it [default: what the model draws best]
    #[arg(long, value_name = "THING", allow_hyphen_values = true)]
    class: Option<String>,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    seed: u32,
    /// Tokens between two partial pictures
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    every: u32,
    /// Folder that gets recording.json, dpar.png and baseline.png
    #[arg(long, value_name = "DIR", default_value = "recording")]
    out: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Where the looks go.
#[derive(Debug, Args)]
pub struct LooksArgs {
    /// Sheet of what each code looks like (PNG)
    #[arg(long, value_name = "FILE", default_value = "looks.png")]
    out: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Which pictures.
#[derive(Debug, Args)]
pub struct ThumbnailsArgs {
    /// Which classes and seeds (JSON, as this command writes it beside the sheet) [default: the things that the model
    /// features, and its groups]
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    picks: Option<PathBuf>,
    /// Seed of every picture
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    seed: u32,
    /// Sheet of the pictures (PNG); the list of what they show goes beside it (.json)
    #[arg(long, value_name = "FILE", default_value = "thumbnails.png")]
    out: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

fn studio(place: &PlaceArgs) -> Result<Studio> {
    Ok(Studio::new(load_model(place.model.as_deref())?, open_backend(place)?)?)
}

/// Draws with both generators and writes the recording.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn record(args: &RecordArgs) -> Result<()> {
    let mut studio = studio(&args.place)?;
    let config = studio.files.config.clone();
    let class = generate::class(args.class.as_deref(), &config)?;
    let folder = |e: std::io::Error| Error::Output { file: args.out.display().to_string(), problem: e.to_string() };
    std::fs::create_dir_all(&args.out).map_err(folder)?;
    let bar = progress(2 * config.tokens());
    let mut draw = |generator| {
        let run = studio.draw(Request::new(&config, generator, class.clone(), args.seed), &bar)?.run;
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
    card.row("seed", args.seed.to_string());
    card.row("pictures", format!("one every {} tokens, {} a run", args.every, recording.dpar.frames.len()));
    for (n, (name, bytes)) in recording.files()?.into_iter().enumerate() {
        let path = args.out.join(name);
        platform::write_atomic(&path, &bytes)?;
        card.row(if n == 0 { "wrote" } else { "" }, format!("{} ({} bytes)", path.display(), bytes.len()));
    }
    say(&card.text())?;
    Ok(())
}

/// Decodes every code of the codebook.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn looks(args: &LooksArgs) -> Result<()> {
    check(&args.out)?;
    let studio = studio(&args.place)?;
    let looks = block_on(TokenSwatches::compute(&studio.tokenizer, &studio.files.config))?;
    studio.check_device()?;
    wrote(&args.out, &looks.sheet().png()?, &studio.files)
}

/// Draws the pictures of a picker.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn thumbnails(args: &ThumbnailsArgs) -> Result<()> {
    let list = args.out.with_extension("json");
    check_png(&args.out)?;
    check_outputs(&[&args.out, &list], None)?;
    let mut studio = studio(&args.place)?;
    let config = studio.files.config.clone();
    let picks = match &args.picks {
        None => Picks::of(&config, args.seed),
        Some(path) => {
            let file = path.display().to_string();
            let unreadable =
                |e: std::io::Error| Error::Image { file: file.clone(), problem: format!("cannot be read ({e})") };
            Picks::parse(&std::fs::read(path).map_err(unreadable)?, &file, &config)?
        }
    };
    let generator = if config.dpar.is_some() { Generator::Dpar } else { Generator::Baseline };
    let count = picks.pictures.len();
    let bar = progress(count * config.tokens());
    let mut pictures = Vec::new();
    for pick in &picks.pictures {
        bar.set_prefix(format!("picture {} of {count}  ", pictures.len() + 1));
        let class = prompt::resolve(&pick.class, &config)?;
        let drawing = studio.draw(Request::new(&config, generator, class, pick.seed), &bar)?;
        pictures.push(studio.decode(&drawing.run.tokens)?);
    }
    bar.finish_and_clear();
    let thumbnails = Thumbnails::of(&pictures, &picks, &config)?;
    platform::write_atomic(&list, &picks.json()?)?;
    wrote(&args.out, &thumbnails.sheet().png()?, &studio.files)
}

fn check(out: &Path) -> dpar::Result<()> {
    check_png(out)?;
    check_outputs(&[out], None)
}

fn wrote(path: &Path, bytes: &[u8], files: &ModelFiles) -> Result<()> {
    platform::write_atomic(path, bytes)?;
    let mut card = Card::default();
    card.row("model", format!("{} ({})", files.source, files.hash));
    card.row("wrote", format!("{} ({} bytes)", path.display(), bytes.len()));
    say(&card.text())?;
    Ok(())
}
