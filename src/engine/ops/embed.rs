//! The input of a token model at position i: the class embedding at i = 0, else the embedding of `x_{i-1}`.

use bytemuck::{Pod, Zeroable};

use crate::engine::math::row;
use crate::engine::op::{Binding, Flags, Op, Override, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, MatrixRows, Section, Work};
use crate::engine::state::word;
use crate::engine::weights::padded;

const STATE: Binding = Binding::read("state");
const CLASSES: Binding = Binding::read("classes");
const WEIGHTS: Binding = Binding::read("weights");
const OUT: Binding = Binding::write("out");

/// The op.
pub const OP: Op = Op {
    name: "embed",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/embed.wgsl")),
    storage: &[STATE, CLASSES, WEIGHTS, OUT],
    overrides: &[Override::Bytes],
    shape: Shape::Wide,
    twin,
    shared: false,
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

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Guidance lanes.
    pub lanes: u32,
    /// Class embeddings (picture, lane, padded D); `None` where the gate keeps the class position out.
    pub classes: Option<BufferId>,
    /// The token embeddings (V, D).
    pub table: MatrixRows,
    /// (picture, lane, padded D).
    pub out: BufferId,
}

/// Adds the op to a program. A table in several chunks takes one step each: the one that holds the token writes.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let Args { gate, lanes, table, .. } = a;
    let width = padded(table.cols) as u32;
    let params = Params { gate, lanes, width, row0: table.row0 as u32, rows: table.rows as u32, pad: [0; 3] };
    let flags = Flags { precision: table.precision, ..Flags::lanes(lanes) };
    let classes = a.classes.unwrap_or_else(|| b.unused());
    let bind = OP.bind(&[(STATE, a.state), (CLASSES, classes), (WEIGHTS, table.buffer), (OUT, a.out)]);
    b.step(&OP, section, flags, params, bind, Work::Threads(lanes * width));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    let (lanes, width) = (p.lanes as usize, p.width as usize);
    for (picture, state) in v.open(p.gate, v.pictures()) {
        let at = picture * lanes * width;
        let token = state.at(word::TOKEN);
        let values = if state.at(word::HAS_TOKEN) == 0 {
            if p.row0 > 0 {
                continue;
            }
            v.f32(CLASSES)[at..][..lanes * width].to_vec()
        } else if (p.row0..p.row0 + p.rows).contains(&token) {
            let (rows, at) = (p.rows as usize, (token - p.row0) as usize);
            row(&v.words(WEIGHTS), width, v.flags().precision, rows, at).repeat(lanes)
        } else {
            continue;
        };
        v.f32_mut(OUT)[at..][..lanes * width].copy_from_slice(&values);
    }
}
