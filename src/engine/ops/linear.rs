//! `y = W x` or `W RMSNorm(x)`, plus the residual stream and a second addend where given.
//!
//! Used for the output projections of attention and FFN, the patch decoder's single-key cross-attention
//! (dpar.md section 6), keys and values of the patch encoder (section 4), and logits.

use bytemuck::{Pod, Zeroable};

use dpar_simd::{RUN, product};

use crate::engine::math::{Staging, packed, staged};
use crate::engine::op::{Binding, Flags, Op, Override, Shape, State, TwinView};
use crate::engine::program::{BufferId, Builder, MatrixRows, Norm, Row, Section, Work};
use crate::engine::weights::padded;

const STATE: Binding = Binding::read("state");
const X: Binding = Binding::read("x");
const GAIN: Binding = Binding::read("gain");
const WEIGHTS: Binding = Binding::read("weights");
const RESIDUAL: Binding = Binding::read("residual");
const EXTRA: Binding = Binding::read("extra");
const OUT: Binding = Binding::write("out");

/// The op.
pub const OP: Op = Op {
    name: "linear",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/plain.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/linear.wgsl")
    ),
    storage: &[STATE, X, GAIN, WEIGHTS, RESIDUAL, EXTRA, OUT],
    overrides: &[
        Override::Lanes,
        Override::Together,
        Override::Split,
        Override::Bytes,
        Override::Norm,
        Override::Residual,
        Override::Extra,
    ],
    shape: Shape::Wide,
    twin,
    shared: true,
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

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Guidance lanes.
    pub lanes: u32,
    /// (row, picture, lane, padded columns).
    pub x: Row,
    /// RMSNorm of x, where there is one.
    pub norm: Option<Norm>,
    /// W.
    pub weights: MatrixRows,
    /// Added where given: (row, picture, lane, out width).
    pub residual: Option<Row>,
    /// Added where given: (picture, lane, out width).
    pub extra: Option<BufferId>,
    /// (row, picture, lane, out width).
    pub out: Row,
    /// Values a lane of an out row: at least the rows of the whole matrix.
    pub out_width: usize,
}

/// Adds the op to a program. A matrix in several chunks takes one step each: their rows of out stand side by side.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let MatrixRows { buffer: weights, row0, rows, cols, precision } = a.weights;
    let unused = Row::only(b.unused());
    let norm = a.norm.unwrap_or(Norm { gain: unused.buffer, eps: 0.0 });
    let residual = a.residual.unwrap_or(unused);
    let params = Params {
        gate: a.gate,
        x_row: a.x.row,
        out_row: a.out.row,
        rows: rows as u32,
        cols: cols as u32,
        blocks: (padded(cols) / 8) as u32,
        out_width: a.out_width as u32,
        row0: row0 as u32,
        eps: norm.eps,
        residual_row: residual.row,
        pad: [0; 2],
    };
    let flags = Flags {
        precision,
        norm: a.norm.is_some(),
        residual: a.residual.is_some(),
        extra: a.extra.is_some(),
        ..Flags::lanes(a.lanes)
    };
    let bind = OP.bind(&[
        (STATE, a.state),
        (X, a.x.buffer),
        (GAIN, norm.gain),
        (WEIGHTS, weights),
        (RESIDUAL, residual.buffer),
        (EXTRA, a.extra.unwrap_or(unused.buffer)),
        (OUT, a.out.buffer),
    ]);
    b.step(&OP, section, flags, params, bind, Work::Units(rows.div_ceil(2) as u32));
}

fn twin(v: &TwinView<'_>) {
    let (p, flags) = (v.params::<Params>(), v.flags());
    let open = v.open(p.gate, 0..v.count());
    let (lanes, width, out_width) = (flags.lanes as usize, 8 * p.blocks as usize, p.out_width as usize);
    let row_of = |(picture, state): &(usize, State), word| state.index(word) * v.count() + picture;
    let staging = Staging { flags, width, cols: p.cols as usize, eps: p.eps };
    let x = staged(&v.f32(X), &v.f32(GAIN), open.iter().map(|one| row_of(one, p.x_row)), staging);
    let rows = v.share().of(p.rows as usize, RUN);
    let mut y = vec![0.0; open.len() * lanes * rows.len()]; // (picture, lane, rows)
    product(packed(&v.words(WEIGHTS), width, flags.precision, p.rows as usize), width, rows.clone(), &x, &mut y);
    let (residual, extra, mut out) = (v.f32(RESIDUAL), v.f32(EXTRA), v.f32_mut(OUT));
    for (vector, y) in y.chunks_exact_mut(rows.len().max(1)).enumerate() {
        let (one, lane) = (&open[vector / lanes], vector % lanes);
        let at = |row: usize| (row * lanes + lane) * out_width + p.row0 as usize + rows.start;
        let mut add = |more: &[f32]| y.iter_mut().zip(more).for_each(|(y, more)| *y += more);
        if flags.residual {
            add(&residual[at(row_of(one, p.residual_row))..][..rows.len()]);
        }
        if flags.extra {
            add(&extra[at(one.0)..][..rows.len()]);
        }
        out[at(row_of(one, p.out_row))..][..rows.len()].copy_from_slice(y);
    }
}
