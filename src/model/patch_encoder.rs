//! The patch encoder E (dpar.md section 4, `gpt.py` `LocalEncoder`): token embeddings -> token states and patch vectors.
//!
//! A causal block runs over all tokens. A patch's query is the elementwise maximum of its tokens' states; it then
//! attends to its own tokens only, without RoPE:
//!
//! ```text
//! h = Block(h)      p = query + Wo softmax(Wq RMSNorm_q(query) . Wk RMSNorm_kv(h)) Wv RMSNorm_kv(h)
//! ```
//!
//! With E > 1 the next layer's query is the previous p. The encoder never sees the class.

use burn::tensor::{Bool, Tensor};

use super::block::{Block, Linear, RmsNorm, attend_masked, merge_heads, split_heads};
use super::patch_layout::PatchLayout;
use super::rope::Rope;
use super::weights::Weights;
use crate::checkpoint::config::TransformerConfig;
use crate::error::Result;

/// A patch querying its own tokens.
#[derive(Clone, Debug)]
pub struct CrossAttention {
    heads: usize,
    norm_q: RmsNorm,
    norm_kv: RmsNorm,
    wq: Linear,
    wk: Linear,
    wv: Linear,
    wo: Linear,
}

impl CrossAttention {
    fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        Ok(Self {
            heads: c.n_head,
            norm_q: RmsNorm::load(w, "cross_attn_norm_q", c.norm_eps)?,
            norm_kv: RmsNorm::load(w, "cross_attn_norm_kv", c.norm_eps)?,
            wq: Linear::load(w, "wq")?,
            wk: Linear::load(w, "wk")?,
            wv: Linear::load(w, "wv")?,
            wo: Linear::load(w, "wo")?,
        })
    }

    /// `query` (B, M, D) and token states `h` (B, T, D) -> patch vectors (B, M, D). `outside` (B, 1, M, T) is true
    /// where a token is not in the patch; `None` where every token is (one patch given its own tokens).
    pub fn forward(&self, query: Tensor<3>, h: Tensor<3>, outside: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let n = self.norm_kv.forward(h); // (B, T, D)
        let q = split_heads(self.wq.forward(self.norm_q.forward(query.clone())), self.heads); // (B, h, M, d)
        let k = split_heads(self.wk.forward(n.clone()), self.heads); // (B, h, T, d)
        let v = split_heads(self.wv.forward(n), self.heads); // (B, h, T, d)
        query + self.wo.forward(merge_heads(attend_masked(q, k, v, outside)))
    }
}

/// One encoder layer.
#[derive(Clone, Debug)]
pub struct EncoderLayer {
    /// Over all tokens.
    pub block: Block,
    /// Over the tokens of each patch.
    pub cross: CrossAttention,
}

/// The patch encoder on a device.
#[derive(Clone, Debug)]
pub struct PatchEncoder {
    /// E layers.
    pub layers: Vec<EncoderLayer>,
}

impl PatchEncoder {
    /// Loads the encoder whose module (`local_encoder`) is `w`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        let layers = (0..c.n_local_encoder_layers).map(|n| {
            let block = Block::load(&w.at(&format!("layers.{n}")), c)?;
            let cross = CrossAttention::load(&w.at(&format!("cross_attn_layers.{n}")), c)?;
            Ok(EncoderLayer { block, cross })
        });
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }

    /// Token embeddings `x` (B, T, D) -> token states h (B, T, D) and patch vectors p (B, M, D).
    pub fn forward(&self, x: Tensor<3>, rope: &Rope, layout: &PatchLayout) -> (Tensor<3>, Tensor<3>) {
        let outside = layout.outside(&x.device()); // (B, 1, M, T)
        let mut h = x;
        let mut p: Option<Tensor<3>> = None;
        for layer in &self.layers {
            h = layer.block.forward(h, rope);
            let query = p.unwrap_or_else(|| pool(h.clone(), layout));
            p = Some(layer.cross.forward(query, h.clone(), Some(outside.clone())));
        }
        // E >= 1 (checked in the config); an encoder without layers would pool its embeddings.
        let p = p.unwrap_or_else(|| pool(h.clone(), layout));
        (h, p)
    }
}

/// Elementwise maximum of the states `h` (B, T, D) of each patch's tokens, (B, M, D).
///
/// One gather per offset within a patch, at most P_max of them: a (B, M, P_max, D) window would be the larger tensor.
pub fn pool(h: Tensor<3>, layout: &PatchLayout) -> Tensor<3> {
    let [b, t, width] = h.dims();
    let device = h.device();
    let rows = h.reshape([b * t, width]);
    let at = |offset: usize| rows.clone().select(0, layout.tokens_at(offset, &device)); // (B * M, D)
    let max = (1..layout.longest()).fold(at(0), |max, offset| max.max_pair(at(offset)));
    max.reshape([b, layout.count(), width])
}
