//! What the patch transformer looks at: its attention weights, layer by layer and head by head.
//!
//! # Which patches a patch attends to
//!
//! The patch transformer reads [class, p_0 .. p_{M-2}] and its output m is the state s_m that the tokens of patch m are
//! decoded with (dpar.md section 5). So the row of patch m says what s_m was made from:
//!
//! ```text
//! row m:   column 0 | column 1 | column 2 | .. | column m  | columns m + 1 ..
//!          class    | patch 0  | patch 1  | .. | patch m-1 | 0 (patch m itself and later ones are not known yet)
//! ```
//!
//! Row 0 is [1, 0, ..]: patch 0 has nothing but the class. Position m of the transformer carries the vector and the
//! Dynamic RoPE of patch m - 1; "patch m attends to patch j" is column j + 1 of row m. In a guided run these are the
//! weights of the lane with the class.

use burn::tensor::Tensor;

use super::batch::check_batch;
use super::dpar::Dpar;
use super::patch_layout::PatchLayout;
use super::tensors::read_f32;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::Patches;

/// Most weights kept at once (64 MiB of f32): 8 heads of 1,448 patches.
const MOST: usize = 1 << 24;

/// The attention weights of one layer. Rows and columns as in the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMap {
    heads: usize,
    patches: usize,
    weights: Vec<f32>, // (h, M, M)
}

impl AttentionMap {
    /// Whether a layer's weights, of so many heads among so many patches, are held at once.
    pub fn fits(heads: usize, patches: usize) -> bool {
        heads * patches * patches <= MOST
    }

    /// h.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// M.
    pub fn patches(&self) -> usize {
        self.patches
    }

    /// All weights, (h, M, M).
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What patch `m` looks at with head `head`: [class, patch 0 .. patch m - 1], m + 1 weights that sum to 1. Empty where
    /// there is no such patch or head.
    pub fn row(&self, head: usize, m: usize) -> &[f32] {
        if head >= self.heads || m >= self.patches {
            return &[];
        }
        let start = (head * self.patches + m) * self.patches;
        &self.weights[start..=start + m]
    }

    /// [`AttentionMap::row`], averaged over the heads.
    pub fn mean_row(&self, m: usize) -> Vec<f32> {
        let mut mean = vec![0.0; self.row(0, m).len()];
        for head in 0..self.heads {
            for (to, w) in mean.iter_mut().zip(self.row(head, m)) {
                *to += w / self.heads as f32;
            }
        }
        mean
    }
}

impl Dpar {
    /// Attention weights of layer `layer` of the patch transformer over all patches of an image, or of its first tokens.
    ///
    /// `tokens` (T' <= T) in raster order, `class` (C is the null class), `patches` of those tokens. One parallel pass
    /// through the patch encoder and the layers before; the weights are held at once, on the device and here.
    ///
    /// # Errors
    /// [`Error::Request`] for a layer, token or class that does not exist, patches of another number of tokens, or so
    /// many patches that the weights take more than 64 MiB ([`Dpar::attention_row`] serves those); else as [`read_f32`].
    pub async fn attention(
        &self,
        tokens: &[u32],
        class: &Mix,
        patches: &Patches,
        layer: usize,
    ) -> Result<AttentionMap> {
        let (heads, count) = (self.config.n_head, patches.count());
        if !AttentionMap::fits(heads, count) {
            return Err(Error::Request(format!(
                "attention of {heads} heads among {count} patches is too much to hold: ask for one patch at a time"
            )));
        }
        let weights = read_f32(self.weights_from(tokens, class, patches, layer, 0)?).await?;
        Ok(AttentionMap { heads, patches: count, weights })
    }

    /// The row of one patch alone, for any number of patches: (h, m + 1), [class, patch 0 .. patch m - 1] a head.
    ///
    /// Arguments as [`Dpar::attention`]; nothing after patch m's first token is looked at.
    ///
    /// # Errors
    /// [`Error::Request`] as [`Dpar::attention`], and for a patch that does not exist; else as [`read_f32`].
    pub async fn attention_row(
        &self,
        tokens: &[u32],
        class: &Mix,
        patches: &Patches,
        layer: usize,
        m: usize,
    ) -> Result<Vec<f32>> {
        PatchLayout::new(std::slice::from_ref(patches), tokens.len())?;
        let Some(patch) = patches.list().get(m).copied() else {
            return Err(Error::Request(format!("patch {m} does not exist: there are {}", patches.count())));
        };
        // Up to the first token of patch m: that patch is the last then, and the last one is never read.
        let known = patch.first + 1;
        let before = Patches::from_starts(patches.starts()[..known].to_vec(), self.config.grid_size as u32);
        read_f32(self.weights_from(&tokens[..known], class, &before, layer, m)?).await
    }

    /// (1, h, M - first, M)
    fn weights_from(
        &self,
        tokens: &[u32],
        class: &Mix,
        patches: &Patches,
        layer: usize,
        first: usize,
    ) -> Result<Tensor<4>> {
        let count = self.transformer.layers.len();
        if layer >= count {
            return Err(Error::Request(format!("layer {layer} does not exist: the patch transformer has {count}")));
        }
        let (_, t) = check_batch(&self.config, tokens, std::slice::from_ref(class))?;
        let layout = PatchLayout::new(std::slice::from_ref(patches), t)?;
        let x = self.tokens.forward(tokens.iter().map(|&id| id as usize), 1); // (1, T', D)
        let (_, p) = self.encoder.forward(x, &self.rope_encoder.narrow(0, t), &layout); // (1, M, D)
        let rope = layout.rope(&self.config, &p.device());
        Ok(self.transformer.attention_weights(p, std::slice::from_ref(class), &rope, layer, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_end_with_the_patch_before() {
        // Two heads, three patches; beyond the diagonal is what nobody may see.
        let head = |a: f32| [1.0, 9.0, 9.0, a, 1.0 - a, 9.0, 0.5, 0.25, 0.25];
        let map = AttentionMap { heads: 2, patches: 3, weights: [head(0.25), head(0.75)].concat() };
        assert_eq!(map.row(1, 0), [1.0]);
        assert_eq!(map.row(1, 1), [0.75, 0.25]);
        assert_eq!(map.mean_row(1), [0.5, 0.5]);
        assert_eq!(map.mean_row(2), [0.5, 0.25, 0.25]);
        assert!(map.row(2, 0).is_empty() && map.row(0, 3).is_empty() && map.mean_row(3).is_empty());
    }
}
