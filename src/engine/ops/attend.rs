//! Attention of one query over cached positions: `out = softmax(q . k / sqrt(d)) v`, per head and lane.
//!
//! Positions run from one state word to another: from 0 for causal self-attention, over its own tokens for a patch's
//! cross-attention (dpar.md section 4).

use bytemuck::{Pod, Zeroable};

use crate::engine::math::dot;
use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::weights::padded;

const STATE: Binding = Binding::read("state");
const Q: Binding = Binding::read("q");
const K_CACHE: Binding = Binding::read("k_cache");
const V_CACHE: Binding = Binding::read("v_cache");
const OUT: Binding = Binding::write("out");

/// The op.
pub const OP: Op = Op {
    name: "attend",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/attend.wgsl")),
    storage: &[STATE, Q, K_CACHE, V_CACHE, OUT],
    overrides: &[],
    shape: Shape::Head,
    twin,
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
    /// Cache rows a lane.
    pub cache: u32,
    /// Values a cache row.
    pub stride: u32,
    /// Where v begins in a row of the v cache.
    pub v_offset: u32,
    /// Values a lane of q and out.
    pub q_stride: u32,
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
    /// Values a head, d.
    pub head: usize,
    /// (lane, padded D), D = h d.
    pub q: BufferId,
    /// (lane, cache rows, stride): a row's keys come first in it.
    pub k_cache: BufferId,
    /// (lane, cache rows, stride); may be the same buffer.
    pub v_cache: BufferId,
    /// Cache rows a lane.
    pub cache_rows: usize,
    /// Values a cache row.
    pub stride: usize,
    /// Where the values begin in a row of the v cache.
    pub v_offset: usize,
    /// State word: first position.
    pub first: u32,
    /// State word: last position.
    pub last: u32,
    /// (lane, padded D).
    pub out: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params {
        gate: a.gate,
        first: a.first,
        last: a.last,
        heads: a.heads as u32,
        head: a.head as u32,
        cache: a.cache_rows as u32,
        stride: a.stride as u32,
        v_offset: a.v_offset as u32,
        q_stride: padded(a.heads * a.head) as u32,
        pad: [0; 3],
    };
    let bind = OP.bind(&[(STATE, a.state), (Q, a.q), (K_CACHE, a.k_cache), (V_CACHE, a.v_cache), (OUT, a.out)]);
    b.step(&OP, section, Flags::lanes(a.lanes), params, bind, Work::Groups(a.lanes * params.heads));
}

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(STATE));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (first, last) = (state[p.first as usize] as usize, state[p.last as usize] as usize);
    let (d, stride) = (p.head as usize, p.stride as usize);
    let (q, k, val, mut out) = (v.f32(Q), v.f32(K_CACHE), v.f32(V_CACHE), v.f32_mut(OUT));
    let scale = 1.0 / (d as f32).sqrt();
    let mut scores = vec![0.0; last + 1 - first];
    for lane in 0..v.flags().lanes as usize {
        for head in 0..p.heads as usize {
            let offset = head * d;
            let row = |j: usize| (lane * p.cache as usize + first + j) * stride + offset;
            let at = lane * p.q_stride as usize + offset;
            let query = &q[at..at + d];
            let mut top = f32::MIN;
            for (j, score) in scores.iter_mut().enumerate() {
                *score = dot(query, &k[row(j)..][..d]) * scale;
                top = top.max(*score);
            }
            let mut total = 0.0;
            let mixed = &mut out[at..at + d];
            mixed.fill(0.0);
            for (j, score) in scores.iter().enumerate() {
                let weight = (score - top).exp();
                total += weight;
                for (m, x) in mixed.iter_mut().zip(&val[row(j) + p.v_offset as usize..]) {
                    *m += weight * x;
                }
            }
            for m in mixed {
                *m /= total;
            }
        }
    }
}
