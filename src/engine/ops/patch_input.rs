//! What the patch transformer reads at slot m: the class embedding (m = 0) or the patch just closed, with that patch's
//! Dynamic RoPE (dpar.md section 5).
//!
//! Angles: `[row | first column | last column | last column | first column]`, zeros for the class.

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;

const STATE: Binding = Binding::read("state");
const PATCH_VECTOR: Binding = Binding::read("patch_vector");
const CLASSES: Binding = Binding::read("classes");
const ROWS: Binding = Binding::read("rows");
const COLUMNS: Binding = Binding::read("columns");
const OUT: Binding = Binding::write("out");
const ROPE: Binding = Binding::write("rope");

/// The op.
pub const OP: Op = Op {
    name: "patch_input",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/patch_input.wgsl")
    ),
    storage: &[STATE, PATCH_VECTOR, CLASSES, ROWS, COLUMNS, OUT, ROPE],
    overrides: &[],
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
    /// d / 4.
    pub quarter: u32,
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
    /// The patch just closed, (picture, width).
    pub patch_vector: BufferId,
    /// Class embeddings, (picture, lane, width).
    pub classes: BufferId,
    /// Angles of the rows, (g, d/4) of (cos, sin).
    pub rows: BufferId,
    /// Angles of the columns, (g, d/16) of (cos, sin).
    pub columns: BufferId,
    /// (picture, lane, width).
    pub out: BufferId,
    /// (picture, d/2) of (cos, sin).
    pub rope: BufferId,
    /// Padded D.
    pub width: usize,
    /// d, a multiple of 16.
    pub head: usize,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let (gate, lanes, width, quarter) = (a.gate, a.lanes, a.width as u32, (a.head / 4) as u32);
    let params = Params { gate, lanes, width, quarter };
    let bind = OP.bind(&[
        (STATE, a.state),
        (PATCH_VECTOR, a.patch_vector),
        (CLASSES, a.classes),
        (ROWS, a.rows),
        (COLUMNS, a.columns),
        (OUT, a.out),
        (ROPE, a.rope),
    ]);
    let work = Work::Threads((lanes * width).max(2 * quarter));
    b.step(&OP, section, Flags::lanes(lanes), params, bind, work);
}

fn twin(v: &TwinView<'_>) {
    let (p, rows, columns) = (v.params::<Params>(), v.f32(ROWS), v.f32(COLUMNS));
    let (lanes, width, quarter) = (p.lanes as usize, p.width as usize, p.quarter as usize);
    for (picture, state) in v.open(p.gate, v.pictures()) {
        let at = picture * lanes * width;
        let (out, rope) = if state.at(word::CLOSE) == 0 {
            (v.f32(CLASSES)[at..][..lanes * width].to_vec(), vec![0.0; 4 * quarter])
        } else {
            let grid = v.controls(picture).grid as usize;
            let (first, last) = (state.index(word::CLOSE_FIRST), state.index(word::CLOSE_LAST));
            let row = &rows[first / grid * 2 * quarter..][..2 * quarter];
            let fine = quarter / 2; // d / 16 pairs of (cos, sin)
            let column = |token: usize| &columns[token % grid * fine..][..fine];
            let turns = [row, column(first), column(last), column(last), column(first)].concat();
            (v.f32(PATCH_VECTOR)[picture * width..][..width].repeat(lanes), turns)
        };
        v.f32_mut(OUT)[at..][..out.len()].copy_from_slice(&out);
        v.f32_mut(ROPE)[picture * rope.len()..][..rope.len()].copy_from_slice(&rope);
    }
}
