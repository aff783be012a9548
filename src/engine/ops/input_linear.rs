//! `y = W RMSNorm(x)` as `linear` computes it, for narrow models: x is put together by the op itself (`engine/input.rs`).
//!
//! Logits; keys and values of the patch encoder; the query of a closing patch, pooled here (dpar.md section 4); what the patch
//! decoder's layers add of a patch, all of them at once (section 6).

use bytemuck::{Pod, Zeroable};
use dpar_simd::dot;

use crate::engine::input::{self, GAIN, INPUT, MORE, OUT, STATE, WEIGHTS};
use crate::engine::math::row;
use crate::engine::op::{Flags, Op, Shape, TwinView};
use crate::engine::program::{Builder, MatrixRows, Section, Work};

/// The op.
pub const OP: Op = Op {
    name: "input_linear",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/input.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/input_linear.wgsl")
    ),
    storage: &[STATE, INPUT, GAIN, WEIGHTS, MORE, OUT],
    overrides: &input::OVERRIDES,
    shape: Shape::Wide,
    twin,
    shared: false,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// The input.
    pub input: input::Params,
    /// Rows of W here.
    pub rows: u32,
    /// So many rows share RMSNorm weights.
    pub gain_rows: u32,
    /// Unused.
    pub pad: [u32; 2],
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// The input; its norm may have several vectors of weights, one behind the other.
    pub input: input::Args,
    /// W (rows, D).
    pub weights: MatrixRows,
    /// So many rows share RMSNorm weights, a multiple of 8; the next as many have the next ones.
    pub gain_rows: usize,
}

/// Adds the op to a program. A matrix in several chunks takes one step each: their rows of out stand side by side.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let MatrixRows { buffer, row0, rows, precision, .. } = a.weights;
    let (mut input, flags, [from, more]) = a.input.parameters(b);
    input.result += row0 as u32;
    let params = Params { input, rows: rows as u32, gain_rows: a.gain_rows as u32, pad: [0; 2] };
    let bind = OP.bind(&[
        (STATE, a.input.state),
        (INPUT, from),
        (GAIN, a.input.norm.gain),
        (WEIGHTS, buffer),
        (MORE, more),
        (OUT, a.input.out.buffer),
    ]);
    b.step(&OP, section, Flags { precision, ..flags }, params, bind, Work::Units(rows.div_ceil(2) as u32));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    let (dim, rows, gain_rows) = (p.input.dim(), p.rows as usize, p.gain_rows as usize);
    for (picture, state) in v.open(p.input.gate, v.pictures()) {
        for lane in 0..v.flags().lanes as usize {
            let x = p.input.taken(v, picture, &state, lane);
            let scaled = |gain: &[f32]| x.iter().zip(gain).map(|(x, g)| x * g).collect::<Vec<_>>();
            let scaled: Vec<Vec<f32>> = v.f32(GAIN).chunks_exact(dim).map(scaled).collect();
            let product =
                |r: usize| dot(&row(&v.words(WEIGHTS), dim, v.flags().precision, rows, r), &scaled[r / gain_rows]);
            let y: Vec<f32> = (0..rows).map(product).collect();
            let at = p.input.out_at(v, picture, &state, lane) + p.input.result as usize;
            v.f32_mut(OUT)[at..][..rows].copy_from_slice(&y);
        }
    }
}
