//! The SwiGLU half of the feed-forward: `a = silu(W1 n) * (W3 n)`, `n = RMSNorm(x)` (dpar.md section 3).
//!
//! x (lane, D), weights (2F, D) with W1 and W3 interleaved row by row, out (lane, padded F).

use bytemuck::{Pod, Zeroable};

use crate::engine::math::{Rows, dot, staged};
use crate::engine::op::{Access, Op, Override, Shape, TwinView};

/// The op.
pub const OP: Op = Op {
    name: "gate_up",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/gate_up.wgsl")
    ),
    // state, x, gain, weights, out
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
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
    /// FFN columns here.
    pub hidden: u32,
    /// D.
    pub cols: u32,
    /// Padded D / 8.
    pub blocks: u32,
    /// Padded F.
    pub out_width: u32,
    /// RMSNorm epsilon.
    pub eps: f32,
    /// First FFN column here (large matrices come in chunks).
    pub unit0: u32,
    /// Unused.
    pub pad: u32,
}

fn twin(v: &TwinView<'_>) {
    let (p, flags, state) = (v.params::<Params>(), v.flags(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let width = 8 * p.blocks as usize;
    let x = staged(&v.f32(1), &v.f32(2), 0, flags, width, p.cols as usize, p.eps);
    let weights = v.words(3);
    let mut rows = Rows::new(&weights, width, flags.f16);
    let mut out = v.f32_mut(4);
    for unit in 0..p.hidden as usize {
        let mut gate = [0.0; 2];
        let w1 = rows.row(2 * unit);
        for (lane, x) in x.chunks_exact(width).enumerate() {
            gate[lane] = dot(w1, x);
        }
        let w3 = rows.row(2 * unit + 1);
        for (lane, x) in x.chunks_exact(width).enumerate() {
            let silu = gate[lane] / (1.0 + (-gate[lane]).exp());
            out[lane * p.out_width as usize + p.unit0 as usize + unit] = silu * dot(w3, x);
        }
    }
}
