//! Recordings: a run to look at before any weights are there.
//!
//! A recording is a folder of three files: `recording.json` (the model's config, a trace with details of one DPAR run
//! and of the baseline's run of the same class and seed), and for each run a PNG sheet of partial pictures, every few
//! tokens. It holds all that a viewer shows of a live run.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sheet::{Sheet, SheetLayout};
use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::version::Version;
use crate::error::{Error, Result};
use crate::model::Tokenizer;
use crate::run::trace::{Run, Trace};
use crate::run::{Preview, fill_undrawn};

/// The file of everything but pixels.
pub const JSON: &str = "recording.json";
/// All files that a recording may have.
pub const FILES: [&str; 3] = [JSON, "dpar.png", "baseline.png"];
/// Partial pictures in a row of a sheet.
const COLUMNS: u32 = 8;

/// A recording, read and checked.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The hash of the model that drew it.
    pub model: String,
    /// That model's config: grid, codebook size, image size, class names, default settings.
    pub config: ModelConfig,
    /// The DPAR run.
    pub dpar: Recorded,
    /// The fixed-length baseline's run of the same class and seed, where the model has one.
    pub baseline: Option<Recorded>,
}

/// One recorded run.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What was drawn, with details. (T tokens)
    pub run: Run,
    /// Partial pictures, the last one of all T tokens.
    pub frames: Vec<Preview>,
}

/// `recording.json`, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    config: &'a ModelConfig,
    /// Tokens between two partial pictures.
    every: usize,
    trace: Trace,
}

/// The form of recordings that is read and written.
const VERSION: Version = Version(1);

/// `recording.json`, as it is read: its config goes through [`ModelConfig::parse`] and its checks.
#[derive(Deserialize)]
struct RecordedFile {
    config: Value,
    every: usize,
    trace: Trace,
}

/// How many tokens each partial picture shows.
fn counts(tokens: usize, every: usize) -> impl Iterator<Item = usize> {
    (1..=tokens.div_ceil(every.max(1))).map(move |n| tokens.min(n * every))
}

/// The partial pictures of a whole run: after `every` tokens, after twice as many, ..., after all.
///
/// # Errors
/// As [`Tokenizer::decode_image`].
pub async fn frames(tokenizer: &Tokenizer, tokens: &[u32], grid: usize, every: usize) -> Result<Vec<Preview>> {
    let mut frames = Vec::new();
    for count in counts(tokens.len(), every) {
        let codes = fill_undrawn(tokens[..count].to_vec(), grid, grid * grid);
        frames.push(Preview { tokens: count, image: tokenizer.decode_image(&codes, grid).await? });
    }
    Ok(frames)
}

impl Recorded {
    /// The partial picture to show while `drawn` tokens are there: the first one that has decoded all of them. What it
    /// shows beyond them is covered by viewers. `None` where no token is drawn.
    pub fn frame(&self, drawn: usize) -> Option<&Preview> {
        self.frames.iter().find(|f| drawn > 0 && f.tokens >= drawn)
    }

    fn sheet_name(&self) -> &'static str {
        if self.run.baseline { "baseline.png" } else { "dpar.png" }
    }
}

impl Recording {
    /// From whole runs with details, as drawn with `files`; see [`frames`].
    pub fn new(files: &ModelFiles, dpar: Recorded, baseline: Option<Recorded>) -> Self {
        Self { model: files.hash.clone(), config: files.config.clone(), dpar, baseline }
    }

    /// Its runs, DPAR's first.
    pub fn runs(&self) -> impl Iterator<Item = &Recorded> {
        [&self.dpar].into_iter().chain(&self.baseline)
    }

    /// Its files, as (name, bytes).
    ///
    /// # Errors
    /// As [`Sheet::png`].
    pub fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let internal = |e: serde_json::Error| Error::Internal(format!("a recording has no JSON ({e})"));
        let config = self.config.without_search();
        let file = Written {
            config: &config,
            every: self.dpar.frames.first().map_or(1, |f| f.tokens),
            trace: Trace { model: self.model.clone(), runs: self.runs().map(|r| r.run.clone()).collect() },
        };
        let mut files = vec![(JSON, serde_json::to_vec(&file).map_err(internal)?)];
        for recorded in self.runs() {
            let tiles: Vec<_> = recorded.frames.iter().map(|f| f.image.clone()).collect();
            files.push((recorded.sheet_name(), Sheet::of(&tiles, self.config.image_size() as u32, COLUMNS).png()?));
        }
        Ok(files)
    }

    /// Reads a recording: the bytes of `recording.json`, and `sheet`, which returns those of a PNG beside it, or why not.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Trace`] or [`Error::Image`], naming the file: nothing in it is believed.
    pub fn parse<'a, R>(json: &[u8], sheet: R) -> Result<Self>
    where
        R: Fn(&str) -> std::result::Result<Cow<'a, [u8]>, String>,
    {
        let bad = |problem: String| Error::Trace { file: JSON.into(), problem };
        Version::check(json, "a recording", VERSION).map_err(bad)?;
        let file: RecordedFile = serde_json::from_slice(json)
            .map_err(|e| bad(format!("is not a recording ({e}); `dpar record` writes one")))?;
        let config = ModelConfig::parse(file.config.to_string().as_bytes(), JSON)?;
        let (tokens, every) = (config.tokens(), file.every);
        file.trace.check(&config).map_err(bad)?;
        if !(1..=tokens).contains(&every) {
            return Err(bad(format!("has a picture every {every} tokens, an image of its model has {tokens}")));
        }
        if let Some(run) = file.trace.runs.iter().find(|run| run.tokens.len() != tokens || !run.is_detailed()) {
            let (n, class) = (run.tokens.len(), &run.class_name);
            return Err(bad(format!("has a run of {class} with {n} of {tokens} tokens, or without their details")));
        }
        let recorded = |run: Run| {
            let counts: Vec<usize> = counts(tokens, every).collect();
            let mut recorded = Recorded { run, frames: Vec::new() };
            let name = recorded.sheet_name();
            let png = sheet(name)
                .map_err(|why| Error::Image { file: name.into(), problem: format!("cannot be read ({why})") })?;
            let layout = SheetLayout { side: config.image_size() as u32, columns: COLUMNS, count: counts.len() as u32 };
            let sheet = Sheet::parse(&png, name, layout)?;
            let frames = counts.into_iter().enumerate();
            recorded.frames =
                frames.filter_map(|(n, tokens)| Some(Preview { tokens, image: sheet.tile(n)? })).collect();
            Ok::<_, Error>(recorded)
        };
        let mut runs = file.trace.runs.into_iter();
        let (dpar, baseline) = match (runs.next(), runs.next(), runs.next()) {
            (Some(dpar), baseline, None) if !dpar.baseline && baseline.as_ref().is_none_or(|b| b.baseline) => {
                (recorded(dpar)?, baseline.map(recorded).transpose()?)
            }
            _ => return Err(bad("must hold one DPAR run, and at most one of the baseline after it".into())),
        };
        Ok(Self { model: file.trace.model, config, dpar, baseline })
    }
}

#[cfg(test)]
mod tests;
