//! Entropy of softmax(logits) in nats, the uncertainty about the next token (dpar.md section 2).
//!
//! `e = ln Z - sum(exp(l - max) (l - max)) / Z`, `Z = sum exp(l - max)`. logits (V), entropies (T) at row i.

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Access, Op, Shape, TwinView};
use crate::engine::state::word;

/// The op.
pub const OP: Op = Op {
    name: "entropy",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/entropy.wgsl")),
    // state, logits, entropies
    storage: &[Access::Read, Access::Read, Access::Write],
    overrides: &[],
    shape: Shape::Single,
    twin,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// V.
    pub vocab: u32,
    /// Unused.
    pub pad: [u32; 2],
}

fn twin(v: &TwinView<'_>) {
    let (p, state) = (v.params::<Params>(), v.words(0));
    if state[p.gate as usize] == 0 {
        return;
    }
    let logits = &v.f32(1)[..p.vocab as usize];
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    let (mut z, mut weighted) = (0.0, 0.0);
    for l in logits {
        let e = (l - top).exp();
        z += e;
        weighted += e * (l - top);
    }
    v.f32_mut(2)[state[word::POS as usize] as usize] = z.ln() - weighted / z;
}
