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
//! Batches whose images have different numbers of patches are padded to the largest M; see [`patch_layout::PatchLayout`].
//!
//! Which device runs it is the caller's choice: every model lives on the [`burn::tensor::Device`] it was loaded to. Nothing here
//! waits for a GPU but [`read_f32`] and [`read_u32`], which are `async` because a browser cannot block; native callers
//! use `pollster`.

pub mod attention;
mod batch;
pub mod block;
pub mod dpar;
pub mod patch_decoder;
pub mod patch_encoder;
pub mod patch_layout;
pub mod patch_transformer;
pub mod pixels;
pub mod rope;
mod tensors;
pub mod token_model;
pub mod tokenizer;
mod weights;

pub use attention::AttentionMap;
pub use dpar::Dpar;
pub use tensors::{entropies, read_f32, read_u32};
pub use token_model::TokenModel;
pub use tokenizer::Tokenizer;
pub use weights::Weights;
