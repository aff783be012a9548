//! What the patch transformer reads at slot m: the class embedding (m = 0) or the patch just closed, with that patch's
//! Dynamic RoPE (dpar.md section 5).
//!
//! patch vector (width), classes (lane, width), rows (g, d/4) and columns (g, d/16) of (cos, sin), out (lane, width),
//! rope (d/2) of (cos, sin) = `[row | first column | last column | last column | first column]`, zeros for the class.

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Access, Op, Shape, TwinView};
use crate::engine::state::word;

/// The op.
pub const OP: Op = Op {
    name: "patch_input",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/patch_input.wgsl")
    ),
    // state, patch vector, classes, rows, columns, out, rope
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Read, Access::Write, Access::Write],
    overrides: &[],
    shape: Shape::Wide,
    twin,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Lanes.
    pub lanes: u32,
    /// Padded D.
    pub width: u32,
    /// d / 4.
    pub quarter: u32,
}

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (lanes, width, quarter) = (p.lanes as usize, p.width as usize, p.quarter as usize);
    let (mut out, mut rope) = (v.f32_mut(5), v.f32_mut(6));
    if state[word::CLOSE as usize] == 0 {
        out[..lanes * width].copy_from_slice(&v.f32(2)[..lanes * width]);
        rope[..4 * quarter].fill(0.0);
        return;
    }
    for lane in out[..lanes * width].chunks_exact_mut(width) {
        lane.copy_from_slice(&v.f32(1)[..width]);
    }
    let grid = v.controls().grid as usize;
    let (first, last) = (state[word::CLOSE_FIRST as usize] as usize, state[word::CLOSE_LAST as usize] as usize);
    let (rows, columns) = (v.f32(3), v.f32(4));
    let row = &rows[first / grid * 2 * quarter..][..2 * quarter];
    let fine = quarter / 2; // d / 16 pairs of (cos, sin)
    let column = |token: usize| &columns[token % grid * fine..][..fine];
    let parts = [row, column(first), column(last), column(last), column(first)];
    let mut at = 0;
    for part in parts {
        rope[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
}
