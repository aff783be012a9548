//! The patch transformer G (dpar.md section 5, `gpt.py` `DynamicTransformer.layers`): the big model, one step per patch.
//!
//! It reads [class, p_0 .. p_{M-2}], causal; output m is the state s_m predicted *for* patch m, so s_0 comes from the
//! class alone and the last patch is never read.

use burn::tensor::Tensor;

use super::block::{Block, Embedding};
use super::rope::Rope;
use super::weights::Weights;
use crate::checkpoint::config::TransformerConfig;
use crate::error::Result;
use crate::mix::Mix;

/// The patch transformer on a device.
#[derive(Clone, Debug)]
pub struct PatchTransformer {
    /// Class embeddings (C + 1, D); the last is the null class of classifier-free guidance.
    pub classes: Embedding,
    /// G layers.
    pub layers: Vec<Block>,
}

impl PatchTransformer {
    /// Loads `cls_embedding` and `layers` of the checkpoint's root `w`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        Ok(Self {
            classes: Embedding::load(w, "cls_embedding.embedding_table")?,
            layers: Block::load_all(w, c, c.n_layer)?,
        })
    }

    /// Patch vectors `p` (B, M, D) and `classes` (B) -> states s (B, M, D). `rope` holds M positions: the class, then
    /// Dynamic RoPE of patches 0 to M - 2.
    pub fn forward(&self, p: Tensor<3>, classes: &[Mix], rope: &Rope) -> Tensor<3> {
        self.run(p, classes, rope, self.layers.len())
    }

    /// As [`PatchTransformer::forward`], through the first `count` layers only.
    fn run(&self, p: Tensor<3>, classes: &[Mix], rope: &Rope, count: usize) -> Tensor<3> {
        let m = p.dims()[1];
        let class = self.classes.mixed(classes); // (B, 1, D)
        let mut s = if m > 1 { Tensor::cat(vec![class, p.narrow(1, 0, m - 1)], 1) } else { class }; // (B, M, D)
        for layer in &self.layers[..count] {
            s = layer.forward(s, rope);
        }
        s
    }

    /// Attention weights of layer `layer` for positions `first` to M - 1, arguments as [`PatchTransformer::forward`]:
    /// (B, h, M - first, M). Column 0 is the class, column j patch j - 1.
    pub fn attention_weights(
        &self,
        p: Tensor<3>,
        classes: &[Mix],
        rope: &Rope,
        layer: usize,
        first: usize,
    ) -> Tensor<4> {
        self.layers[layer].attention_weights(self.run(p, classes, rope, layer), rope, first)
    }
}
