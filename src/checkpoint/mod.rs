//! safetensors <-> named tensors, checked against the config before anything is allocated on a device.
//!
//! Parameter names and layouts are those of the public PyTorch checkpoints (dpar.md section 10): `Linear` weights are
//! `[out, in]`, convolutions `[out, in, kh, kw]`. Values may be f32, f16, bf16, or int8 with a scale a row (`stored.rs`). Tensors a
//! model does not use are ignored (public files carry a few), tensors it needs must be there with exactly the shape its config implies.

pub mod config;
mod file;
mod files;
pub(crate) mod header;
pub mod import;
pub mod json;
mod parse;
pub mod plain_text;
pub mod random;
mod specs;
pub mod stored;
pub mod version;
mod write;

pub use self::file::Checkpoint;
pub use self::files::{Later, ModelFiles};
pub use self::specs::{
    TensorSpec, dpar_tensors, token_model_tensors, vq_decoder_tensors, vq_encoder_tensors, vq_tensors,
};

#[cfg(test)]
mod tests;
