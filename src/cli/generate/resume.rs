//! `dpar generate --resume`: the pictures that an interrupted command has drawn, read from its trace.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use dpar::run::Statistics;
use dpar::run::request::Request;
use dpar::run::trace::{Run, Trace};
use dpar::{Error, Result};
use serde::Deserialize;

use crate::cli::drawn::Drawn;
use crate::cli::studio::{Drawing, Studio};

/// The part of a trace that says whether the rest can be understood.
#[derive(Deserialize)]
struct TracedModel {
    #[serde(default)]
    model: String,
}

/// The pictures of the trace at `path`, which must be the first of those that `requests` ask for; none where there is no
/// trace, so that the same command can be given again and again.
///
/// # Errors
/// [`Error::Trace`] where the trace is of something else.
pub fn pictures(path: &Path, details: bool, requests: &[Request], studio: &Studio) -> Result<Vec<Drawn>> {
    let file = path.display().to_string();
    let bad = |problem: String| {
        let so = "give the command that wrote it, another --trace, or no --resume";
        Error::Trace { file: file.clone(), problem: format!("{problem}: {so}") }
    };
    let json = match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|e| bad(format!("cannot be read ({e})")))?,
    };
    let (config, hash) = (&studio.files.config, &studio.files.hash);
    // First, because a trace of another model may also have classes or tokens that this one does not.
    if let Ok(TracedModel { model }) = serde_json::from_slice(&json)
        && model != *hash
    {
        return Err(bad(format!("was drawn with model {model}, this is model {hash}")));
    }
    let trace = Trace::parse(&json, &file, config)?;
    if trace.runs.len() > requests.len() {
        return Err(bad(format!("holds {} pictures, {} are asked for", trace.runs.len(), requests.len())));
    }
    for (n, (run, request)) in trace.runs.iter().zip(requests).enumerate() {
        let n = n + 1;
        if run.request() != *request {
            let Run { class_name, seed, .. } = run;
            return Err(bad(format!("has picture {n} of another request ({class_name}, seed {seed})")));
        }
        if run.tokens.len() != config.tokens() {
            return Err(bad(format!("has only a part of picture {n}")));
        }
        if details && !run.is_detailed() {
            return Err(bad(format!("has picture {n} without the --details that are asked for")));
        }
    }
    trace.runs.into_iter().map(|run| drawn(run, studio)).collect()
}

fn drawn(run: Run, studio: &Studio) -> Result<Drawn> {
    let image = studio.decode(&run.tokens)?;
    let patches = run.patches(studio.files.config.grid());
    let statistics = Statistics::of_read(&patches);
    let statistics =
        if run.baseline { Statistics { patches: 0, average_patch_length: 1.0, ..statistics } } else { statistics };
    Ok(Drawn { drawing: Drawing { run, patches, statistics }, image })
}
