//! Where patches begin: the one definition of the patch rule and of every off-by-one around it (dpar.md section 2).
//!
//! Entropy `e_i` is that of the entropy model's distribution for token `x_i` given `x_0 .. x_{i-1}`, in nats: it is
//! known *before* `x_i` is drawn, and so is everything else in the rule. Boundaries are therefore causal.
//!
//! # Worked example
//!
//! A grid of 4 x 4 tokens, threshold 2.0, P_max 3, mode [`Mode::EntropyRowBoundary`]. First row and a half:
//!
//! ```text
//! token i        0     1     2     3  |  4     5     6     7
//! e_i            0.1   0.3   0.4   2.5|  0.2   0.2   0.1   0.1
//! starts a patch yes   yes   -     yes|  yes   -     -     yes
//! because        first first       e>t|  row               full (patch 3 already holds tokens 4, 5, 6)
//! patch m        0     1     1     2  |  3     3     3     4
//! ```
//!
//! Token 0 is a patch of its own (`e_0` does not matter), so token 1 always starts patch 1. `e_3 = 2.5 > 2.0` starts
//! patch 2. Token 4 is the first of its row. Token 7 finds its patch holding P_max tokens and starts the next one.
//! A patch is *closed* (pooled, and fed to the patch transformer) when the token after its last one is about to be
//! drawn; its state `s_m` for the *next* patch is then what every token of that next patch is decoded with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How patch boundaries are chosen (BLT's patching modes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Mode {
    /// Every token is a patch.
    Token = 0,
    /// Patches of exactly P_max tokens in raster order (the last may be shorter).
    Static = 1,
    /// Entropy above the threshold, or the patch is full; rows do not matter.
    Entropy = 2,
    /// As [`Mode::Entropy`], and every row starts a patch. The default.
    #[default]
    EntropyRowBoundary = 3,
}

impl Mode {
    /// All modes with the names used in configs and on the command line.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("token", Self::Token),
        ("static", Self::Static),
        ("entropy", Self::Entropy),
        ("entropy_row_boundary", Self::EntropyRowBoundary),
    ];

    /// The mode's name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = Error;

    /// By its name.
    fn from_str(text: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode).ok_or_else(|| {
            Error::Request(format!("mode \"{text}\" is none of {}", Self::NAMES.map(|(name, _)| name).join(", ")))
        })
    }
}

/// Why a token starts a patch. The first reason that holds, in the order of dpar.md section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum StartReason {
    /// Token 0, or token 1 (token 0 is a patch of its own).
    First = 1,
    /// First token of a row.
    Row = 2,
    /// Its entropy exceeds the threshold.
    Entropy = 3,
    /// The previous patch holds P_max tokens.
    Full = 4,
    /// [`Mode::Token`]: every token does.
    Every = 5,
}

impl StartReason {
    /// The reason behind a code written by the `boundary` op; 0 and unknown codes are `None`.
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::First, Self::Row, Self::Entropy, Self::Full, Self::Every].into_iter().find(|r| *r as u32 == code)
    }
}

/// The patch rule: everything that decides a boundary but the entropies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchRule {
    /// How boundaries are chosen.
    pub mode: Mode,
    /// Entropy threshold in nats. Strict: a token starts a patch when its entropy is *above* it.
    pub threshold: f32,
    /// P_max, the most tokens a patch holds; 0 is unlimited.
    pub max_patch_length: u32,
    /// Grid side g; row = i / g, column = i % g.
    pub grid: u32,
}

impl PatchRule {
    /// Whether, and why, token `i` starts a patch, given its entropy `e` (nats) and `run`, the tokens that the current
    /// patch already holds (0 only for i = 0).
    pub fn start(&self, i: u32, e: f32, run: u32) -> Option<StartReason> {
        let full = self.max_patch_length > 0 && run >= self.max_patch_length;
        if i == 0 {
            return Some(StartReason::First);
        }
        match self.mode {
            Mode::Token => Some(StartReason::Every),
            Mode::Static => full.then_some(StartReason::Full),
            Mode::Entropy | Mode::EntropyRowBoundary => {
                if i == 1 {
                    Some(StartReason::First)
                } else if self.mode == Mode::EntropyRowBoundary && i.is_multiple_of(self.grid) {
                    Some(StartReason::Row)
                } else if e > self.threshold {
                    Some(StartReason::Entropy)
                } else {
                    full.then_some(StartReason::Full)
                }
            }
        }
    }

    /// The patches of a whole image, given the entropy of every token.
    pub fn patches(&self, entropies: &[f32]) -> Patches {
        let mut run = 0;
        let starts = (0u32..)
            .zip(entropies)
            .map(|(i, &e)| {
                let start = self.start(i, e, run).is_some();
                run = if start { 1 } else { run + 1 };
                start
            })
            .collect();
        Patches::from_starts(starts, self.grid)
    }
}

/// One patch: a run of tokens in raster order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Its first token.
    pub first: usize,
    /// How many tokens it holds.
    pub len: usize,
    /// Row of its first token (what Dynamic RoPE sees).
    pub row: usize,
    /// Column of its first token.
    pub first_column: usize,
    /// Column of its last token (left of `first_column` where a patch crosses rows).
    pub last_column: usize,
}

/// The patches of an image (or of its first tokens), in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patches {
    starts: Vec<bool>,
    grid: usize,
}

impl Patches {
    /// From the start flags of T tokens on a grid `grid` wide; token 0 starts a patch whatever its flag says.
    pub fn from_starts(mut starts: Vec<bool>, grid: u32) -> Self {
        if let Some(first) = starts.first_mut() {
            *first = true;
        }
        Self { starts, grid: (grid as usize).max(1) }
    }

    /// One token more; whether it starts a patch. Token 0 does whatever is said of it.
    pub fn push(&mut self, start: bool) {
        self.starts.push(start || self.starts.is_empty());
    }

    /// Per token: whether it starts a patch. (T)
    pub fn starts(&self) -> &[bool] {
        &self.starts
    }

    /// Number of patches, M.
    pub fn count(&self) -> usize {
        self.starts.iter().filter(|s| **s).count()
    }

    /// Average patch length T / M (0 for no tokens).
    pub fn average_length(&self) -> f32 {
        self.starts.len() as f32 / self.count().max(1) as f32
    }

    /// Per token: the patch that holds it. (T)
    pub fn ids(&self) -> Vec<usize> {
        let mut id = 0usize;
        self.starts
            .iter()
            .enumerate()
            .map(|(i, start)| {
                id += usize::from(*start && i > 0);
                id
            })
            .collect()
    }

    /// The patches in order. (M)
    pub fn list(&self) -> Vec<Patch> {
        let firsts: Vec<usize> = self.starts.iter().enumerate().filter_map(|(i, s)| s.then_some(i)).collect();
        let ends = firsts.iter().skip(1).copied().chain(std::iter::once(self.starts.len()));
        firsts
            .iter()
            .zip(ends)
            .map(|(&first, end)| Patch {
                first,
                len: end - first,
                row: first / self.grid,
                first_column: first % self.grid,
                last_column: (end - 1) % self.grid,
            })
            .collect()
    }
}
