//! The plain token transformer: the entropy model and the fixed-length baseline (dpar.md section 1, `gpt.py`
//! `Transformer`, LlamaGen's public layout).
//!
//! It reads [class, x_0 .. x_{T-2}] and writes T rows of logits; row i predicts x_i. The entropy model is
//! unconditional: it is called with its null class (number `num_classes`).

use burn::tensor::{Device, Tensor};

use super::batch::check_batch;
use super::block::{Block, Embedding, Head};
use super::rope::{Rope, rope_2d_with_class};
use super::weights::Weights;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::config::TransformerConfig;
use crate::error::Result;
use crate::mix::Mix;

/// A token model on a device.
#[derive(Clone, Debug)]
pub struct TokenModel {
    /// Its shape.
    pub config: TransformerConfig,
    /// Class embeddings (C + 1, D); the last is the null class.
    pub classes: Embedding,
    /// Token embeddings (V, D).
    pub tokens: Embedding,
    /// The transformer.
    pub layers: Vec<Block>,
    /// The output layer.
    pub head: Head,
    /// 2D RoPE with the class position first, 1 + T positions.
    pub rope: Rope,
}

impl TokenModel {
    /// Uploads the weights of a checkpoint that was opened with `checkpoint::token_model_tensors(config)`.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(config: &TransformerConfig, checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let w = Weights::new(checkpoint, device);
        let rope = rope_2d_with_class(config.grid_size, config.head_dim(), config.rope_base);
        Ok(Self {
            config: config.clone(),
            classes: Embedding::load(&w, "cls_embedding.embedding_table")?,
            tokens: Embedding::load(&w, "tok_embeddings")?,
            layers: Block::load_all(&w, config, config.n_layer)?,
            head: Head::load(&w, config)?,
            rope: Rope::upload(&[rope], device),
        })
    }

    /// Logits of every token given the ones before it: `logits[:, i]` predicts x_i.
    ///
    /// `tokens` (B * T) image by image in raster order, T up to g * g; `classes` (B), C is the null class.
    /// Returns (B, T, V). The last token of an image influences nothing.
    ///
    /// # Errors
    /// [`crate::Error::Request`] for tokens or classes that do not exist.
    pub fn logits(&self, tokens: &[u32], classes: &[Mix]) -> Result<Tensor<3>> {
        let (b, t) = check_batch(&self.config, tokens, classes)?;
        let class = self.classes.mixed(classes); // (B, 1, D)
        let mut x = class; // (B, T, D)
        if t > 1 {
            let past = tokens.chunks(t).flat_map(|image| &image[..t - 1]).map(|&id| id as usize);
            x = Tensor::cat(vec![x, self.tokens.forward(past, b)], 1);
        }
        let rope = self.rope.narrow(0, t);
        for layer in &self.layers {
            x = layer.forward(x, &rope);
        }
        Ok(self.head.forward(x))
    }
}
