//! What a run cost, and what the patches saved.

use crate::app::state::picture::Picture;
use crate::checkpoint::config::{Generator, ModelConfig, TransformerConfig};
use crate::engine::gpu::TimedBy;
use crate::patching::Patches;

/// Figures of a picture at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Tokens drawn.
    pub tokens: usize,
    /// Patches they make up.
    pub patches: usize,
    /// Average patch length.
    pub average: f32,
    /// Steps of the patch transformer saved: tokens - patches.
    pub saved: usize,
    /// Layer-steps, if the model's shape is known.
    pub layer_steps: Option<usize>,
    /// Milliseconds a token.
    pub ms_per_token: Option<f64>,
    /// What that was measured by.
    pub timed_by: Option<TimedBy>,
}

impl Figures {
    /// Of the first `drawn` tokens of a picture under `patches`.
    pub fn of(
        picture: &Picture,
        patches: &Patches,
        drawn: usize,
        cost: Option<Cost>,
        (ms_per_token, timed_by): (Option<f64>, Option<TimedBy>),
    ) -> Self {
        let drawn = drawn.min(picture.tokens.len());
        let count = patches.starts().iter().take(drawn).filter(|s| **s).count();
        Self {
            tokens: drawn,
            patches: count,
            average: drawn as f32 / count.max(1) as f32,
            saved: drawn - count,
            layer_steps: cost.map(|c| c.steps(drawn, count)),
            ms_per_token,
            timed_by,
        }
    }
}

/// What runs cost, counted in layers: one layer on one token or patch is one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Layers that run for every token (entropy model, patch encoder, patch decoder; or the whole baseline).
    pub per_token: usize,
    /// Layers that run for every patch (the patch transformer).
    pub per_patch: usize,
}

impl Cost {
    /// Of one of a model folder's generators, if it has it.
    pub fn of(config: &ModelConfig, generator: Generator) -> Option<Self> {
        let layers = |c: &TransformerConfig| c.n_layer;
        match generator {
            Generator::Baseline => config.baseline.as_ref().map(|c| Self { per_token: layers(c), per_patch: 0 }),
            Generator::Dpar => config.dpar.as_ref().map(|c| Self {
                per_token: config.entropy.as_ref().map_or(0, layers)
                    + c.n_local_encoder_layers
                    + c.n_local_decoder_layers,
                per_patch: c.n_layer,
            }),
        }
    }

    /// Layer-steps of so many tokens in so many patches.
    pub fn steps(self, tokens: usize, patches: usize) -> usize {
        self.per_token * tokens + self.per_patch * patches
    }
}
