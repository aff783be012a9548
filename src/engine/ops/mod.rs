//! The ops of the token loop. One op = one stem: `ops/OP.rs` (what it computes, how it joins a program, its CPU twin) beside
//! `shaders/OP.wgsl` (the same on the GPU). The twin is the op's specification in code and the fallback without a GPU.

pub mod attend;
pub mod attend_output;
pub mod boundary;
pub mod decoder_input;
pub mod embed;
pub mod feed_forward;
pub mod gate_up;
pub mod input_linear;
pub mod input_qkv;
pub mod linear;
pub mod merge;
pub mod patch_input;
pub mod pool;
pub mod qkv;
pub mod record;
pub mod sample;

use super::op::Op;

/// Every op: tests go through them.
pub const ALL: [&Op; 16] = [
    &embed::OP,
    &qkv::OP,
    &attend::OP,
    &linear::OP,
    &gate_up::OP,
    &boundary::OP,
    &pool::OP,
    &patch_input::OP,
    &decoder_input::OP,
    &input_qkv::OP,
    &attend_output::OP,
    &feed_forward::OP,
    &input_linear::OP,
    &sample::OP,
    &record::OP,
    &merge::OP,
];
