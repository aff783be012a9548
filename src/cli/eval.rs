//! `dpar eval`: the models measured on held-out pictures, and many samples for `training/evaluate.py score`.

mod samples;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use dpar::Error;
use dpar::analysis::evaluation::{Evaluator, TokenSet};
use dpar::checkpoint::config::Generator;
use dpar::controls::Controls;
use dpar::patching::Mode;
use pollster::block_on;
use serde::Serialize;

use super::args::{self, PatchArgs, PlaceArgs, SamplingArgs, default_threshold};
use super::files::{check_outputs, check_piped, input_name, is_stdout, read_input};
use super::json::to_json;
use super::output::{Card, print};
use super::report;
use super::studio::{Studio, load_model, open_backend, progress};
use samples::SampleJob;

/// What to measure, or to draw.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Held-out pictures: a safetensors file with `tokens` (N, T) and `classes` (N) (training/encode.py validation; - is
    /// standard input)
    tokens: PathBuf,
    #[arg(
        long,
        help = thresholds_help(),
        value_name = "NATS,..",
        value_delimiter = ',',
        allow_negative_numbers = true,
        conflicts_with = "threshold"
    )]
    thresholds: Vec<f32>,
    /// Use only so many of the pictures, evenly spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Draw so many pictures of the file's classes, picture k with seed k, instead of measuring
    #[arg(long, help_heading = "Samples", value_name = "N", requires = "out", conflicts_with = "thresholds",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sample: Option<u32>,
    #[arg(long, help_heading = "Samples", requires = "sample", value_name = "N", allow_negative_numbers = true,
          value_parser = args::batch(), help = args::BATCH)]
    batch: Option<usize>,
    /// Draw only part I of N: pictures I, I + N, ..
    #[arg(long, help_heading = "Samples", value_name = "I/N", requires = "sample", value_parser = shard)]
    shard: Option<(u32, u32)>,
    /// Draw with the fixed-length baseline
    #[arg(long, help_heading = "Samples", requires = "sample", conflicts_with = "PatchArgs")]
    baseline: bool,
    /// Where the samples go: tokens, classes, seeds, patches (safetensors; - is standard output)
    #[arg(short, long, help_heading = "Samples", value_name = "FILE", requires = "sample")]
    out: Option<PathBuf>,
    /// Go on with what Ctrl-C has interrupted: draw only the samples that --out does not hold yet
    #[arg(long, help_heading = "Samples", requires = "sample")]
    resume: bool,
    #[command(flatten)]
    patching: PatchArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Print one JSON object instead of the summary
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse::<u32>().ok()?, n.parse::<u32>().ok()?)));
    parts.filter(|(i, n)| i < n).ok_or_else(|| "I/N with I from 0 to N - 1 is needed, for instance 0/4".to_owned())
}

/// A row of the report.
#[derive(Debug, Serialize)]
struct NatsRow {
    model: &'static str,
    /// Nats; null for models without patches.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    nats: f64,
    patch_length: f64,
    /// Of the main transformer, a picture.
    steps: f64,
}

#[derive(Debug, Serialize)]
struct EvalReport {
    file: String,
    model_hash: String,
    pictures: usize,
    tokens: usize,
    rows: Vec<NatsRow>,
}

/// Pictures a pass: what 24 GiB hold with the largest models, and enough for a small one to fill a GPU.
const BATCH: usize = 16;

/// Measures, or draws.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn run(args: &EvalArgs) -> Result<()> {
    check_flags(args)?;
    let file = input_name(&args.tokens);
    let outputs: Vec<&Path> = args.out.iter().map(PathBuf::as_path).collect();
    outputs.iter().try_for_each(|path| check_piped(path))?;
    check_outputs(&outputs, Some(&args.tokens), args.json)?;
    let files = load_model(&args.place)?;
    let bytes = read_input(&args.tokens)
        .map_err(|e| Error::Checkpoint { file: file.clone(), problem: format!("cannot be read ({e})") })?;
    let mut set = TokenSet::read(&file, &bytes, &files.config)?;
    if let Some(limit) = args.limit {
        set = set.spread(limit as usize);
    }
    let mut controls = files.config.controls();
    args.patching.0.apply(&mut controls);
    args.sampling.0.apply(&mut controls);
    controls.check()?;
    let studio = Studio::new(files, open_backend(&args.place)?)?.with_batch(args.batch);
    match (args.sample, &args.out) {
        (Some(count), Some(out)) => {
            let (first, step) = args.shard.unwrap_or((0, 1));
            let job = SampleJob {
                set: &set,
                generator: if args.baseline { Generator::Baseline } else { Generator::Dpar },
                controls: &controls,
                seeds: (first..count).step_by(step as usize).collect(),
                out,
                resume: args.resume,
                json: args.json,
            };
            samples::draw(studio, &job)
        }
        _ => measure(args, &studio, &set, &controls),
    }
}

fn thresholds_help() -> String {
    format!(
        "Measure DPAR at each of these thresholds, in nats [default: {}, or the model folder's]",
        default_threshold()
    )
}

/// Refuses flags that would change nothing.
fn check_flags(args: &EvalArgs) -> Result<()> {
    let refuse = |text: String| bail!(Error::Request(text));
    if args.sample.is_none()
        && let Some((control, _)) = args.sampling.0.iter().next()
    {
        return refuse(format!(
            "--{} is about drawing, and measuring draws nothing: leave it out, or add --sample",
            control.flag
        ));
    }
    let modes = args.patching.0.iter().map(|(_, value)| value.to_string());
    let fixed = modes.into_iter().find(|value| [Mode::Static, Mode::Token].iter().any(|mode| mode.name() == value));
    if let (Some(mode), false) = (fixed, args.thresholds.is_empty()) {
        return refuse(format!("--thresholds changes nothing with --mode {mode}: leave out one of them"));
    }
    if args.resume && args.out.as_deref().is_some_and(is_stdout) {
        return refuse("--resume goes on with a file of samples, so --out must be a file, not -".into());
    }
    Ok(())
}

fn measure(args: &EvalArgs, studio: &Studio, set: &TokenSet, controls: &Controls) -> Result<()> {
    let config = &studio.files.config;
    let evaluator = Evaluator::new(&studio.files, &studio.backend.tensor_device()?, BATCH)?;
    let thresholds = if args.thresholds.is_empty() { vec![controls.threshold] } else { args.thresholds.clone() };
    let lives: Vec<Controls> = thresholds.iter().map(|t| Controls { threshold: *t, ..controls.clone() }).collect();
    lives.iter().try_for_each(Controls::check)?;
    let bar = progress(set.tokens.len() * (2 + lives.len()));
    let done = |pictures: usize| bar.inc((pictures * config.tokens()) as u64);
    let rows = block_on(async {
        let row = |model, threshold, found: dpar::analysis::evaluation::Likelihood| {
            let (nats, patch_length) = (found.nats, found.patch_length);
            NatsRow { model, threshold, nats, patch_length, steps: config.tokens() as f64 / patch_length }
        };
        let mut rows = Vec::new();
        let mut entropies = vec![0.0; set.tokens.len()];
        if let Some((found, e)) = evaluator.entropy(set, done).await? {
            rows.push(row("entropy", None, found));
            entropies = e;
        } else if config.dpar.is_some() && matches!(controls.mode, Mode::Entropy | Mode::EntropyRowBoundary) {
            let source = &studio.files.source;
            return Err(Error::Request(format!(
                "{source} has no `entropy` model, which its patches need: add --mode static"
            )));
        }
        for controls in &lives {
            if let Some(found) = evaluator.dpar(set, &entropies, controls.rule(config.grid()), done).await? {
                rows.push(row("dpar", Some(controls.threshold), found));
            }
        }
        rows.extend(evaluator.baseline(set, done).await?.map(|found| row("baseline", None, found)));
        Ok(rows)
    });
    bar.finish_and_clear();
    studio.check_device()?;
    let report = EvalReport {
        file: input_name(&args.tokens),
        model_hash: studio.files.hash.clone(),
        pictures: set.len(),
        tokens: set.tokens.len(),
        rows: rows?,
    };
    Ok(print(&if args.json { to_json(&report)? } else { text(&report, controls) })?)
}

fn text(report: &EvalReport, controls: &Controls) -> String {
    let mut card = Card::default();
    card.row("pictures", format!("{} of {}, {} tokens", report.pictures, report.file, report.tokens));
    card.row("patching", report::patching(controls));
    for row in &report.rows {
        let NatsRow { model, threshold, nats, patch_length, steps } = row;
        card.row(
            model,
            match threshold {
                Some(t) => format!(
                    "{nats:.4} nats a token at {t} nats: {patch_length:.2} tokens a patch, {steps:.1} steps a picture"
                ),
                None => format!("{nats:.4} nats a token"),
            },
        );
    }
    card.text()
}
