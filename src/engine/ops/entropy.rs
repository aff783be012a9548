//! Entropy of softmax(logits) in nats, the uncertainty about the next token (dpar.md section 2).
//!
//! `e = ln Z - sum(exp(l - max) (l - max)) / Z`, `Z = sum exp(l - max)`.

use bytemuck::{Pod, Zeroable};
use dpar_simd::{dot, exps};

use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;

const STATE: Binding = Binding::read("state");
const LOGITS: Binding = Binding::read("logits");
const ENTROPIES: Binding = Binding::write("entropies");

/// The op.
pub const OP: Op = Op {
    name: "entropy",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/reduce.wgsl"),
        include_str!("../../../shaders/entropy.wgsl")
    ),
    storage: &[STATE, LOGITS, ENTROPIES],
    overrides: &[],
    shape: Shape::Single,
    twin,
    shared: false,
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

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// (picture, V).
    pub logits: BufferId,
    /// V.
    pub vocab: usize,
    /// Nats, (T, picture); row i is written.
    pub entropies: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { gate: a.gate, vocab: a.vocab as u32, pad: [0; 2] };
    let bind = OP.bind(&[(STATE, a.state), (LOGITS, a.logits), (ENTROPIES, a.entropies)]);
    b.step(&OP, section, Flags::lanes(1), params, bind, Work::Groups(1));
}

fn twin(v: &TwinView<'_>) {
    let (p, logits) = (v.params::<Params>(), v.f32(LOGITS));
    let vocab = p.vocab as usize;
    for (picture, state) in v.open(p.gate, v.pictures()) {
        let logits = &logits[picture * vocab..][..vocab];
        let top = logits.iter().copied().fold(f32::MIN, f32::max);
        let below: Vec<f32> = logits.iter().map(|l| l - top).collect();
        let mut e = below.clone();
        let z = exps(&mut e, 0.0);
        let weighted = dot(&e, &below);
        v.f32_mut(ENTROPIES)[state.index(word::POS) * v.count() + picture] = z.ln() - weighted / z;
    }
}
