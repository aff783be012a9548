//! The run's state, the live controls and the per-token records: the words that CPU and WGSL share.
//!
//! Names and order of the state words stand in `shaders/shared/state.wgsl` too; `tests/shaders.rs` compares the two.

use bytemuck::{Pod, Zeroable};

use crate::controls::SamplingConfig;
use crate::patching::{Mode, PatchRule, StartReason};

/// Words of the `state` buffer. A gate is a word, too: an op whose gate word is 0 does nothing.
pub mod word {
    /// Always 0.
    pub const ZERO: u32 = 0;
    /// 1 until the last token was drawn.
    pub const RUN: u32 = 1;
    /// i, the position being drawn.
    pub const POS: u32 = 2;
    /// i - 1, the newest drawn token.
    pub const PREV: u32 = 3;
    /// x_{i-1}.
    pub const TOKEN: u32 = 4;
    /// 1 once there is an x_{i-1} (and the run goes on).
    pub const HAS_TOKEN: u32 = 5;
    /// Token i starts a patch.
    pub const BOUNDARY: u32 = 6;
    /// ... and so closes the one before.
    pub const CLOSE: u32 = 7;
    /// m, the patch that holds token i.
    pub const PATCH: u32 = 8;
    /// Its first token.
    pub const PATCH_FIRST: u32 = 9;
    /// Tokens it holds so far, i included.
    pub const PATCH_LEN: u32 = 10;
    /// First token of the patch being closed.
    pub const CLOSE_FIRST: u32 = 11;
    /// Last token of the patch being closed.
    pub const CLOSE_LAST: u32 = 12;
    /// Why token i starts a patch (a [`crate::patching::StartReason`]); 0 where it does not.
    pub const REASON: u32 = 13;
    /// x_i.
    pub const DRAWN: u32 = 14;
    /// T.
    pub const TOKENS: u32 = 15;
    /// All of them, in order, as the shaders name them.
    pub const NAMES: [&str; 16] = [
        "ZERO",
        "RUN",
        "POS",
        "PREV",
        "TOKEN",
        "HAS_TOKEN",
        "BOUNDARY",
        "CLOSE",
        "PATCH",
        "PATCH_FIRST",
        "PATCH_LEN",
        "CLOSE_FIRST",
        "CLOSE_LAST",
        "REASON",
        "DRAWN",
        "TOKENS",
    ];
}

/// Pictures at once at most: so many controls has the uniform.
pub const MAX_PICTURES: usize = 32;

/// Words of the `state` buffer for one picture.
pub const STATE_WORDS: usize = word::NAMES.len();

/// In the `forced` buffer: draw this token freely.
pub const DRAW: u32 = u32::MAX;

/// The state before the first token of a run over `tokens` tokens.
pub fn initial_state(tokens: usize) -> [u32; STATE_WORDS] {
    let mut state = [0; STATE_WORDS];
    state[word::RUN as usize] = 1;
    state[word::TOKENS as usize] = tokens as u32;
    state
}

/// Everything that may change while a run goes on, of one picture. Lives in a uniform that is written between submits.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct ControlsUniform {
    /// Entropy threshold in nats.
    pub threshold: f32,
    /// P_max; 0 is unlimited.
    pub max_patch_length: u32,
    /// A [`crate::patching::Mode`].
    pub mode: u32,
    /// Grid side g.
    pub grid: u32,
    /// Classifier-free guidance scale (needs two lanes; without effect on one).
    pub cfg_scale: f32,
    /// Softmax temperature; 0 is greedy.
    pub temperature: f32,
    /// 0 is off.
    pub top_k: u32,
    /// 1 is off.
    pub top_p: f32,
    /// Seed of the Gumbel noise.
    pub seed: u32,
    /// Codebook entries V.
    pub vocab: u32,
    pad: [u32; 2],
}

impl ControlsUniform {
    /// From a patch rule, sampling settings and a seed.
    pub fn new(rule: &PatchRule, sampling: &SamplingConfig, seed: u32, vocab: usize) -> Self {
        Self {
            threshold: rule.threshold,
            max_patch_length: rule.max_patch_length,
            mode: rule.mode as u32,
            grid: rule.grid,
            cfg_scale: sampling.cfg_scale,
            temperature: sampling.temperature,
            top_k: sampling.top_k.min(vocab) as u32,
            top_p: sampling.top_p,
            seed,
            vocab: vocab as u32,
            pad: [0; 2],
        }
    }

    /// A patch rule alone, for ops that draw nothing.
    pub fn of_rule(rule: &PatchRule) -> Self {
        Self {
            threshold: rule.threshold,
            max_patch_length: rule.max_patch_length,
            mode: rule.mode as u32,
            grid: rule.grid,
            ..Self::zeroed()
        }
    }

    /// The patch rule in it.
    pub fn rule(&self) -> PatchRule {
        PatchRule {
            mode: Mode::NAMES[(self.mode as usize).min(3)].1,
            threshold: self.threshold,
            max_patch_length: self.max_patch_length,
            grid: self.grid,
        }
    }
}

/// The most probable tokens kept per record.
pub const CANDIDATES: usize = 8;

/// Word 7 of a record that `sample` has begun and `record` has yet to complete.
pub const WANTED: u32 = 1;

/// Words of the logits that are kept of a picture until their records are complete, at most: 4 MiB.
const KEPT_LOGITS: usize = 1 << 20;

/// Tokens whose logits are kept until their records are complete, and so tokens a submit at most, of V codebook entries: 64, or as
/// many as take 4 MiB.
pub const fn tokens_a_submit(vocab: usize) -> usize {
    let most = KEPT_LOGITS / vocab;
    if most > 64 {
        64
    } else if most < 1 {
        1
    } else {
        most
    }
}

/// What happened at one position, as `sample` begins it and `record` completes it.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Record {
    /// x_i.
    pub token: u32,
    /// e_i in nats; 0 for the baseline, which has no entropy model.
    pub entropy: f32,
    /// A [`StartReason`] code, 0 where the token continues a patch.
    pub reason: u32,
    /// m, the patch that holds the token.
    pub patch: u32,
    /// How many tokens were more probable than the drawn one.
    pub rank: u32,
    /// Probability of the drawn token after guidance and temperature, before top-k and top-p.
    pub probability: f32,
    /// i + 1; 0 where nothing was written ([`Record::position`]).
    pub ordinal: u32,
    /// [`WANTED`] until it is complete.
    wanted: u32,
    /// The most probable tokens, best first (>= V where there are none left).
    pub candidates: [u32; CANDIDATES],
    /// Their probabilities.
    pub probabilities: [f32; CANDIDATES],
}

/// Words of one record.
pub const RECORD_WORDS: usize = size_of::<Record>() / 4;

impl Record {
    /// i, the position that it tells of; `None` where nothing was written, or not all.
    pub fn position(&self) -> Option<usize> {
        (self.ordinal as usize).checked_sub(1).filter(|_| self.wanted != WANTED)
    }

    /// Why the token starts a patch, if it does.
    pub fn start(&self) -> Option<StartReason> {
        StartReason::from_code(self.reason)
    }
}
