//! `dpar eval --sample`: many pictures of held-out classes as tokens, to be scored.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Result, bail};
use dpar::Error;
use dpar::analysis::evaluation::TokenSet;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::controls::Controls;
use dpar::run::request::Request;
use safetensors::tensor::{TensorView, serialize};
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;

use crate::cli::files::{OutputFiles, is_stdout, output_name};
use crate::cli::interrupt::{self, Interrupted};
use crate::cli::json::{to_json, to_json_line};
use crate::cli::output::{print, say};
use crate::cli::studio::{Studio, progress};

/// What to draw.
pub struct SampleJob<'a> {
    /// Whose classes.
    pub set: &'a TokenSet,
    /// DPAR or the baseline.
    pub generator: Generator,
    /// The settings.
    pub controls: &'a Controls,
    /// Of each picture; picture k has the class of the set's picture k.
    pub seeds: Vec<u32>,
    /// Where they go.
    pub out: &'a Path,
    /// Whether `out` may hold some of them already.
    pub resume: bool,
    /// Whether the figures are printed as JSON.
    pub json: bool,
}

/// What was drawn: the columns of the file.
#[derive(Default)]
struct SampleColumns {
    /// (N * T)
    tokens: Vec<u32>,
    /// (N)
    classes: Vec<u32>,
    /// (N)
    seeds: Vec<u32>,
    /// (N)
    patches: Vec<u32>,
}

/// How samples were drawn, as their file says it: only what agrees in all of this belongs together.
#[derive(Serialize)]
struct SampleSource<'a> {
    model: &'a str,
    generator: &'static str,
    #[serde(flatten)]
    controls: &'a Controls,
}

#[derive(Serialize)]
struct SampleReport<'a> {
    file: String,
    #[serde(flatten)]
    source: SampleSource<'a>,
    /// In the file.
    samples: usize,
    /// Of these, those that an interrupted command had drawn before.
    resumed: usize,
    patch_length: f64,
}

/// The name of the source in the file's metadata. One entry: more would stand in any order.
const SOURCE: &str = "dpar";

/// Draws pictures, several at once, and writes them all at the end, or when Ctrl-C ends it.
///
/// # Errors
/// Any [`dpar::Error`]; [`Interrupted`].
pub fn draw(mut studio: Studio, job: &SampleJob) -> Result<()> {
    let t = studio.files.config.tokens();
    let mut samples = if job.resume { before(job, &studio.files)? } else { SampleColumns::default() };
    let resumed = samples.seeds.len();
    interrupt::listen();
    let bar = progress((job.seeds.len() - resumed) * t);
    let requests: Vec<Request> = job.seeds[resumed..]
        .iter()
        .map(|seed| {
            let request = Request::new(&studio.files.config, job.generator, job.class(*seed), *seed);
            Request { controls: job.controls.clone(), ..request }
        })
        .collect();
    studio.draw_all(interrupt::asked, &requests, &bar, |_, drawing| {
        samples.classes.push(drawing.run.class as u32);
        samples.seeds.push(drawing.run.seed);
        samples.patches.push(if drawing.run.baseline { t } else { drawing.patches.count() } as u32);
        samples.tokens.extend(drawing.run.tokens);
        Ok(())
    })?;
    bar.finish_and_clear();
    let (done, count) = (samples.seeds.len(), job.seeds.len());
    if done == 0 && count > 0 {
        bail!(Interrupted(format!("none of {count} samples was done")));
    }
    let mut files = OutputFiles::default();
    files.add(job.out, samples.bytes(t, &job.source(&studio.files))?)?;
    files.commit()?;
    let length = samples.tokens.len() as f64 / samples.patches.iter().map(|p| f64::from(*p)).sum::<f64>().max(1.0);
    let name = output_name(job.out);
    if job.json {
        let source = job.source(&studio.files);
        print(&to_json(&SampleReport { file: name.clone(), source, samples: done, resumed, patch_length: length })?)?;
    } else {
        let resumed = if resumed > 0 { format!(" ({resumed} of them drawn before)") } else { String::new() };
        let name = dpar::error::plain(&name);
        say(&format!("{name}: {done} samples{resumed}, {length:.3} tokens a patch on average"))?;
    }
    if done < count {
        let rest = if is_stdout(job.out) { "" } else { "; the same command with --resume draws the rest" };
        bail!(Interrupted(format!("{done} of {count} samples are written to {name}{rest}")));
    }
    Ok(())
}

impl SampleJob<'_> {
    fn class(&self, seed: u32) -> usize {
        self.set.classes[seed as usize % self.set.len()]
    }

    fn source<'a>(&'a self, files: &'a ModelFiles) -> SampleSource<'a> {
        let generator = if self.generator == Generator::Baseline { "baseline" } else { "dpar" };
        SampleSource { model: &files.hash, generator, controls: self.controls }
    }
}

impl SampleColumns {
    fn bytes(&self, t: usize, source: &SampleSource) -> dpar::Result<Vec<u8>> {
        let bytes = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let columns = [
            ("tokens", bytes(&self.tokens)),
            ("classes", bytes(&self.classes)),
            ("seeds", bytes(&self.seeds)),
            ("patches", bytes(&self.patches)),
        ];
        let count = self.seeds.len();
        let internal = |e: safetensors::SafeTensorError| Error::Internal(format!("the samples cannot be stored: {e}"));
        let views: Result<Vec<_>, Error> = columns
            .iter()
            .map(|(name, data)| {
                let shape = if *name == "tokens" { vec![count, t] } else { vec![count] };
                TensorView::new(Dtype::U32, shape, data).map(|view| (*name, view)).map_err(internal)
            })
            .collect();
        let source = HashMap::from([(SOURCE.to_owned(), to_json_line(source)?)]);
        serialize(views?, Some(source)).map_err(internal)
    }
}

/// The samples that the file holds already, which must be the first of those that are wanted; none where there is no file,
/// so that the same command can be given again and again.
fn before(job: &SampleJob, files: &ModelFiles) -> dpar::Result<SampleColumns> {
    let file = job.out.display().to_string();
    let bad = |problem: &str| {
        let so = "give the command that wrote it, another --out, or no --resume";
        Error::Checkpoint { file: file.clone(), problem: format!("{problem}: {so}") }
    };
    let bytes = match fs::read(job.out) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(SampleColumns::default()),
        read => read.map_err(|e| bad(&format!("cannot be read ({e})")))?,
    };
    let broken = |e: safetensors::SafeTensorError| bad(&format!("is not a whole safetensors file ({e})"));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let source = metadata.metadata().as_ref().and_then(|all| all.get(SOURCE));
    if *source.ok_or_else(|| bad("does not say how its samples were drawn"))? != to_json_line(&job.source(files))? {
        return Err(bad("holds samples of another model, or with other settings"));
    }
    let column = |name: &str| {
        let view = tensors.tensor(name).ok().filter(|view| view.dtype() == Dtype::U32);
        let view = view.ok_or_else(|| bad(&format!("has no samples (`{name}` is missing)")))?;
        Ok(view.data().as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect::<Vec<u32>>())
    };
    let (tokens, classes) = (column("tokens")?, column("classes")?);
    let samples = SampleColumns { tokens, classes, seeds: column("seeds")?, patches: column("patches")? };
    let count = samples.seeds.len();
    let wanted = job.seeds.get(..count).is_some_and(|seeds| {
        seeds == samples.seeds
            && seeds.iter().zip(&samples.classes).all(|(seed, class)| job.class(*seed) == *class as usize)
    });
    if !wanted || samples.classes.len() != count {
        return Err(bad(&format!("holds {count} samples that are not the first of those asked for")));
    }
    if samples.patches.len() != count || samples.tokens.len() != count * files.config.tokens() {
        return Err(bad("holds columns of different lengths"));
    }
    Ok(samples)
}
