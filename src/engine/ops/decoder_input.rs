//! The patch decoder's input at position i: `h_tok[i-1]` (a learned start vector at i = 0) plus the first layer's
//! projected patch state, per lane (dpar.md section 6).
//!
//! start (width), h (T, width), patch state (lane, width), out (lane, width).

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Access, Op, Shape, TwinView};
use crate::engine::state::word;

/// The op.
pub const OP: Op = Op {
    name: "decoder_input",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/decoder_input.wgsl")
    ),
    // state, start, h, patch state, out
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
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
    /// Unused.
    pub pad: u32,
}

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (lanes, width) = (p.lanes as usize, p.width as usize);
    let (start, h) = (v.f32(1), v.f32(2));
    let token = if state[word::HAS_TOKEN as usize] == 0 {
        &start[..width]
    } else {
        &h[state[word::PREV as usize] as usize * width..][..width]
    };
    let (patch_state, mut out) = (v.f32(3), v.f32_mut(4));
    for at in 0..lanes * width {
        out[at] = token[at % width] + patch_state[at];
    }
}
