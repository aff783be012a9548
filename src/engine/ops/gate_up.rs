//! The SwiGLU half of the feed-forward: `a = silu(W1 n) * (W3 n)`, `n = RMSNorm(x)` (dpar.md section 3).

use bytemuck::{Pod, Zeroable};

use dpar_simd::{RUN, product, swiglu};

use crate::engine::math::{Staging, packed, staged};
use crate::engine::op::{Binding, Flags, Op, Override, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, MatrixRows, Norm, Section, Work};
use crate::engine::weights::padded;

const STATE: Binding = Binding::read("state");
const X: Binding = Binding::read("x");
const GAIN: Binding = Binding::read("gain");
const WEIGHTS: Binding = Binding::read("weights");
const OUT: Binding = Binding::write("out");

/// The op.
pub const OP: Op = Op {
    name: "gate_up",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/plain.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/gate_up.wgsl")
    ),
    storage: &[STATE, X, GAIN, WEIGHTS, OUT],
    overrides: &[Override::Lanes, Override::Together, Override::Split, Override::Bytes, Override::Norm],
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

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Guidance lanes.
    pub lanes: u32,
    /// (picture, lane, padded D).
    pub x: BufferId,
    /// RMSNorm of x.
    pub norm: Norm,
    /// W1 and W3 (2F, D), interleaved row by row.
    pub weights: MatrixRows,
    /// (picture, lane, padded F).
    pub out: BufferId,
    /// Padded F.
    pub out_width: usize,
}

/// Adds the op to a program. A matrix in several chunks takes one step each: their columns of out stand side by side.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let MatrixRows { buffer: weights, row0, rows, cols, precision } = a.weights;
    let params = Params {
        gate: a.gate,
        hidden: (rows / 2) as u32,
        cols: cols as u32,
        blocks: (padded(cols) / 8) as u32,
        out_width: a.out_width as u32,
        eps: a.norm.eps,
        unit0: (row0 / 2) as u32,
        pad: 0,
    };
    let flags = Flags { precision, norm: true, ..Flags::lanes(a.lanes) };
    let bind = OP.bind(&[(STATE, a.state), (X, a.x), (GAIN, a.norm.gain), (WEIGHTS, weights), (OUT, a.out)]);
    b.step(&OP, section, flags, params, bind, Work::Units(params.hidden));
}

fn twin(v: &TwinView<'_>) {
    let (p, flags) = (v.params::<Params>(), v.flags());
    let open = v.open(p.gate, 0..v.count());
    let width = 8 * p.blocks as usize;
    let staging = Staging { flags, width, cols: p.cols as usize, eps: p.eps };
    let x = staged(&v.f32(X), &v.f32(GAIN), open.iter().map(|(picture, _)| *picture), staging);
    let lanes = flags.lanes as usize;
    let (vectors, units, rows) = (open.len() * lanes, v.share().of(p.hidden as usize, RUN / 2), 2 * p.hidden as usize);
    let mut y = vec![0.0; vectors * 2 * units.len()]; // (picture, lane, units, gate or up)
    let weights = v.words(WEIGHTS);
    product(packed(&weights, width, flags.precision, rows), width, 2 * units.start..2 * units.end, &x, &mut y);
    let mut gate: Vec<f32> = y.iter().step_by(2).copied().collect();
    let up: Vec<f32> = y.iter().skip(1).step_by(2).copied().collect();
    swiglu(&mut gate, &up);
    let mut out = v.f32_mut(OUT);
    for (vector, values) in gate.chunks_exact(units.len().max(1)).enumerate() {
        let row = open[vector / lanes].0 * lanes + vector % lanes;
        let at = row * p.out_width as usize + p.unit0 as usize + units.start;
        out[at..][..values.len()].copy_from_slice(values);
    }
}
