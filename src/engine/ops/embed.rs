//! The input of a token model at position i: the class embedding at i = 0, else the embedding of `x_{i-1}`.
//!
//! classes (lane, D), weights (rows, D) or a chunk of the table's rows, out (lane, D).

use bytemuck::{Pod, Zeroable};

use crate::engine::math::Rows;
use crate::engine::op::{Access, Op, Override, Shape, TwinView};
use crate::engine::state::word;

/// The op.
pub const OP: Op = Op {
    name: "embed",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/embed.wgsl")),
    // state, classes, weights, out
    storage: &[Access::Read, Access::Read, Access::Read, Access::Write],
    overrides: &[Override::F16],
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
    /// First row of this chunk of the table.
    pub row0: u32,
    /// Rows in this chunk.
    pub rows: u32,
    /// Unused.
    pub pad: [u32; 3],
}

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (lanes, width) = (p.lanes as usize, p.width as usize);
    let mut out = v.f32_mut(3);
    if state[word::HAS_TOKEN as usize] == 0 {
        if p.row0 == 0 {
            out[..lanes * width].copy_from_slice(&v.f32(1)[..lanes * width]);
        }
        return;
    }
    let token = state[word::TOKEN as usize];
    if (p.row0..p.row0 + p.rows).contains(&token) {
        let weights = v.words(2);
        let mut rows = Rows::new(&weights, width, v.flags().f16);
        let row = rows.row((token - p.row0) as usize);
        for lane in out[..lanes * width].chunks_exact_mut(width) {
            lane.copy_from_slice(row);
        }
    }
}
