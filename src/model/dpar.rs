//! DPAR: patch encoder, patch transformer, patch decoder (paper section 3, `gpt.py` `DynamicTransformer`).
//!
//! ```text
//! tokens --PatchEncoder--> h (per token), p (per patch)
//!                   class, p --PatchTransformer--> s (per patch, shifted by one)
//!                                          h, s --PatchDecoder--> logits (per token)
//! ```

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::block::{Embedding, Head};
use super::patch_decoder::PatchDecoder;
use super::patch_encoder::PatchEncoder;
use super::patch_transformer::PatchTransformer;
use super::rope::{Rope, RopeRows, rope_2d, rope_2d_with_class, rope_dynamic};
use super::{Weights, check_batch, indices};
use crate::checkpoint::Checkpoint;
use crate::checkpoint::config::TransformerConfig;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::{Patch, Patches};

/// DPAR on a device.
#[derive(Clone, Debug)]
pub struct Dpar {
    /// Its shape.
    pub config: TransformerConfig,
    /// Token embeddings (V, D).
    pub tokens: Embedding,
    /// E.
    pub encoder: PatchEncoder,
    /// G, with the class embeddings.
    pub transformer: PatchTransformer,
    /// Dn, with the learned start vector.
    pub decoder: PatchDecoder,
    /// The output layer.
    pub head: Head,
    /// 2D RoPE of the encoder, T positions.
    pub rope_encoder: Rope,
    /// 2D RoPE of the decoder, class position first, 1 + T positions.
    pub rope_decoder: Rope,
}

impl Dpar {
    /// Uploads the weights of a checkpoint that was opened with `checkpoint::dpar_tensors(config)`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(config: &TransformerConfig, checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let w = Weights::new(checkpoint, device);
        let (grid, head_dim, base) = (config.grid_size, config.head_dim(), config.rope_base);
        Ok(Self {
            config: config.clone(),
            tokens: Embedding::load(&w, "tok_embeddings")?,
            encoder: PatchEncoder::load(&w.at("local_encoder"), config)?,
            transformer: PatchTransformer::load(&w, config)?,
            decoder: PatchDecoder::load(&w, config)?,
            head: Head::load(&w, config)?,
            rope_encoder: Rope::upload(&[rope_2d(grid, head_dim, base)], device),
            rope_decoder: Rope::upload(&[rope_2d_with_class(grid, head_dim, base)], device),
        })
    }

    /// Logits of every token given the ones before it, the class and the patch boundaries: `logits[:, i]` predicts x_i.
    ///
    /// `tokens` (B * T) image by image in raster order, T up to g * g; `classes` (B), C is the null class; `patches`
    /// (B), of T tokens each. Returns (B, T, V).
    ///
    /// # Errors
    /// [`Error::Request`] for tokens or classes that do not exist, or patches of another number of tokens.
    pub fn logits(&self, tokens: &[u32], classes: &[Mix], patches: &[Patches]) -> Result<Tensor<3>> {
        let (b, t) = check_batch(&self.config, tokens, classes)?;
        let layout = PatchLayout::new(patches, t)?;
        if patches.len() != b {
            return Err(Error::Request(format!("patches of {} images for {b} images", patches.len())));
        }
        let x = self.tokens.forward(tokens.iter().map(|&id| id as usize), b); // (B, T, D)
        let (h, p) = self.encoder.forward(x, &self.rope_encoder.narrow(0, t), &layout); // (B, T, D), (B, M, D)
        let s = self.transformer.forward(p, classes, &layout.rope(&self.config, &h.device())); // (B, M, D)
        let y = self.decoder.forward(h, s, &self.rope_decoder.narrow(0, t), &layout); // (B, T, D)
        Ok(self.head.forward(y))
    }
}

/// The patches of a batch as gather indices and masks.
///
/// Images with fewer than M = max(M_b) patches are padded with patches that hold a copy of the last token. Nothing
/// reads them: no token belongs to one, and the patch transformer is causal. They must hold *something*, or their
/// softmax would be 0 / 0 and a NaN value reaches every query through `0 * NaN`.
#[derive(Clone, Debug)]
pub struct PatchLayout {
    patches: Vec<Vec<Patch>>, // (B)(M)
    ids: Vec<Vec<usize>>,     // (B)(T)
    count: usize,
    tokens: usize,
}

impl PatchLayout {
    /// From the patches of B images of `tokens` tokens each.
    ///
    /// # Errors
    /// [`Error::Request`] where an image's patches are of another number of tokens.
    pub fn new(patches: &[Patches], tokens: usize) -> Result<Self> {
        if let Some(odd) = patches.iter().map(|p| p.starts().len()).find(|n| *n != tokens || tokens == 0) {
            return Err(Error::Request(format!("patch boundaries for {odd} tokens, but the image has {tokens}")));
        }
        let count = patches.iter().map(Patches::count).max().unwrap_or(0);
        let padded = |image: &Patches| {
            let mut list = image.list();
            list.resize(count, Patch { first: tokens - 1, len: 1, row: 0, first_column: 0, last_column: 0 });
            list
        };
        Ok(Self {
            patches: patches.iter().map(padded).collect(),
            ids: patches.iter().map(Patches::ids).collect(),
            count,
            tokens,
        })
    }

    /// Patches per image with padding, M.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Tokens of the longest patch.
    pub fn longest(&self) -> usize {
        self.patches.iter().flatten().map(|p| p.len).max().unwrap_or(0)
    }

    /// Per patch: its token number `offset` (its last one where it is shorter), as a row of (B * T). (B * M)
    pub fn tokens_at(&self, offset: usize, device: &Device) -> Tensor<1, Int> {
        let of = |(b, p): (usize, &Patch)| b * self.tokens + p.first + offset.min(p.len - 1);
        let rows = self.patches.iter().enumerate().flat_map(|(b, list)| list.iter().map(move |p| (b, p)));
        indices(rows.map(of), device)
    }

    /// Per token: its patch, as a row of (B * M). (B * T)
    pub fn patch_of_token(&self, device: &Device) -> Tensor<1, Int> {
        let rows = self.ids.iter().enumerate();
        indices(rows.flat_map(|(b, ids)| ids.iter().map(move |m| b * self.count + m)), device)
    }

    /// True where a token is not in a patch. (B, 1, M, T)
    pub fn outside(&self, device: &Device) -> Tensor<4, Bool> {
        let row = |p: &Patch| {
            let inside = p.first..p.first + p.len;
            (0..self.tokens).map(move |i| !inside.contains(&i))
        };
        let values: Vec<bool> = self.patches.iter().flatten().flat_map(row).collect();
        let shape = [self.patches.len(), 1, self.count, self.tokens];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// What the patch transformer reads: the class position, then Dynamic RoPE of patches 0 to M - 2. M positions.
    pub fn rope(&self, c: &TransformerConfig, device: &Device) -> Rope {
        let tables = self.patches.iter().map(|list| {
            let mut rows = RopeRows::new(c.head_dim());
            rows.push_class();
            rows.extend(&rope_dynamic(list, c.head_dim(), c.rope_base), self.count - 1);
            rows
        });
        Rope::upload(&tables.collect::<Vec<_>>(), device)
    }
}
