//! Recorded runs as small JSON: `{"runs": [{"class", "seed", "threshold", "tokens", "entropies", "starts", ...}]}`.
//!
//! A *detailed* run also holds, per token, its rank, its probability and the most probable candidates: all that a
//! viewer shows of a live run. [`Run::tokens_detailed`] makes the session's [`Token`]s of it again.

use serde::{Deserialize, Serialize};

use crate::checkpoint::config::Generator;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::json;
use crate::checkpoint::version::Version;
use crate::controls::Controls;
use crate::engine::state::CANDIDATES;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::{Patches, StartReason};
use crate::run::course::Course;
use crate::run::event::Token;
use crate::run::prompt;
use crate::run::request::Request;
use crate::run::session::Session;

/// Candidates that a detailed run keeps of each token.
const KEPT_CANDIDATES: usize = 5;

/// The form of traces that is read and written; the first had no version, and it is still that one.
const VERSION: Version = Version(1);

/// A trace file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The model's hash (see [`crate::checkpoint::ModelFiles::hash`]).
    #[serde(default)]
    pub model: String,
    /// The runs.
    pub runs: Vec<Run>,
}

/// One recorded run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Class number; of several that are mixed the heaviest.
    pub class: usize,
    /// What is mixed: `[[weight, class], ..]`; absent for a single class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
    /// What was asked for, in words.
    #[serde(default)]
    pub class_name: String,
    /// Whether the fixed-length baseline drew it.
    #[serde(default)]
    pub baseline: bool,
    /// Seed.
    pub seed: u32,
    /// Controls at the start: `threshold`, `mode`, `p_max`, `cfg_scale`, `temperature`, `top_k`, `top_p`.
    #[serde(flatten)]
    pub controls: Controls,
    /// Control changes on the way, each with the position it took effect at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<(usize, Controls)>,
    /// Tokens that were given rather than drawn, by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Option<u32>>,
    /// x_i. (T)
    pub tokens: Vec<u32>,
    /// e_i in nats; empty for the baseline. (T)
    pub entropies: Vec<f32>,
    /// Whether token i starts a patch. (T)
    pub starts: Vec<bool>,
    /// How many tokens were more probable than x_i. (T, or none)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<u32>,
    /// Probability of x_i, to four digits. (T, or none)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f32>,
    /// The most probable tokens at i with their probabilities to four digits, best first. (T, or none)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Vec<(u32, f32)>>,
}

/// A number as short as four significant digits allow.
fn four_digits(value: f32) -> f32 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

impl Run {
    /// What a session drew, of several pictures the first, with ranks, probabilities and candidates: about four times as long.
    pub fn detailed(session: &Session, config: &ModelConfig) -> Self {
        Self::of_picture(&session.pictures()[0], config)
    }

    /// The same of any of a session's pictures.
    pub fn of_picture(picture: &Course, config: &ModelConfig) -> Self {
        let request = Request { schedule: picture.changes().to_vec(), ..picture.request().clone() };
        Self::of_tokens(&request, picture.tokens(), config)
    }

    /// The tokens that a request drew; `request.schedule` holds the changes on the way.
    pub fn of_tokens(request: &Request, tokens: &[Token], config: &ModelConfig) -> Self {
        let best = |t: &Token| -> Vec<(u32, f32)> {
            t.candidates.iter().take(KEPT_CANDIDATES).map(|(id, p)| (*id, four_digits(*p))).collect()
        };
        Self {
            class: request.class.heaviest(),
            mix: Some(request.class.clone()).filter(|mix| mix.single().is_none()),
            class_name: prompt::caption(&request.class, config),
            baseline: request.generator == Generator::Baseline,
            seed: request.seed,
            controls: request.controls.clone(),
            changes: request.schedule.clone(),
            forced: request.forced.clone(),
            tokens: tokens.iter().map(|t| t.id).collect(),
            entropies: tokens.iter().filter_map(|t| t.entropy).collect(),
            starts: tokens.iter().map(|t| t.starts_patch.is_some()).collect(),
            ranks: tokens.iter().map(|t| t.rank).collect(),
            probabilities: tokens.iter().map(|t| four_digits(t.probability)).collect(),
            candidates: tokens.iter().map(best).collect(),
        }
    }

    /// Without ranks, probabilities and candidates.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { ranks: Vec::new(), probabilities: Vec::new(), candidates: Vec::new(), ..self }
    }

    /// Whether ranks, probabilities and candidates are there.
    pub fn is_detailed(&self) -> bool {
        !self.tokens.is_empty()
            && [self.ranks.len(), self.probabilities.len(), self.candidates.len()]
                .iter()
                .all(|n| *n == self.tokens.len())
    }

    /// The controls in force at position `i`.
    pub fn live_at(&self, i: usize) -> &Controls {
        self.changes.iter().rev().find(|(at, _)| *at <= i).map_or(&self.controls, |(_, controls)| controls)
    }

    /// Its patches on a grid `grid` wide (every token its own for the baseline).
    pub fn patches(&self, grid: usize) -> Patches {
        Patches::from_starts(self.starts.clone(), grid as u32)
    }

    /// The tokens as the session told them, on a grid `grid` wide. The starts are those that were recorded; why a patch
    /// starts follows from the rule (an entropy within rounding of the threshold counts as above it). Of a run without
    /// details, ranks and probabilities are 0 and there are no candidates.
    pub fn tokens_detailed(&self, grid: usize) -> Vec<Token> {
        let ids = self.patches(grid).ids();
        let mut run = 0;
        let token = |(position, id): (usize, &u32)| {
            let starts = position == 0 || self.starts.get(position).copied().unwrap_or_default();
            let entropy = self.entropies.get(position).copied();
            let reason = match entropy {
                None => StartReason::Every,
                Some(e) => {
                    let rule = self.live_at(position).rule(grid);
                    rule.start(position as u32, e, run).unwrap_or(StartReason::Entropy)
                }
            };
            run = if starts { 1 } else { run + 1 };
            Token {
                position,
                id: *id,
                entropy,
                starts_patch: starts.then_some(reason),
                patch: ids.get(position).copied().unwrap_or(position),
                rank: self.ranks.get(position).copied().unwrap_or_default(),
                probability: self.probabilities.get(position).copied().unwrap_or_default(),
                candidates: self.candidates.get(position).cloned().unwrap_or_default(),
            }
        };
        self.tokens.iter().enumerate().map(token).collect()
    }

    /// The request that repeats it.
    pub fn request(&self) -> Request {
        Request {
            generator: if self.baseline { Generator::Baseline } else { Generator::Dpar },
            class: self.mix.clone().unwrap_or_else(|| self.class.into()),
            seed: self.seed,
            controls: self.controls.clone(),
            forced: self.forced.clone(),
            schedule: self.changes.clone(),
        }
    }
}

impl Trace {
    /// Reads a trace. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Trace`] for broken JSON, or runs that the model cannot have drawn.
    pub fn parse(json: &[u8], file: &str, config: &ModelConfig) -> Result<Self> {
        Ok(Self::read(json, file, config)?.0)
    }

    /// As [`Trace::parse`]; with it, a sentence for each key that nobody reads.
    ///
    /// # Errors
    /// As [`Trace::parse`].
    pub fn read(json: &[u8], file: &str, config: &ModelConfig) -> Result<(Self, Vec<String>)> {
        let bad = |problem: String| Error::Trace { file: file.to_owned(), problem };
        let text = json::text(json).map_err(bad)?;
        Version::check(&text, "a trace", VERSION).map_err(bad)?;
        let (trace, notes) = json::read::<Self>(&text, "a trace")
            .map_err(|e| bad(format!("{e}; `dpar generate --trace` writes one")))?;
        trace.check(config).map_err(bad)?;
        Ok((trace, notes.into_iter().map(|note| format!("{file}: {note}")).collect()))
    }

    /// What is wrong with it for this model, as the rest of a sentence that begins with its name.
    pub(crate) fn check(&self, config: &ModelConfig) -> std::result::Result<(), String> {
        self.runs.iter().enumerate().try_for_each(|(n, run)| run.check(n + 1, config))
    }
}

impl Run {
    /// What is wrong with the `n`th run (from 1) for this model.
    fn check(&self, n: usize, config: &ModelConfig) -> std::result::Result<(), String> {
        self.request().check(config).map_err(|e| format!("run {n}: {e}"))?;
        let (t, vocab) = (config.tokens(), config.vocab() as u32);
        if self.tokens.is_empty() {
            return Err(format!("run {n} holds no tokens: there is nothing to replay"));
        }
        let candidates = || self.candidates.iter().flatten();
        if let Some(id) = self.tokens.iter().chain(candidates().map(|c| &c.0)).find(|id| **id >= vocab) {
            return Err(format!("run {n} has token {id}, the codebook of this model ends at {}", vocab - 1));
        }
        if !self.changes.is_sorted_by_key(|(at, _)| *at) {
            return Err(format!("run {n} lists its control changes out of order"));
        }
        let (tokens, starts) = (self.tokens.len(), self.starts.len());
        if let Some((what, count)) = [("tokens", tokens), ("starts", starts)].into_iter().find(|(_, count)| *count > t)
        {
            return Err(format!("run {n} has {count} {what}, an image of this model has {t}"));
        }
        if starts != tokens {
            return Err(format!("run {n} has {tokens} tokens but {starts} starts: one is needed for each token"));
        }
        let (given, expected) = (self.entropies.len(), if self.baseline { 0 } else { tokens });
        if given != expected {
            return Err(format!("run {n} has {given} entropies, {expected} belong to its tokens"));
        }
        let details = [
            ("ranks", self.ranks.len()),
            ("probabilities", self.probabilities.len()),
            ("candidates", self.candidates.len()),
        ];
        if let Some((what, count)) = details.into_iter().find(|(_, count)| *count != 0 && *count != tokens) {
            return Err(format!(
                "run {n} has {count} {what} for {tokens} tokens: one is needed for each, or none at all"
            ));
        }
        if let Some(rank) = self.ranks.iter().find(|r| **r >= vocab) {
            return Err(format!("run {n} has rank {rank}, but only {vocab} tokens to rank"));
        }
        if let Some(list) = self.candidates.iter().find(|c| c.len() > CANDIDATES) {
            return Err(format!("run {n} has a token with {} candidates, at most {CANDIDATES} are kept", list.len()));
        }
        let mut probabilities = self.probabilities.iter().chain(candidates().map(|c| &c.1));
        if let Some(p) = probabilities.find(|p| !(0.0..=1.001).contains(*p)) {
            return Err(format!("run {n} has a probability of {p}: it must lie between 0 and 1"));
        }
        if let Some(e) = self.entropies.iter().find(|e| !e.is_finite()) {
            return Err(format!("run {n} has an entropy of {e}: it must be a number of nats"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
