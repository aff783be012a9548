//! Attention of one query over cached positions, and what each head adds to the stream, `Wo` times what it has found, for the next op
//! to add up. As `attend` and `linear`, for narrow models: nothing waits for all heads in between.

use bytemuck::{Pod, Zeroable};
use dpar_simd::{Cache, dot};

use crate::engine::input::{OUT, STATE, WEIGHTS};
use crate::engine::math::row;
use crate::engine::op::{Binding, Flags, Op, Override, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, MatrixRows, Section, Work};

const KV: Binding = Binding::read("kv");

/// The op.
pub const OP: Op = Op {
    name: "attend_output",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/attention.wgsl"),
        include_str!("../../../shaders/attend_output.wgsl")
    ),
    storage: &[STATE, KV, OUT, WEIGHTS],
    overrides: &[Override::Lanes, Override::Bytes],
    shape: Shape::Head,
    twin,
    shared: false,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// State word: first position.
    pub first: u32,
    /// State word: last position.
    pub last: u32,
    /// h.
    pub heads: u32,
    /// d.
    pub head: u32,
    /// Values from one lane's first cache row to the next lane's.
    pub lane: u32,
    /// Values from one cache row to the next.
    pub stride: u32,
    /// Where k begins in a cache row.
    pub k_offset: u32,
    /// ... and v.
    pub v_offset: u32,
    /// D.
    pub dim: u32,
    /// Values a lane of out.
    pub out_stride: u32,
    /// Where in it the query begins.
    pub query: u32,
    /// ... and what the heads add.
    pub result: u32,
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
    /// Heads, h.
    pub heads: usize,
    /// Values a head, d, a multiple of 8.
    pub head: usize,
    /// (picture, lane, cache rows, ..), or a table of rows, (cache rows, picture, lane, ..).
    pub kv: BufferId,
    /// Values from one lane's first cache row to the next lane's.
    pub lane: usize,
    /// Values from one cache row to the next.
    pub stride: usize,
    /// Where the keys begin in a cache row; the values follow D further on.
    pub k_offset: usize,
    /// State word: first position.
    pub first: u32,
    /// State word: last position.
    pub last: u32,
    /// Wo (D, D).
    pub weights: MatrixRows,
    /// (picture, lane, stride): a query is there, what the heads add is written, (head, D).
    pub out: BufferId,
    /// Values a lane of out.
    pub out_stride: usize,
    /// Where in it the query begins.
    pub query: usize,
    /// ... and what the heads add.
    pub result: usize,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let dim = a.heads * a.head;
    let params = Params {
        gate: a.gate,
        first: a.first,
        last: a.last,
        heads: a.heads as u32,
        head: a.head as u32,
        lane: a.lane as u32,
        stride: a.stride as u32,
        k_offset: a.k_offset as u32,
        v_offset: (a.k_offset + dim) as u32,
        dim: dim as u32,
        out_stride: a.out_stride as u32,
        query: a.query as u32,
        result: a.result as u32,
        pad: [0; 3],
    };
    let flags = Flags { precision: a.weights.precision, ..Flags::lanes(a.lanes) };
    let bind = OP.bind(&[(STATE, a.state), (KV, a.kv), (OUT, a.out), (WEIGHTS, a.weights.buffer)]);
    b.step(&OP, section, flags, params, bind, Work::Groups(a.lanes * params.heads));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    let (dim, d, stride) = (p.dim as usize, p.head as usize, p.stride as usize);
    let (kv, lanes) = (v.f32(KV), v.flags().lanes as usize);
    for (picture, state) in v.open(p.gate, v.pictures()) {
        let (first, last) = (state.index(p.first), state.index(p.last));
        for lane in picture * lanes..(picture + 1) * lanes {
            let from = lane * p.out_stride as usize;
            for head in 0..p.heads as usize {
                let query = v.f32(OUT)[from + p.query as usize + head * d..][..d].to_vec();
                let at = lane * p.lane as usize + first * stride + head * d;
                let cache = |offset: u32| Cache { values: &kv[at + offset as usize..], stride };
                let mut mixed = vec![0.0; d];
                dpar_simd::attend(&query, cache(p.k_offset), cache(p.v_offset), last + 1 - first, &mut mixed);
                let product = |r| {
                    let row = row(&v.words(WEIGHTS), dim, v.flags().precision, dim, r);
                    dot(&row[head * d..][..d], &mixed)
                };
                let added: Vec<f32> = (0..dim).map(product).collect();
                v.f32_mut(OUT)[from + p.result as usize + head * dim..][..dim].copy_from_slice(&added);
            }
        }
    }
}
