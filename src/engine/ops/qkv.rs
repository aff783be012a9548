//! `q, k, v = Wqkv RMSNorm(x)` for one position; RoPE on q and k; k and v appended to the cache (dpar.md section 3).
//!
//! Pairs (2j, 2j+1) turn together. A rope row of zeros (the class position) zeroes q and k, as the public code does.

use bytemuck::{Pod, Zeroable};

use dpar_simd::{RUN, product};

use crate::engine::cache::CacheFormat;
use crate::engine::math::{Staging, packed, staged};
use crate::engine::op::{Binding, Flags, Op, Override, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, MatrixRows, Norm, Row, Section, Work};
use crate::engine::weights::padded;

const STATE: Binding = Binding::read("state");
const X: Binding = Binding::read("x");
const GAIN: Binding = Binding::read("gain");
const WEIGHTS: Binding = Binding::read("weights");
const ROPE: Binding = Binding::read("rope");
const Q: Binding = Binding::write("q");
const K_CACHE: Binding = Binding::write("k_cache");
const V_CACHE: Binding = Binding::write("v_cache");

/// The op.
pub const OP: Op = Op {
    name: "qkv",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/plain.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/qkv.wgsl")
    ),
    storage: &[STATE, X, GAIN, WEIGHTS, ROPE, Q, K_CACHE, V_CACHE],
    overrides: &[
        Override::Lanes,
        Override::Together,
        Override::Split,
        Override::Bytes,
        Override::Norm,
        Override::CacheBytes,
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
    /// State word: cache row to write.
    pub slot: u32,
    /// State word: row of the rope table.
    pub turn: u32,
    /// D.
    pub dim: u32,
    /// d.
    pub head: u32,
    /// Cache rows a lane.
    pub cache: u32,
    /// Padded D / 8.
    pub blocks: u32,
    /// RMSNorm epsilon.
    pub eps: f32,
    /// State word: row of x.
    pub x_row: u32,
    /// 1 where each picture has a row of its own in the rope table, 0 where they share its rows.
    pub own_turn: u32,
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
    /// (row, picture, lane, padded D).
    pub x: Row,
    /// RMSNorm of x.
    pub norm: Norm,
    /// Wqkv (3D, D), whole.
    pub weights: MatrixRows,
    /// Angles, (row, d/2) of (cos, sin).
    pub rope: Row,
    /// The same as (row, picture, d/2).
    pub own_rope: bool,
    /// d.
    pub head: usize,
    /// (picture, lane, padded D).
    pub q: BufferId,
    /// (picture, lane, cache rows, D).
    pub k_cache: BufferId,
    /// (picture, lane, cache rows, D).
    pub v_cache: BufferId,
    /// Cache rows a lane.
    pub cache_rows: usize,
    /// State word: cache row to write.
    pub slot: u32,
    /// How keys and values are kept.
    pub format: CacheFormat,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let dim = a.weights.cols;
    let params = Params {
        gate: a.gate,
        slot: a.slot,
        turn: a.rope.row,
        dim: dim as u32,
        head: a.head as u32,
        cache: a.cache_rows as u32,
        blocks: (padded(dim) / 8) as u32,
        eps: a.norm.eps,
        x_row: a.x.row,
        own_turn: u32::from(a.own_rope),
        pad: [0; 2],
    };
    let flags = Flags { precision: a.weights.precision, norm: true, caches: a.format, ..Flags::lanes(a.lanes) };
    let bind = OP.bind(&[
        (STATE, a.state),
        (X, a.x.buffer),
        (GAIN, a.norm.gain),
        (WEIGHTS, a.weights.buffer),
        (ROPE, a.rope.buffer),
        (Q, a.q),
        (K_CACHE, a.k_cache),
        (V_CACHE, a.v_cache),
    ]);
    b.step(&OP, section, flags, params, bind, Work::Units(3 * dim as u32 / 2));
}

fn twin(v: &TwinView<'_>) {
    let (p, flags) = (v.params::<Params>(), v.flags());
    let open = v.open(p.gate, 0..v.count());
    let (dim, head, cache, width) = (p.dim as usize, p.head as usize, p.cache as usize, 8 * p.blocks as usize);
    let staging = Staging { flags, width, cols: dim, eps: p.eps };
    let x_rows = open.iter().map(|(picture, state)| state.index(p.x_row) * v.count() + picture);
    let x = staged(&v.f32(X), &v.f32(GAIN), x_rows, staging);
    let (lanes, rows) = (flags.lanes as usize, v.share().of(3 * dim, RUN));
    let mut y = vec![0.0; open.len() * lanes * rows.len()]; // (picture, lane, rows)
    product(packed(&v.words(WEIGHTS), width, flags.precision, 3 * dim), width, rows.clone(), &x, &mut y);
    let (rope, mut q, mut k, mut val) = (v.f32(ROPE), v.f32_mut(Q), v.words_mut(K_CACHE), v.words_mut(V_CACHE));
    for (vector, y) in y.chunks_exact_mut(rows.len().max(1)).enumerate() {
        let (picture, state) = &open[vector / lanes];
        let turn = state.index(p.turn) * if p.own_turn == 1 { v.count() } else { 1 } + p.own_turn as usize * picture;
        let turns = &rope[turn * head..][..head]; // (d/2, 2)
        let of = picture * lanes + vector % lanes;
        let cached = (of * cache + state.index(p.slot)) * dim;
        // What is there of q, of k and of v, one after the other.
        let mut row = rows.start;
        let mut rest = &mut y[..];
        while !rest.is_empty() {
            let (part, at) = (row / dim, row % dim);
            let (some, more) = rest.split_at_mut((dim - at).min(rest.len()));
            if part < 2 {
                for (pair, at) in some.chunks_exact_mut(2).zip((at..).step_by(2)) {
                    let (cos, sin) = (turns[at % head], turns[at % head + 1]);
                    (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin);
                }
            }
            match part {
                0 => q[of * width + at..][..some.len()].copy_from_slice(some),
                1 => flags.caches.put(&mut k, cached + at, some),
                _ => flags.caches.put(&mut val, cached + at, some),
            }
            row += some.len();
            rest = more;
        }
    }
}
