//! Attention of one query over cached positions: `out = softmax(q . k / sqrt(d)) v`, per head and lane.
//!
//! Positions run from one state word to another: from 0 for causal self-attention, over its own tokens for a patch's
//! cross-attention (dpar.md section 4).

use bytemuck::{Pod, Zeroable};
use dpar_simd::Cache;
use half::f16;

use crate::engine::cache::CacheFormat;
use crate::engine::op::{Binding, Flags, Op, Override, Shape, TwinView};
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
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/attention.wgsl"),
        include_str!("../../../shaders/attend.wgsl")
    ),
    storage: &[STATE, Q, K_CACHE, V_CACHE, OUT],
    overrides: &[Override::CacheBytes],
    shape: Shape::Head,
    twin,
    shared: true,
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
    /// Guidance lanes.
    pub lanes: u32,
    /// Values from one lane's first cache row to the next lane's.
    pub lane: u32,
    /// Values from one cache row to the next.
    pub stride: u32,
    /// Where v begins in a row of the v cache.
    pub v_offset: u32,
    /// Values a lane of q and out.
    pub q_stride: u32,
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
    /// Heads, h.
    pub heads: usize,
    /// Values a head, d.
    pub head: usize,
    /// (picture, lane, padded D), D = h d.
    pub q: BufferId,
    /// (picture, lane, cache rows, D), or a table of rows, (cache rows, picture, lane, width): a row's keys come first in it.
    pub k_cache: BufferId,
    /// The same; may be the same buffer.
    pub v_cache: BufferId,
    /// How they are kept.
    pub format: CacheFormat,
    /// Values from one lane's first cache row to the next lane's.
    pub lane: usize,
    /// Values from one cache row to the next.
    pub stride: usize,
    /// Where the values begin in a row of the v cache.
    pub v_offset: usize,
    /// State word: first position.
    pub first: u32,
    /// State word: last position.
    pub last: u32,
    /// (picture, lane, padded D).
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
        lanes: a.lanes,
        lane: a.lane as u32,
        stride: a.stride as u32,
        v_offset: a.v_offset as u32,
        q_stride: padded(a.heads * a.head) as u32,
        pad: [0; 2],
    };
    let bind = OP.bind(&[(STATE, a.state), (Q, a.q), (K_CACHE, a.k_cache), (V_CACHE, a.v_cache), (OUT, a.out)]);
    let flags = Flags { caches: a.format, ..Flags::lanes(a.lanes) };
    b.step(&OP, section, flags, params, bind, Work::Groups(a.lanes * params.heads));
}

fn twin(v: &TwinView<'_>) {
    match v.flags().caches {
        CacheFormat::F32 => mix::<f32>(v, dpar_simd::attend),
        CacheFormat::F16 => mix::<f16>(v, dpar_simd::attend_f16),
    }
}

/// The attention of one head over caches of such numbers ([`dpar_simd::attend`]).
type HeadAttention<T> = fn(&[f32], Cache<'_, T>, Cache<'_, T>, usize, &mut [f32]);

/// The twin, for caches of such numbers.
fn mix<T: Pod>(v: &TwinView<'_>, attend: HeadAttention<T>) {
    let p = v.params::<Params>();
    let open = v.open(p.gate, 0..v.count());
    let (d, stride, heads, lanes) = (p.head as usize, p.stride as usize, p.heads as usize, p.lanes as usize);
    // Heads of the lanes of open pictures, one after the other.
    let units = v.share().of(open.len() * lanes * heads, 1);
    let (q, k, val) = (v.f32(Q), v.words(K_CACHE), v.words(V_CACHE));
    let (k, val): (&[T], &[T]) = (bytemuck::cast_slice(&k), bytemuck::cast_slice(&val));
    let lane = |unit: usize| open[unit / heads / lanes].0 * lanes + unit / heads % lanes;
    let place = |unit: usize| lane(unit) * p.q_stride as usize + unit % heads * d;
    let mut mixed = vec![0.0; units.len() * d];
    for (unit, mixed) in units.clone().zip(mixed.chunks_exact_mut(d)) {
        let state = &open[unit / heads / lanes].1;
        let (first, last) = (state.index(p.first), state.index(p.last));
        let row = lane(unit) * p.lane as usize + first * stride + unit % heads * d;
        let keys = Cache { values: &k[row..], stride };
        let values = Cache { values: &val[row + p.v_offset as usize..], stride };
        attend(&q[place(unit)..][..d], keys, values, last + 1 - first, mixed);
    }
    let mut out = v.f32_mut(OUT);
    for (unit, mixed) in units.zip(mixed.chunks_exact(d)) {
        out[place(unit)..][..d].copy_from_slice(mixed);
    }
}
