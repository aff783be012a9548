//! Files of others in the public layouts (LlamaGen's token models and tokenizers, DPAR's) -> a model folder.
//!
//! What a file is, and of which shape, is read off its tensors: public checkpoints carry no config. Nothing here opens files or
//! knows their formats: `platform` gives [`ForeignFile`]s, whose tensors are read one by one when they are written.

mod assemble;
mod foreign;
mod imagenet;
mod names;
mod recognise;
mod write;

use crate::controls::{Controls, SamplingConfig};
use crate::patching::Mode;

/// What files with weights of others are called, in lower case.
pub const MODEL_ENDINGS: [&str; 4] = ["pt", "pth", "ckpt", "safetensors"];

/// What the paper draws with: its threshold and longest patch, and LlamaGen's guidance and top-k.
pub fn paper_controls() -> Controls {
    let sampling = SamplingConfig { cfg_scale: 2.0, temperature: 1.0, top_k: 2000, top_p: 1.0 };
    Controls { mode: Mode::EntropyRowBoundary, threshold: 7.8, p_max: 4, sampling }
}

pub use self::assemble::{ImportedModel, ImportedPart, PartTensor, assemble};
pub use self::foreign::{ForeignFile, ForeignTensor, ReadTensor};
pub use self::names::{Named, named};
pub use self::recognise::{Hints, Recognised, recognise};

#[cfg(test)]
mod tests;
