//! `dpar replay`: the runs of a trace drawn again and compared, token by token.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use dpar::Error;
use dpar::error::plain;
use dpar::run::trace::{Run, Trace};
use serde::Deserialize;

use super::args::PlaceArgs;
use super::files::{input_name, read_input};
use super::output::{note, say};
use super::studio::{Studio, load_model, open_backend, progress};

/// Which trace.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Trace that `dpar generate --trace` wrote (- is standard input)
    trace: PathBuf,
    /// Compare even if the trace was recorded with another model
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// The part of a trace that says whether the rest can be understood.
#[derive(Deserialize)]
struct TraceHead {
    #[serde(default)]
    model: String,
}

/// Draws every run again. Succeeds only where all of them are identical.
///
/// # Errors
/// Any [`dpar::Error`], or a sentence that says how many runs differ.
pub fn run(args: &ReplayArgs) -> Result<()> {
    let file = input_name(&args.trace);
    let bad = |problem: String| Error::Trace { file: file.clone(), problem };
    let json = read_input(&args.trace).map_err(|e| bad(format!("cannot be read ({e})")))?;
    let files = load_model(&args.place)?;
    // First, because a trace of another model may also have classes or tokens that this one does not.
    let text = dpar::checkpoint::json::text(&json).map_err(bad)?;
    if let Ok(TraceHead { model }) = serde_json::from_slice(&text)
        && !model.is_empty()
        && model != files.hash
        && !args.force
    {
        bail!(bad(format!(
            "was recorded with model {model}, this is model {}; name its folder with --model, or --force a comparison",
            files.hash
        )));
    }
    let (trace, notes) = Trace::read(&json, &file, &files.config)?;
    notes.iter().for_each(|said| note(said));
    if trace.runs.is_empty() {
        bail!(bad("holds no runs".into()));
    }
    let mut studio = Studio::new(files, open_backend(&args.place)?)?;
    let bar = progress(trace.runs.len() * studio.files.config.tokens());
    let mut lines = Vec::new();
    let mut different = 0;
    for (n, recorded) in trace.runs.iter().enumerate() {
        bar.set_prefix(format!("run {} of {}  ", n + 1, trace.runs.len()));
        let again = studio.draw(recorded.request(), &bar)?.run;
        let difference = difference(recorded, &again);
        different += usize::from(difference.is_some());
        let verdict = difference.unwrap_or_else(|| format!("identical, {} tokens", recorded.tokens.len()));
        lines.push(format!("run {}: class {}, seed {}: {verdict}", n + 1, plain(&again.class_name), again.seed));
    }
    bar.finish_and_clear();
    say(&lines.join("\n"))?;
    if different > 0 {
        bail!(
            "{different} of {} runs differ on {}; devices round differently, so compare on the one that recorded the \
             trace",
            trace.runs.len(),
            studio.backend.name()
        );
    }
    Ok(())
}

/// How far apart entropies of the same token may be, in nats: several times what devices round differently.
const SAME_NATS: f32 = 0.01;

/// The first place where two runs differ, in words. A run that was stopped is compared as far as it went.
fn difference(recorded: &Run, again: &Run) -> Option<String> {
    let token = recorded.tokens.iter().zip(&again.tokens).position(|(a, b)| a != b);
    let start = recorded.starts.iter().zip(&again.starts).position(|(a, b)| a != b);
    // Before the first token nothing was drawn: what is expected there is the model's alone.
    let far = |(a, b): (&f32, &f32)| (a - b).abs() > SAME_NATS;
    if let Some((was, is)) = recorded.entropies.first().zip(again.entropies.first()).filter(|pair| far(*pair)) {
        return Some(format!(
            "was drawn by another model: its first entropy is {was} nats in the trace, {is} of this one"
        ));
    }
    let entropy = recorded.entropies.iter().zip(&again.entropies).position(far);
    match (token, start) {
        (None, None) => entropy.map(|i| {
            let (was, is) = (recorded.entropies[i], again.entropies[i]);
            format!("has the same tokens but other entropies from token {i} on: {was} nats were recorded, {is} now")
        }),
        (Some(i), start) if start.is_none_or(|s| i <= s) => Some(format!(
            "differs from token {i} on: {} was recorded, {} drawn now{}",
            recorded.tokens[i],
            again.tokens[i],
            rivals(again, i)
        )),
        (_, start) => Some(format!(
            "differs from position {} on: a patch starts there only in one of the two",
            start.unwrap_or_default()
        )),
    }
}

/// The two best candidates for a token and how far apart they are: near 0, rounding decides.
fn rivals(run: &Run, i: usize) -> String {
    let Some([(a, p), (b, q), ..]) = run.candidates.get(i).map(Vec::as_slice) else { return String::new() };
    let nats = (p / q).ln();
    format!("; its best candidates are {a} ({:.1} %) and {b} ({:.1} %), {nats:.3} nats apart", 100.0 * p, 100.0 * q)
}
