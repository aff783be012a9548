//! The LLaMA-style transformer block that all models are made of (dpar.md section 3, `gpt.py` `Block`):
//!
//! ```text
//! h = x + Wo Attn(RoPE(Wqkv RMSNorm(x)))        y = h + W2 (silu(W1 n) * W3 n),  n = RMSNorm(h)
//! ```
//!
//! No biases. A block runs over all positions at once ([`Block::forward`], causal) or over one position at a time with
//! a cache of keys and values ([`Block::step`]); both give the same numbers.
//!
//! Memory: attention scores are B * h * T^2 floats, 512 MiB for one image of 4096 tokens and 8 heads. They are made in
//! runs of queries of at most 64 MiB each, which also fits the 128 MiB that WebGPU lets one buffer bind by default.

use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::linear;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::rope::Rope;
use super::tensors::indices;
use super::weights::Weights;
use crate::checkpoint::config::TransformerConfig;
use crate::error::Result;
use crate::mix::Mix;

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

    /// The weighted mean of rows for each of B images, (B, 1, D). Every class must be below the number of entries.
    pub fn mixed(&self, mixes: &[Mix]) -> Tensor<3> {
        let (b, most) = (mixes.len(), mixes.iter().map(|m| m.terms().len()).max().unwrap_or(1));
        if most == 1 {
            return self.forward(mixes.iter().map(Mix::heaviest), b);
        }
        // Shorter mixes are filled up with row 0, which then counts for nothing.
        let padded = |mix: &Mix| mix.shares().chain(std::iter::repeat((0.0, 0))).take(most).collect::<Vec<_>>();
        let terms: Vec<(f64, usize)> = mixes.iter().flat_map(padded).collect();
        let weights: Vec<f32> = terms.iter().map(|(share, _)| *share as f32).collect();
        let weights = Tensor::<3>::from_data(TensorData::new(weights, [b, most, 1]), &self.table.device());
        (self.forward(terms.into_iter().map(|(_, class)| class), b) * weights).sum_dim(1) // (B, K, D) -> (B, 1, D)
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
    attend_within(SCORES, q, k, v)
}

/// [`attend`], holding at most `budget` scores at once.
fn attend_within(budget: usize, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let t = q.dims()[2];
    in_runs(budget, q, t, |start, q| {
        let (rows, device) = (q.dims()[2], q.device());
        let end = start + rows; // no query of this run reads a key from here on
        let future = Tensor::<2, Bool>::tril_mask([rows, end], start as i64, &device); // (rows, end), true = future
        weigh(q, k.clone().narrow(2, 0, end), v.clone().narrow(2, 0, end), Some(future.unsqueeze()))
    })
}

/// softmax(q k^T / sqrt(d)) v where `hidden` (B or 1, h or 1, Tq, Tk) is true for keys a query must not see; every query
/// must see one. `q` (B, h, Tq, d), `k` and `v` (B, h, Tk, d) -> (B, h, Tq, d).
pub fn attend_masked(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, hidden: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let tk = k.dims()[2];
    in_runs(SCORES, q, tk, |start, q| {
        let rows = q.dims()[2];
        weigh(q, k.clone(), v.clone(), hidden.clone().map(|hidden| hidden.narrow(2, start, rows)))
    })
}

/// Cuts the queries `q` (B, h, Tq, d) into runs whose scores against `keys` keys are at most `budget` floats (but at
/// least one query), and joins what `attend(first query, run)` makes of them.
fn in_runs(budget: usize, q: Tensor<4>, keys: usize, attend: impl Fn(usize, Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let [b, h, tq, _] = q.dims();
    let run = (budget / (b * h * keys)).max(1);
    if run >= tq {
        return attend(0, q);
    }
    let part = |start: usize| attend(start, q.clone().narrow(2, start, run.min(tq - start)));
    Tensor::cat((0..tq).step_by(run).map(part).collect(), 2)
}

/// Attention of one run of queries, all its scores at once.
fn weigh(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, hidden: Option<Tensor<4, Bool>>) -> Tensor<4> {
    attention_weights(q, k, hidden).matmul(v) // (B, h, Tq, d)
}

/// How much every query takes of every key: softmax(q k^T / sqrt(d)), arguments as [`attend_masked`]. (B, h, Tq, Tk)
fn attention_weights(q: Tensor<4>, k: Tensor<4>, hidden: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let [b, h, tq, d] = q.dims();
    let tk = k.dims()[2];
    let mut scores = q.matmul(k.swap_dims(2, 3)) * (d as f32).powf(-0.5); // (B, h, Tq, Tk)
    if let Some(hidden) = hidden {
        scores = scores.mask_fill(hidden.expand([b, h, tq, tk]), f32::NEG_INFINITY);
    }
    softmax(scores, 3)
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

    fn weights(&self, x: Tensor<3>, rope: &Rope, first: usize) -> Tensor<4> {
        let (q, k, _) = self.qkv(x, rope); // (B, h, T, d)
        let (end, device) = (q.dims()[2], q.device());
        let future = Tensor::<2, Bool>::tril_mask([end - first, end], first as i64, &device); // true = future
        attention_weights(q.narrow(2, first, end - first), k, Some(future.unsqueeze()))
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

    /// What [`Block::forward`] weighs the values by, for the queries from position `first` on: (B, h, T - first, T), every
    /// row sums to 1 and is 0 beyond its own position. All weights are held at once.
    pub fn attention_weights(&self, x: Tensor<3>, rope: &Rope, first: usize) -> Tensor<4> {
        self.attention.weights(self.attention_norm.forward(x), rope, first)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read_f32;
    use burn::tensor::{Distribution, TensorData};

    fn values(t: Tensor<4>) -> Vec<f32> {
        pollster::block_on(read_f32(t)).unwrap()
    }

    /// The parity fixtures are too small for a second run of queries.
    #[test]
    fn runs_of_queries_do_not_change_attention() {
        let device = Device::flex();
        let random = || Tensor::<4>::random([2, 3, 7, 4], Distribution::Normal(0.0, 1.0), &device);
        let (q, k, v) = (random(), random(), random());
        let whole = values(attend(q.clone(), k.clone(), v.clone()));
        for budget in [0, 2 * 3 * 7, 3 * 2 * 3 * 7, usize::MAX] {
            let runs = values(attend_within(budget, q.clone(), k.clone(), v.clone()));
            for (a, b) in runs.iter().zip(&whole) {
                assert!((a - b).abs() < 1e-6, "budget {budget}: {a} is not {b}");
            }
        }
    }

    /// By hand: a query that sees one key takes its value; equal scores take the mean.
    #[test]
    fn attention_is_causal_and_masked() {
        let device = Device::flex();
        let tensor = |v: [f32; 4]| Tensor::<4>::from_data(TensorData::new(v.to_vec(), [1, 1, 2, 2]), &device);
        let (zero, v) = (tensor([0.0; 4]), tensor([1.0, 2.0, 3.0, 6.0]));
        assert_eq!(values(attend(zero.clone(), zero.clone(), v.clone())), [1.0, 2.0, 2.0, 4.0]);
        let hidden = TensorData::new(vec![true, false, false, true], [1, 1, 2, 2]);
        let hidden = Tensor::<4, Bool>::from_data(hidden, &device);
        assert_eq!(values(attend_masked(zero.clone(), zero, v, Some(hidden))), [3.0, 6.0, 1.0, 2.0]);
    }
}
