//! `q, k, v = Wqkv RMSNorm(x)` for one position as `qkv` computes it, for narrow models: x is put together by the op itself
//! (`engine/input.rs`), k and v stand side by side in the cache.
//!
//! It is embed, decoder_input or patch_input and the end of the feed-forward before, in one dispatch with qkv.

use bytemuck::{Pod, Zeroable};
use dpar_simd::dot;

use crate::engine::input::{self, GAIN, INPUT, MORE, OUT, STATE, WEIGHTS};
use crate::engine::math::row;
use crate::engine::op::{Binding, Flags, Op, Override, Shape, State, TwinView};
use crate::engine::program::{BufferId, Builder, MatrixRows, Section, Work};
use crate::engine::state::word;

const ROPE: Binding = Binding::read("rope");
const KV: Binding = Binding::write("kv");

const OVERRIDES: [Override; 9] = {
    let [a, b, c, d, e, f, g, h] = input::OVERRIDES;
    [a, b, c, d, e, f, g, h, Override::PatchTurns]
};

/// The op.
pub const OP: Op = Op {
    name: "input_qkv",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/input.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/input_qkv.wgsl")
    ),
    storage: &[STATE, INPUT, GAIN, WEIGHTS, MORE, OUT, ROPE, KV],
    overrides: &OVERRIDES,
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
    /// State word: cache row to write.
    pub slot: u32,
    /// State word: row of the rope table.
    pub turn: u32,
    /// d.
    pub head: u32,
    /// Cache rows a lane.
    pub cache: u32,
    /// Where the columns' angles begin, in pairs.
    pub columns: u32,
    /// Unused.
    pub pad: [u32; 3],
}

/// By what queries and keys turn.
#[derive(Clone, Copy, Debug)]
pub enum TurnsBy {
    /// A row of a table, (row, d/2) of (cos, sin), that a state word names.
    Position(u32),
    /// The patch that ends, zeros where none does: tables of the rows, (g, d/4), and from this pair on of the columns, (g, d/16).
    Patch(usize),
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// The input; the result is q.
    pub input: input::Args,
    /// (3D, D).
    pub weights: MatrixRows,
    /// The table.
    pub rope: BufferId,
    /// By what of it.
    pub turns: TurnsBy,
    /// d, a multiple of 4; of 16 for patches.
    pub head: usize,
    /// (picture, lane, cache rows, k | v).
    pub kv: BufferId,
    /// Cache rows a lane.
    pub cache_rows: usize,
    /// State word: the row to write.
    pub slot: u32,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let (input, flags, [from, more]) = a.input.parameters(b);
    let (turn, columns) = match a.turns {
        TurnsBy::Position(row) => (row, 0),
        TurnsBy::Patch(columns) => (word::ZERO, columns),
    };
    let (head, cache, columns) = (a.head as u32, a.cache_rows as u32, columns as u32);
    let params = Params { input, slot: a.slot, turn, head, cache, columns, pad: [0; 3] };
    let flags = Flags { precision: a.weights.precision, patch_turns: matches!(a.turns, TurnsBy::Patch(_)), ..flags };
    let bind = OP.bind(&[
        (STATE, a.input.state),
        (INPUT, from),
        (GAIN, a.input.norm.gain),
        (WEIGHTS, a.weights.buffer),
        (MORE, more),
        (OUT, a.input.out.buffer),
        (ROPE, a.rope),
        (KV, a.kv),
    ]);
    b.step(&OP, section, flags, params, bind, Work::Units((3 * a.input.dim / 2) as u32));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    let (dim, head, lanes) = (p.input.dim(), p.head as usize, v.flags().lanes as usize);
    for (picture, state) in v.open(p.input.gate, v.pictures()) {
        let turns = turns(v, &p, picture, &state);
        for lane in 0..lanes {
            let x = p.input.taken(v, picture, &state, lane);
            let x: Vec<f32> = x.iter().zip(v.f32(GAIN).iter()).map(|(x, g)| x * g).collect();
            let product = |r| dot(&row(&v.words(WEIGHTS), dim, v.flags().precision, 3 * dim, r), &x);
            let mut y: Vec<f32> = (0..3 * dim).map(product).collect(); // (q | k | v)
            for (n, pair) in y[..2 * dim].chunks_exact_mut(2).enumerate() {
                let [cos, sin] = turns[n % (head / 2)];
                (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin);
            }
            let at = p.input.out_at(v, picture, &state, lane) + p.input.result as usize;
            v.f32_mut(OUT)[at..][..dim].copy_from_slice(&y[..dim]);
            let slot = (picture * lanes + lane) * p.cache as usize + state.index(p.slot);
            v.f32_mut(KV)[slot * 2 * dim..][..2 * dim].copy_from_slice(&y[dim..]);
        }
    }
}

/// (cos, sin) of the pairs of a head.
fn turns(v: &TwinView<'_>, p: &Params, picture: usize, state: &State) -> Vec<[f32; 2]> {
    let (rope, pairs) = (v.f32(ROPE), p.head as usize / 2);
    let some = |from: usize, count: usize| bytemuck::cast_slice(&rope[2 * from..2 * (from + count)]).to_vec();
    if !v.flags().patch_turns {
        return some(state.index(p.turn) * pairs, pairs);
    }
    if state.at(word::CLOSE) == 0 {
        return vec![[0.0; 2]; pairs];
    }
    let grid = v.controls(picture).grid as usize;
    let (first, last) = (state.index(word::CLOSE_FIRST), state.index(word::CLOSE_LAST));
    let (quarter, fine) = (pairs / 2, pairs / 8);
    let column = |token: usize| some(p.columns as usize + token % grid * fine, fine);
    [some(first / grid * quarter, quarter), column(first), column(last), column(last), column(first)].concat()
}
