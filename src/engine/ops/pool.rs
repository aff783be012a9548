//! The query of a closing patch: the elementwise maximum of h over its tokens (dpar.md section 4).
//!
//! h (T, width), out (width).

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Access, Op, Shape, TwinView};
use crate::engine::state::word;

/// The op.
pub const OP: Op = Op {
    name: "pool",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/pool.wgsl")),
    // state, h, out
    storage: &[Access::Read, Access::Read, Access::Write],
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
    /// Padded D.
    pub width: u32,
    /// Unused.
    pub pad: [u32; 2],
}

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let width = p.width as usize;
    let (first, last) = (state[word::CLOSE_FIRST as usize] as usize, state[word::CLOSE_LAST as usize] as usize);
    let (h, mut out) = (v.f32(1), v.f32_mut(2));
    out[..width].copy_from_slice(&h[first * width..][..width]);
    for row in h[(first + 1) * width..(last + 1) * width].chunks_exact(width) {
        for (top, x) in out.iter_mut().zip(row) {
            *top = top.max(*x);
        }
    }
}
