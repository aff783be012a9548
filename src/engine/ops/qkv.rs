//! `q, k, v = Wqkv RMSNorm(x)` for one position; RoPE on q and k; k and v appended to the cache (dpar.md section 3).
//!
//! x (lane, D), Wqkv (3D, D), rope (row, d/2) of (cos, sin), q (lane, D), caches (lane, cache rows, D). Pairs
//! (2j, 2j+1) turn together. A rope row of zeros (the class position) zeroes q and k, as the public code does.

use bytemuck::{Pod, Zeroable};

use crate::engine::math::{Rows, dot, staged};
use crate::engine::op::{Access, Op, Override, Shape, TwinView};

/// The op.
pub const OP: Op = Op {
    name: "qkv",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/qkv.wgsl")
    ),
    // state, x, gain, weights, rope, q, k cache, v cache
    storage: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
    overrides: &[Override::Lanes, Override::Split, Override::F16, Override::Norm],
    shape: Shape::Wide,
    twin,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// State word: cache row to write.
    pub slot: u32,
    /// State word: row of the rope table.
    pub turn: u32,
    /// D.
    pub dim: u32,
    /// d.
    pub head: u32,
    /// Cache rows a lane.
    pub cache: u32,
    /// Padded D / 8.
    pub blocks: u32,
    /// RMSNorm epsilon.
    pub eps: f32,
    /// State word: row of x.
    pub x_row: u32,
    /// Unused.
    pub pad: [u32; 3],
}

fn twin(v: &TwinView<'_>) {
    let (p, flags, state) = (v.params::<Params>(), v.flags(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (dim, head, cache, width) = (p.dim as usize, p.head as usize, p.cache as usize, 8 * p.blocks as usize);
    let slot = state[p.slot as usize] as usize;
    let half = head / 2;
    let rope = v.f32(4);
    let turns = &rope[state[p.turn as usize] as usize * head..][..head]; // (d/2, 2)
    let x = staged(&v.f32(1), &v.f32(2), state[p.x_row as usize] as usize, flags, width, dim, p.eps);
    let weights = v.words(3);
    let mut rows = Rows::new(&weights, width, flags.f16);
    let (mut q, mut k, mut val) = (v.f32_mut(5), v.f32_mut(6), v.f32_mut(7));
    for row in (0..3 * dim).step_by(2) {
        let mut pairs = [[0.0; 2]; 2]; // (lane, row of the pair)
        for r in 0..2 {
            let w = rows.row(row + r);
            for (lane, x) in x.chunks_exact(width).enumerate() {
                pairs[lane][r] = dot(w, x);
            }
        }
        let (part, at) = (row / dim, row % dim);
        let j = at % head / 2;
        debug_assert!(j < half);
        let (cos, sin) = (turns[2 * j], turns[2 * j + 1]);
        for (lane, &[a, b]) in pairs.iter().enumerate().take(flags.lanes as usize) {
            let turned = [a * cos - b * sin, b * cos + a * sin];
            let cached = (lane * cache + slot) * dim + at;
            match part {
                0 => q[lane * width + at..][..2].copy_from_slice(&turned),
                1 => k[cached..][..2].copy_from_slice(&turned),
                _ => val[cached..][..2].copy_from_slice(&[a, b]),
            }
        }
    }
}
