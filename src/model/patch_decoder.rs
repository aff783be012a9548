//! The patch decoder Dn (dpar.md section 6, `gpt.py` `LocalDecoder`): states of patches back to tokens.
//!
//! Decoder position i predicts x_i. It starts from the encoder's state of x_{i-1} (a learned vector for i = 0). Before
//! every layer the state s_m of the patch that *holds token i* is added, projected: with a single key, cross-attention
//! is its value, so only the norm and Wo remain.
//!
//! ```text
//! x = x + Wo_l RMSNorm_l(s_m)      x = Block_l(x)
//! ```

use burn::tensor::Tensor;

use super::block::{Block, Linear, RmsNorm};
use super::patch_layout::PatchLayout;
use super::rope::Rope;
use super::weights::Weights;
use crate::checkpoint::config::TransformerConfig;
use crate::error::Result;

/// "Cross-attention" to a single key: the projected state of the token's patch.
#[derive(Clone, Debug)]
pub struct SingleKey {
    norm: RmsNorm,
    wo: Linear,
}

impl SingleKey {
    /// States (B, M, D) -> what they add to their tokens' positions (B, M, D).
    pub fn forward(&self, state: Tensor<3>) -> Tensor<3> {
        self.wo.forward(self.norm.forward(state))
    }
}

/// One decoder layer.
#[derive(Clone, Debug)]
pub struct DecoderLayer {
    /// Adds the patch's state.
    pub cross: SingleKey,
    /// Over all decoder positions.
    pub block: Block,
}

/// The patch decoder on a device.
#[derive(Clone, Debug)]
pub struct PatchDecoder {
    /// Input of position 0, where there is no previous token. (1, 1, D)
    pub start: Tensor<3>,
    /// Dn layers.
    pub layers: Vec<DecoderLayer>,
}

impl PatchDecoder {
    /// Loads `decoder_start_embedding` and `local_decoder` of the checkpoint's root `w`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        let start = w.tensor::<2>("decoder_start_embedding.weight")?.unsqueeze();
        let w = w.at("local_decoder");
        let layers = (0..c.n_local_decoder_layers).map(|n| {
            let cross = w.at(&format!("cross_attn_layers.{n}"));
            let norm = RmsNorm::load(&cross, "cross_attn_norm_kv", c.norm_eps)?;
            let cross = SingleKey { norm, wo: Linear::load(&cross, "wo")? };
            Ok(DecoderLayer { cross, block: Block::load(&w.at(&format!("layers.{n}")), c)? })
        });
        Ok(Self { start, layers: layers.collect::<Result<_>>()? })
    }

    /// Token states `h` (B, T, D) and patch states `s` (B, M, D) -> (B, T, D). `rope` holds T positions, class first.
    pub fn forward(&self, h: Tensor<3>, s: Tensor<3>, rope: &Rope, layout: &PatchLayout) -> Tensor<3> {
        let [b, t, width] = h.dims();
        let patches = layout.patch_of_token(&h.device()); // (B * T)
        let start = self.start.clone().expand([b, 1, width]);
        let mut x = if t > 1 { Tensor::cat(vec![start, h.narrow(1, 0, t - 1)], 1) } else { start }; // (B, T, D)
        for layer in &self.layers {
            let added = layer.cross.forward(s.clone()).reshape([b * layout.count(), width]); // (B * M, D)
            x = x + added.select(0, patches.clone()).reshape([b, t, width]);
            x = layer.block.forward(x, rope);
        }
        x
    }
}
