//! What a run has to say: one enum, consumed by the command line and the app alike.

use std::time::Duration;

use crate::engine::Record;
use crate::engine::gpu::TimedBy;
use crate::patching::{Patch, PatchRule, Patches, StartReason};

/// What happened at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// i.
    pub position: usize,
    /// x_i.
    pub id: u32,
    /// e_i in nats; `None` for the baseline, which has no entropy model.
    pub entropy: Option<f32>,
    /// Why the token starts a patch; `None` where it continues one.
    pub starts_patch: Option<StartReason>,
    /// m, the patch that holds it (the position itself for the baseline).
    pub patch: usize,
    /// How many tokens were more probable.
    pub rank: u32,
    /// Probability of the drawn token, after guidance and temperature, before top-k and top-p.
    pub probability: f32,
    /// The most probable tokens with their probabilities, best first.
    pub candidates: Vec<(u32, f32)>,
}

impl Token {
    /// From what the engine has written down. `patches`: an entropy model decides them; `vocab`: V.
    pub(super) fn drawn(
        position: usize,
        record: &Record,
        starts_patch: Option<StartReason>,
        patches: bool,
        vocab: usize,
    ) -> Self {
        let candidates = record.candidates.iter().copied().zip(record.probabilities);
        Self {
            position,
            id: record.token,
            entropy: patches.then_some(record.entropy),
            starts_patch,
            patch: if patches { record.patch as usize } else { position },
            rank: record.rank,
            probability: record.probability,
            candidates: candidates.filter(|(id, _)| (*id as usize) < vocab).collect(),
        }
    }

    /// The tokens of a picture that was read and not drawn: no ranks, no probabilities. Codes and entropies (T).
    pub fn read(codes: &[u32], entropies: &[f32], rule: &PatchRule) -> Vec<Self> {
        let (mut run, mut patch) = (0, 0);
        let token = |(position, (id, entropy)): (usize, (&u32, &f32))| {
            let starts_patch = rule.start(position as u32, *entropy, run);
            run = if starts_patch.is_some() { 1 } else { run + 1 };
            patch += usize::from(starts_patch.is_some() && position > 0);
            let (rank, probability, candidates) = (0, f32::NAN, Vec::new());
            Self { position, id: *id, entropy: Some(*entropy), starts_patch, patch, rank, probability, candidates }
        };
        codes.iter().zip(entropies).enumerate().map(token).collect()
    }
}

/// Figures of a finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Tokens drawn.
    pub tokens: usize,
    /// Patches, which is the number of patch-transformer steps (0 for the baseline).
    pub patches: usize,
    /// Average patch length T / M.
    pub average_patch_length: f32,
    /// Time spent running (pauses excluded); of several pictures at once, this one's share.
    pub elapsed: Duration,
    /// What that was measured by; `None` where nothing ran.
    pub timed_by: Option<TimedBy>,
    /// Whether the run was stopped before its last token.
    pub stopped: bool,
}

impl Statistics {
    /// Of a picture that was read, not drawn just now: it took no time.
    pub fn of_read(patches: &Patches) -> Self {
        Self {
            tokens: patches.starts().len(),
            patches: patches.count(),
            average_patch_length: patches.average_length(),
            elapsed: Duration::ZERO,
            timed_by: None,
            stopped: false,
        }
    }

    /// Milliseconds a token.
    pub fn ms_per_token(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1000.0 / self.tokens.max(1) as f64
    }
}

/// What a run has to say.
#[derive(Clone, Debug)]
pub enum Event {
    /// A token was drawn.
    Token(Token),
    /// A patch is complete.
    PatchClosed(Patch),
    /// The run is over.
    Done(Statistics),
}
