//! `y = W x` or `W RMSNorm(x)`, plus the residual stream and a second addend where given.
//!
//! x (row, lane, cols), W (rows, cols) or a chunk of its rows, residual (row, lane, out width), out (row, lane, out
//! width). Used for the output projections of attention and FFN, the patch decoder's single-key cross-attention
//! (dpar.md section 6), keys and values of the patch encoder (section 4), and logits.

use bytemuck::{Pod, Zeroable};

use crate::engine::math::{Rows, dot, staged};
use crate::engine::op::{Access, Op, Override, Shape, TwinView};

/// The op.
pub const OP: Op = Op {
    name: "linear",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/linear.wgsl")
    ),
    // state, x, gain, weights, residual, extra, out
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
    overrides: &[Override::Lanes, Override::Split, Override::F16, Override::Norm, Override::Residual, Override::Extra],
    shape: Shape::Wide,
    twin,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// State word: row of x.
    pub x_row: u32,
    /// State word: row of out.
    pub out_row: u32,
    /// Rows of W here.
    pub rows: u32,
    /// Columns of W.
    pub cols: u32,
    /// Padded columns / 8.
    pub blocks: u32,
    /// Values a lane of an out row.
    pub out_width: u32,
    /// First row of W among the whole matrix's.
    pub row0: u32,
    /// RMSNorm epsilon.
    pub eps: f32,
    /// State word: row of residual.
    pub residual_row: u32,
    /// Unused.
    pub pad: [u32; 2],
}

fn twin(v: &TwinView<'_>) {
    let (p, flags, state) = (v.params::<Params>(), v.flags(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (lanes, width, out_width) = (flags.lanes as usize, 8 * p.blocks as usize, p.out_width as usize);
    let row_of = |word: u32| state[word as usize] as usize;
    let x = staged(&v.f32(1), &v.f32(2), row_of(p.x_row), flags, width, p.cols as usize, p.eps);
    let weights = v.words(3);
    let mut rows = Rows::new(&weights, width, flags.f16);
    let (residual, extra, mut out) = (v.f32(4), v.f32(5), v.f32_mut(6));
    let (out_base, residual_base) = (row_of(p.out_row) * lanes * out_width, row_of(p.residual_row) * lanes * out_width);
    for row in 0..p.rows as usize {
        let w = rows.row(row);
        for (lane, x) in x.chunks_exact(width).enumerate() {
            let at = lane * out_width + p.row0 as usize + row;
            let mut value = dot(w, x);
            if flags.residual {
                value += residual[residual_base + at];
            }
            if flags.extra {
                value += extra[at];
            }
            out[out_base + at] = value;
        }
    }
}
