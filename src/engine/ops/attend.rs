//! Attention of one query over cached positions: `out = softmax(q . k / sqrt(d)) v`, per head and lane.
//!
//! q, out (lane, stride), caches (lane, cache rows, row stride). Positions run from one state word to another: from 0
//! for causal self-attention, over its own tokens for a patch's cross-attention (dpar.md section 4).

use bytemuck::{Pod, Zeroable};

use crate::engine::math::dot;
use crate::engine::op::{Access, Op, Shape, TwinView};

/// The op.
pub const OP: Op = Op {
    name: "attend",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/attend.wgsl")),
    // state, q, k cache, v cache, out
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
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

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let (first, last) = (state[p.first as usize] as usize, state[p.last as usize] as usize);
    let (d, stride) = (p.head as usize, p.stride as usize);
    let (q, k, val, mut out) = (v.f32(1), v.f32(2), v.f32(3), v.f32_mut(4));
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
