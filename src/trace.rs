//! Recorded runs as small JSON: `{"runs": [{"class", "seed", "threshold", "tokens", "entropies", "starts", ...}]}`.

use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::engine::Generator;
use crate::error::{Error, Result};
use crate::request::{Live, Request};
use crate::session::Session;

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
    /// Class number.
    pub class: usize,
    /// Class name, for people.
    #[serde(default)]
    pub class_name: String,
    /// Whether the fixed-length baseline drew it.
    #[serde(default)]
    pub baseline: bool,
    /// Seed.
    pub seed: u32,
    /// Controls at the start: `threshold`, `mode`, `p_max`, `cfg_scale`, `temperature`, `top_k`, `top_p`.
    #[serde(flatten)]
    pub live: Live,
    /// Control changes on the way, each with the position it took effect at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<(usize, Live)>,
    /// Tokens that were given rather than drawn, by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Option<u32>>,
    /// x_i. (T)
    pub tokens: Vec<u32>,
    /// e_i in nats; empty for the baseline. (T)
    pub entropies: Vec<f32>,
    /// Whether token i starts a patch. (T)
    pub starts: Vec<bool>,
}

impl Run {
    /// What a session drew.
    pub fn of(session: &Session, config: &ModelConfig) -> Self {
        let (request, tokens) = (session.request(), session.tokens());
        Self {
            class: request.class,
            class_name: config.class_name(request.class),
            baseline: request.generator == Generator::Baseline,
            seed: request.seed,
            live: request.live.clone(),
            changes: session.changes().to_vec(),
            forced: request.forced.clone(),
            tokens: tokens.iter().map(|t| t.id).collect(),
            entropies: tokens.iter().filter_map(|t| t.entropy).collect(),
            starts: tokens.iter().map(|t| t.starts_patch.is_some()).collect(),
        }
    }

    /// The request that repeats it.
    pub fn request(&self) -> Request {
        Request {
            generator: if self.baseline { Generator::Baseline } else { Generator::Dpar },
            class: self.class,
            seed: self.seed,
            live: self.live.clone(),
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
        let bad = |problem: String| Error::Trace { file: file.to_owned(), problem };
        let trace: Self = serde_json::from_slice(json)
            .map_err(|e| bad(format!("is not a trace ({e}); `dpar generate --trace` writes one")))?;
        for (n, run) in trace.runs.iter().enumerate() {
            run.request().check(config).map_err(|e| bad(format!("run {}: {e}", n + 1)))?;
            let (t, vocab, n) = (config.tokens(), config.vocab() as u32, n + 1);
            if run.tokens.is_empty() {
                return Err(bad(format!("run {n} holds no tokens: there is nothing to replay")));
            }
            if let Some(id) = run.tokens.iter().find(|id| **id >= vocab) {
                return Err(bad(format!("run {n} has token {id}, the codebook of this model ends at {}", vocab - 1)));
            }
            if !run.changes.is_sorted_by_key(|(at, _)| *at) {
                return Err(bad(format!("run {n} lists its control changes out of order")));
            }
            let counts = [("tokens", run.tokens.len()), ("starts", run.starts.len())];
            if let Some((what, count)) = counts.into_iter().find(|(_, count)| *count > t) {
                return Err(bad(format!("run {n} has {count} {what}, an image of this model has {t}")));
            }
            if run.starts.len() != run.tokens.len() {
                let (starts, tokens) = (run.starts.len(), run.tokens.len());
                return Err(bad(format!(
                    "run {n} has {tokens} tokens but {starts} starts: one is needed for each token"
                )));
            }
            let expected = if run.baseline { 0 } else { run.tokens.len() };
            if run.entropies.len() != expected {
                let given = run.entropies.len();
                return Err(bad(format!("run {n} has {given} entropies, {expected} belong to its tokens")));
            }
        }
        Ok(trace)
    }
}
