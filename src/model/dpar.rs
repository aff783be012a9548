//! DPAR: patch encoder, patch transformer, patch decoder (paper section 3, `gpt.py` `DynamicTransformer`).
//!
//! ```text
//! tokens --PatchEncoder--> h (per token), p (per patch)
//!                   class, p --PatchTransformer--> s (per patch, shifted by one)
//!                                          h, s --PatchDecoder--> logits (per token)
//! ```

use burn::tensor::{Device, Tensor};

use super::batch::check_batch;
use super::block::{Embedding, Head};
use super::patch_decoder::PatchDecoder;
use super::patch_encoder::PatchEncoder;
use super::patch_layout::PatchLayout;
use super::patch_transformer::PatchTransformer;
use super::rope::{Rope, rope_2d, rope_2d_with_class};
use super::weights::Weights;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::config::TransformerConfig;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::Patches;

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
