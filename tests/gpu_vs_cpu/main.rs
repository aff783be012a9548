//! Every op: WGSL against its CPU twin, on sizes 1, odd, larger than a workgroup, and of the paper's models, with the
//! kernels shaped for software adapters and for GPUs. One file an op, named as its shader (`tests/shaders.rs` looks).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "../common/mod.rs"]
mod common;
mod harness;

mod attend;
mod attend_output;
mod boundary;
mod decoder_input;
mod embed;
mod feed_forward;
mod gate_up;
mod input_linear;
mod input_qkv;
mod linear;
mod merge;
mod patch_input;
mod pool;
mod qkv;
mod record;
mod sample;
