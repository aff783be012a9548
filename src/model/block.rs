//! The LLaMA-style transformer block that all models are made of (dpar.md section 3, `gpt.py` `Block`):
//!
//! ```text
//! h = x + Wo Attn(RoPE(Wqkv RMSNorm(x)))        y = h + W2 (silu(W1 n) * W3 n),  n = RMSNorm(h)
//! ```
//!
//! No biases. A block runs over all positions at once ([`Block::forward`], causal) or over one position at a time with
//! a cache of keys and values ([`Block::step`]); both give the same numbers.
//!
//! Memory: attention scores are B * h * T^2 floats. [`attend`] makes them in runs of queries of at most 64 MiB each,
//! so an image of T = 4096 tokens fits the 128 MiB that WebGPU lets one buffer bind by default.

use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::linear;
use burn::tensor::{Bool, Device, Tensor};

use super::rope::Rope;
use super::{Weights, indices};
use crate::config::TransformerConfig;
use crate::error::Result;

/// Most attention scores held at once (64 MiB of f32).
const SCORES: usize = 1 << 24;

/// A linear map without bias.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor<2>, // (in, out): burn's layout, the transpose of the checkpoint's
}

impl Linear {
    /// Loads `name.weight` (out, in).
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, name: &str) -> Result<Self> {
        Ok(Self { weight: w.at(name).tensor::<2>("weight")?.transpose() })
    }

    /// (B, T, in) -> (B, T, out).
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.weight.clone(), None)
    }
}

/// Rows of a table picked by number: token and class embeddings.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Tensor<2>, // (entries, D)
}

impl Embedding {
    /// Loads `name.weight` (entries, D).
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, name: &str) -> Result<Self> {
        Ok(Self { table: w.at(name).tensor("weight")? })
    }

    /// Picks `batch` times the same number of rows, (B, n, D). Every id must be below the number of entries.
    pub fn forward(&self, ids: impl IntoIterator<Item = usize>, batch: usize) -> Tensor<3> {
        let rows = self.table.clone().select(0, indices(ids, &self.table.device())); // (B * n, D)
        let [count, width] = rows.dims();
        rows.reshape([batch, count / batch, width])
    }
}

/// x / sqrt(mean(x^2) + eps) * weight, over the last dimension.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Tensor<3>, // (1, 1, D)
    eps: f32,
}

impl RmsNorm {
    /// Loads `name.weight` (D).
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, name: &str, eps: f32) -> Result<Self> {
        Ok(Self { weight: w.at(name).tensor::<1>("weight")?.unsqueeze(), eps })
    }

    /// (B, T, D) -> (B, T, D).
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let scale = (x.clone().square().mean_dim(2) + self.eps).sqrt().recip(); // (B, T, 1)
        x * scale * self.weight.clone()
    }
}

/// softmax(q k^T / sqrt(d)) v with query i reading keys 0 ..= i. All (B, h, T, d).
pub fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [b, h, t, _] = q.dims();
    let device = q.device();
    let run = (SCORES / (b * h * t)).clamp(1, t);
    let mut out = Vec::with_capacity(t.div_ceil(run));
    for start in (0..t).step_by(run) {
        let rows = run.min(t - start);
        let end = start + rows; // no query of this run reads a key from here on
        let future = Tensor::<2, Bool>::tril_mask([rows, end], start as i64, &device); // (rows, end), true = future
        let q = q.clone().narrow(2, start, rows);
        out.push(attend_masked(q, k.clone().narrow(2, 0, end), v.clone().narrow(2, 0, end), Some(future.unsqueeze())));
    }
    Tensor::cat(out, 2)
}

/// softmax(q k^T / sqrt(d)) v where `hidden` (broadcast to (B, h, Tq, Tk)) is true for keys a query must not see.
pub fn attend_masked(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, hidden: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let [b, h, tq, d] = q.dims();
    let tk = k.dims()[2];
    let mut scores = q.matmul(k.swap_dims(2, 3)) * (d as f32).powf(-0.5); // (B, h, Tq, Tk)
    if let Some(hidden) = hidden {
        scores = scores.mask_fill(hidden.expand([b, h, tq, tk]), f32::NEG_INFINITY);
    }
    softmax(scores, 3).matmul(v) // (B, h, Tq, d)
}

/// (B, T, D) -> (B, h, T, d).
pub fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, t, width] = x.dims();
    x.reshape([b, t, heads, width / heads]).swap_dims(1, 2)
}

/// (B, h, T, d) -> (B, T, D).
pub fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [b, h, t, d] = x.dims();
    x.swap_dims(1, 2).reshape([b, t, h * d])
}

/// Keys and values of the positions one attention layer has seen, for [`Block::step`].
#[derive(Clone, Debug)]
pub struct KvCache {
    keys: Tensor<4>,   // (B, h, capacity, d)
    values: Tensor<4>, // (B, h, capacity, d)
    len: usize,
}

impl KvCache {
    /// An empty cache for `capacity` positions of `batch` lanes of `c`.
    pub fn new(c: &TransformerConfig, batch: usize, capacity: usize, device: &Device) -> Self {
        let zeros = || Tensor::zeros([batch, c.n_head, capacity, c.head_dim()], device);
        Self { keys: zeros(), values: zeros(), len: 0 }
    }

    /// Appends one position, k and v (B, h, 1, d); returns all keys and values so far, (B, h, len, d).
    fn append(&mut self, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [b, h, _, d] = k.dims();
        let here = [0..b, 0..h, self.len..self.len + 1, 0..d];
        // In place: burn writes into the buffer when nothing else holds it.
        self.keys.inplace(|t| t.slice_assign(here.clone(), k));
        self.values.inplace(|t| t.slice_assign(here, v));
        self.len += 1;
        (self.keys.clone().narrow(2, 0, self.len), self.values.clone().narrow(2, 0, self.len))
    }
}

/// Multi-head self-attention with RoPE.
#[derive(Clone, Debug)]
pub struct Attention {
    heads: usize,
    wqkv: Linear, // rows q, k, v, each h heads of d
    wo: Linear,
}

impl Attention {
    fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        Ok(Self { heads: c.n_head, wqkv: Linear::load(w, "wqkv")?, wo: Linear::load(w, "wo")? })
    }

    /// Queries, keys (both turned by their position) and values of `x` (B, T, D); (B, h, T, d) each.
    fn qkv(&self, x: Tensor<3>, rope: &Rope) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
        let width = x.dims()[2];
        let qkv = self.wqkv.forward(x); // (B, T, 3D)
        let part = |i: usize| split_heads(qkv.clone().narrow(2, i * width, width), self.heads);
        (rope.rotate(part(0)), rope.rotate(part(1)), part(2))
    }

    fn forward(&self, x: Tensor<3>, rope: &Rope) -> Tensor<3> {
        let (q, k, v) = self.qkv(x, rope);
        self.wo.forward(merge_heads(attend(q, k, v)))
    }

    fn step(&self, x: Tensor<3>, rope: &Rope, cache: &mut KvCache) -> Tensor<3> {
        let (q, k, v) = self.qkv(x, rope); // (B, h, 1, d)
        let (k, v) = cache.append(k, v); // (B, h, len, d)
        self.wo.forward(merge_heads(attend_masked(q, k, v, None)))
    }
}

/// SwiGLU: W2 (silu(W1 x) * W3 x).
#[derive(Clone, Debug)]
pub struct FeedForward {
    w1: Linear,
    w2: Linear,
    w3: Linear,
}

impl FeedForward {
    fn load(w: &Weights) -> Result<Self> {
        Ok(Self { w1: Linear::load(w, "w1")?, w2: Linear::load(w, "w2")?, w3: Linear::load(w, "w3")? })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.w2.forward(silu(self.w1.forward(x.clone())) * self.w3.forward(x))
    }
}

/// One transformer layer.
#[derive(Clone, Debug)]
pub struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    ffn_norm: RmsNorm,
    feed_forward: FeedForward,
}

impl Block {
    /// Loads the block whose module is `w`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        Ok(Self {
            attention_norm: RmsNorm::load(w, "attention_norm", c.norm_eps)?,
            attention: Attention::load(&w.at("attention"), c)?,
            ffn_norm: RmsNorm::load(w, "ffn_norm", c.norm_eps)?,
            feed_forward: FeedForward::load(&w.at("feed_forward"))?,
        })
    }

    /// Loads `count` blocks, `layers.0` to `layers.{count - 1}` of module `w`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load_all(w: &Weights, c: &TransformerConfig, count: usize) -> Result<Vec<Self>> {
        (0..count).map(|n| Self::load(&w.at(&format!("layers.{n}")), c)).collect()
    }

    /// All positions at once, causal. `x` (B, T, D), `rope` T positions -> (B, T, D).
    pub fn forward(&self, x: Tensor<3>, rope: &Rope) -> Tensor<3> {
        let h = x.clone() + self.attention.forward(self.attention_norm.forward(x), rope);
        h.clone() + self.feed_forward.forward(self.ffn_norm.forward(h))
    }

    /// The next position. `x` (B, 1, D), `rope` that one position -> (B, 1, D).
    pub fn step(&self, x: Tensor<3>, rope: &Rope, cache: &mut KvCache) -> Tensor<3> {
        let h = x.clone() + self.attention.step(self.attention_norm.forward(x), rope, cache);
        h.clone() + self.feed_forward.forward(self.ffn_norm.forward(h))
    }
}

/// The output layer: Wout RMSNorm(x).
#[derive(Clone, Debug)]
pub struct Head {
    norm: RmsNorm,
    output: Linear,
}

impl Head {
    /// Loads `norm.weight` and `output.weight` of module `w`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(w: &Weights, c: &TransformerConfig) -> Result<Self> {
        Ok(Self { norm: RmsNorm::load(w, "norm", c.norm_eps)?, output: Linear::load(w, "output")? })
    }

    /// (B, T, D) -> logits (B, T, V).
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.output.forward(self.norm.forward(x))
    }
}
