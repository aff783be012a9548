//! `dpar generate`: pictures of a class, or the rest of one of your own.

mod flags;
mod places;
mod resume;
mod write;

use std::path::Path;

use anyhow::{Result, bail};
use dpar::Error;
use dpar::analysis::{self, Region};
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::checkpoint::config::ModelConfig;
use dpar::mix::Mix;
use dpar::render::{self, Provenance};
use dpar::run::link::Link;
use dpar::run::prompt;
use dpar::run::request::Request;
use image::RgbImage;
use pollster::block_on;

use super::args::{PatchArgs, PlaceArgs, SamplingArgs, Seed};
use super::drawn::Drawn;
use super::files::{input_name, is_stdin, read_input};
use super::interrupt::{self, Interrupted};
use super::output::{note, print, say};
use super::studio::{Studio, load_model, open_backend, progress};
use super::{picture, report};
use flags::BESIDE_OUT;
pub use flags::GenerateArgs;
use places::Places;

/// What is done of a batch.
struct Batch {
    pictures: Vec<Drawn>,
    /// Of [`Self::pictures`], those that an interrupted command had drawn before.
    before: usize,
    interrupted: bool,
}

/// Draws and reports.
///
/// # Errors
/// Any [`dpar::Error`]; nothing has been written then. [`Interrupted`] where Ctrl-C has ended a batch of several; what was
/// done by then is written.
pub fn run(args: &GenerateArgs) -> Result<()> {
    check_words(args)?;
    check_overlay(args, args.baseline)?;
    let places = Places::of(args)?;
    let files = load_model(&args.place)?;
    check_scale(args, &files.config)?;
    let link = args.link.as_deref().map(read_link).transpose()?;
    let mut requests = requests(args, link.as_ref(), &files)?;
    let given = match &args.complete {
        Some(path) => Some(picture::read_square(path, files.config.image_size())?),
        None => None,
    };
    let mut studio = Studio::new(files, open_backend(&args.place)?)?.with_batch(args.batch);
    if let Some(image) = &given {
        let forced = forced_rows(args, &studio, image)?;
        requests.iter_mut().for_each(|request| request.forced.clone_from(&forced));
    }
    let before = match &places.trace {
        Some(trace) if args.resume => resume::pictures(trace, args.details, &requests, &studio)?,
        _ => Vec::new(),
    };
    let count = requests.len();
    let batch = draw(&mut studio, &requests, before)?;
    if batch.pictures.is_empty() {
        bail!(Interrupted(format!("none of {count} pictures was done")));
    }
    if let (Some(link), Some(first)) = (&link, batch.pictures.first()) {
        let tokens = first.drawing.run.tokens.iter().copied();
        let said = link.differs(tokens, &studio.files.hash, &studio.backend.name());
        said.iter().for_each(|said| note(said));
    }

    let written = write::write(args, &studio, &batch.pictures, &places)?;
    if args.json {
        print(&report::json(&studio, &batch.pictures, &written)?)?;
    } else {
        say(&report::text(&studio, &batch.pictures, &written, write::kept(args, &studio).as_deref(), batch.before))?;
    }
    if batch.interrupted {
        bail!(Interrupted(places.go_on(batch.pictures.len(), count)));
    }
    Ok(())
}

/// Draws what `before` has not yet. Ctrl-C ends a batch of several with what is done; one picture it ends at once.
fn draw(studio: &mut Studio, requests: &[Request], before: Vec<Drawn>) -> Result<Batch> {
    let count = requests.len();
    let mut batch = Batch { before: before.len(), pictures: before, interrupted: false };
    if count > 1 {
        interrupt::listen();
    }
    let bar = progress((count - batch.before) * studio.files.config.tokens());
    let whole = studio.draw_all(interrupt::asked, &requests[batch.before..], &bar, |studio, drawing| {
        let image = studio.decode(&drawing.run.tokens)?;
        batch.pictures.push(Drawn { drawing, image });
        Ok(())
    })?;
    batch.interrupted = !whole;
    bar.finish_and_clear();
    Ok(batch)
}

/// What the program does without a command: one picture, its overlay, and where to go from there.
///
/// # Errors
/// As [`run`].
pub fn first_look() -> Result<()> {
    let args = GenerateArgs {
        class: None,
        words: Vec::new(),
        seed: Seed::Number(1),
        count: 1,
        batch: None,
        link: None,
        patching: PatchArgs::default(),
        sampling: SamplingArgs::default(),
        baseline: false,
        complete: None,
        keep_rows: None,
        share_kept: false,
        out: None,
        scale: None,
        overlay: Some(BESIDE_OUT.into()),
        animation: None,
        trace: None,
        details: false,
        resume: false,
        json: false,
        place: PlaceArgs::default(),
    };
    run(&args)?;
    say("\nThat was `dpar generate` with its default settings; `dpar --help` lists what else there is.")?;
    Ok(())
}

/// `dpar generate heart` and `dpar generate --class red apple`.
fn check_words(args: &GenerateArgs) -> Result<()> {
    let Some(first) = args.words.first() else { return Ok(()) };
    let all: Vec<&str> = args.class.iter().chain(&args.words).map(String::as_str).collect();
    let thing = all.join(" ");
    let plain = thing.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let thing = if plain { thing } else { format!("\"{thing}\"") };
    bail!(Error::Request(format!("'{first}' belongs to no flag: did you mean --class {thing}?")));
}

/// Refuses an enlargement that would make too large a picture.
fn check_scale(args: &GenerateArgs, config: &ModelConfig) -> Result<()> {
    let Some(scale) = args.scale else { return Ok(()) };
    let most = render::largest_scale(args.count as usize, 0, config.image_size() as u32);
    if scale > most {
        let grid = if args.count > 1 { format!("a grid of {} pictures", args.count) } else { "a picture".to_owned() };
        bail!(Error::Request(format!(
            "--scale {scale} is too large for {grid} of {0} x {0} pixels, which may be {1} pixels a side: --scale {most} \
             is the most",
            config.image_size(),
            render::MAX_SHEET
        )));
    }
    Ok(())
}

/// A link as it is, on standard input, or in a picture that says how it was drawn.
fn read_link(text: &str) -> Result<Link> {
    let path = Path::new(text);
    let is_png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    if !is_stdin(path) && (!is_png || text.contains('#')) {
        return Ok(Link::parse(text)?);
    }
    let name = input_name(path);
    let bytes = read_input(path).map_err(|e| Error::Link(format!("{name} cannot be read ({e})")))?;
    let Some(drawn) = Provenance::read(&bytes) else {
        if is_png {
            bail!(Error::Link(format!("{name} does not say how it was drawn: no `dpar` of this kind has written it")));
        }
        return Ok(Link::parse(String::from_utf8_lossy(&bytes).trim())?);
    };
    if drawn.left_out > 0 {
        note(&format!(
            "{name} does not hold the {} tokens that it kept of an image (--share-kept): another picture is drawn",
            drawn.left_out
        ));
    }
    if let [_, _, ..] = *drawn.links {
        note(&format!(
            "{name} shows {} pictures: this is the first, --count draws those that follow",
            drawn.links.len()
        ));
    }
    Ok(Link::parse(drawn.links.first().map_or("", String::as_str))?)
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
    let mut first = Request::new(config, generator, class, args.seed.number()?);
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
