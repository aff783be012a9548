//! The models in burn tensors, one file each, named as in the paper: the readable definition of what DPAR computes.
//!
//! Everything here is the *parallel* pass: a whole image's tokens go in, all its logits come out (analysis,
//! evaluation, the third opinion beside the token loop's GPU kernels and their CPU twins). Source: dpar.md and the
//! PyTorch reference `gpt.py`/`vq.py`, whose parameter names the checkpoints carry.
//!
//! ```text
//! image --Tokenizer::encode--> tokens --TokenModel--> entropies --PatchRule--> Patches
//!                              tokens, class, Patches --Dpar--> logits      codes --Tokenizer::decode--> image
//! ```
//!
//! Shapes in comments: B images, T tokens in raster order, M <= T patches, D width, h heads, d = D / h, V codebook.
//! Logits are B * T * V floats (256 MiB for one image of 4096 tokens and 16384 codes): large images go one at a time.
//! Batches whose images have different numbers of patches are padded to the largest M; see [`dpar::PatchLayout`].
//!
//! Which device runs it is the caller's choice: every model lives on the [`Device`] it was loaded to. Nothing here
//! waits for a GPU but [`read_f32`] and [`read_u32`], which are `async` because a browser cannot block; native callers
//! use `pollster`.

pub mod attention;
pub mod block;
pub mod dpar;
pub mod patch_decoder;
pub mod patch_encoder;
pub mod patch_transformer;
pub mod pixels;
pub mod rope;
pub mod token_model;
pub mod tokenizer;

use burn::tensor::activation::log_softmax;
use burn::tensor::{DataError, Device, ExecutionError, Int, Tensor, TensorData};

use crate::checkpoint::Checkpoint;
use crate::checkpoint::config::TransformerConfig;
use crate::error::{Error, Result};
use crate::mix::Mix;

pub use attention::AttentionMap;
pub use dpar::Dpar;
pub use token_model::TokenModel;
pub use tokenizer::Tokenizer;

/// Uploads tensors of one checkpoint to one device, under a name prefix that grows with the module tree.
#[derive(Clone, Debug)]
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    prefix: String,
}

impl<'a> Weights<'a> {
    /// The root of `checkpoint`.
    pub fn new(checkpoint: &'a Checkpoint, device: &'a Device) -> Self {
        Self { checkpoint, device, prefix: String::new() }
    }

    /// The module `name` below this one: `weights.at("layers.0").at("attention")`.
    pub fn at(&self, name: &str) -> Self {
        Self { prefix: format!("{}{name}.", self.prefix), ..self.clone() }
    }

    /// Where the tensors go.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// Uploads the tensor `name` of this module, in the checkpoint's shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where it is missing or damaged, [`Error::Internal`] where it does not have D dimensions
    /// (the checkpoint's shapes were checked against the config when it was opened).
    pub fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>> {
        let name = format!("{}{name}", self.prefix);
        let shape = self.checkpoint.shape(&name)?;
        if shape.len() != D {
            return Err(Error::Internal(format!("`{name}` has {} dimensions, not {D}", shape.len())));
        }
        let data = TensorData::new(self.checkpoint.f32(&name)?, shape.to_vec());
        Ok(Tensor::from_data(data, self.device))
    }
}

/// Integers on a device, as indices. (n)
pub fn indices(values: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    // i32 is what every wgpu device has; burn converts where a device's integers are wider.
    let values: Vec<i32> = values.into_iter().map(|v| v as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Shannon entropy, in nats, of the distribution behind every row of logits (dpar.md section 2).
///
/// `logits` (B, T, V) -> (B, T).
pub fn entropies(logits: Tensor<3>) -> Tensor<2> {
    let log_p = log_softmax(logits, 2); // (B, T, V)
    let sum = (log_p.clone().exp() * log_p).sum_dim(2); // (B, T, 1)
    sum.neg().squeeze_dim(2)
}

/// Reads a tensor back as f32, row-major. The one place (with [`read_u32`]) where the CPU waits for a device.
///
/// # Errors
/// [`Error::DeviceLost`] where the device is gone, [`Error::Internal`] for anything else.
pub async fn read_f32<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.into_data_async().await.map_err(execution_error)?;
    data.try_into_vec_as::<f32>().map_err(data_error)
}

/// Reads an integer tensor back as u32, row-major.
///
/// # Errors
/// As [`read_f32`].
pub async fn read_u32<const D: usize>(tensor: Tensor<D, Int>) -> Result<Vec<u32>> {
    let data = tensor.into_data_async().await.map_err(execution_error)?;
    data.try_into_vec_as::<u32>().map_err(data_error)
}

fn execution_error(e: ExecutionError) -> Error {
    match e {
        ExecutionError::DevicePoisoned { reason } => Error::DeviceLost(reason),
        other => Error::Internal(format!("a tensor operation failed: {other}")),
    }
}

/// On native the wait for the device happens while the bytes are read, so a lost device can surface here as well.
fn data_error(e: DataError) -> Error {
    match e {
        DataError::StorageAccess(e) => Error::DeviceLost(e.to_string()),
        other => Error::Internal(format!("a tensor could not be read back: {other}")),
    }
}

/// Checks a batch before it reaches tensor code, which would panic (or, on a GPU, read zeros) on an index out of range.
/// Returns (B, T).
fn check_batch(c: &TransformerConfig, tokens: &[u32], classes: &[Mix]) -> Result<(usize, usize)> {
    let bad = |problem: String| Err(Error::Request(problem));
    let batch = classes.len();
    if batch == 0 || !tokens.len().is_multiple_of(batch) || !(1..=c.tokens()).contains(&(tokens.len() / batch)) {
        return bad(format!(
            "{} tokens for {batch} images: every image needs the same number of tokens, 1 to {}",
            tokens.len(),
            c.tokens()
        ));
    }
    if let Some(token) = tokens.iter().find(|t| **t as usize >= c.vocab_size) {
        return bad(format!("token {token} does not exist: the codebook has entries 0 to {}", c.vocab_size - 1));
    }
    classes.iter().try_for_each(|class| class.check(c.num_classes))?;
    Ok((batch, tokens.len() / batch))
}
