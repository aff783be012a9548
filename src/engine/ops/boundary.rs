//! How uncertain token i is, the patch rule, and the bookkeeping of what it opens and closes (dpar.md section 2).
//!
//! Entropy of softmax(logits) in nats: `e = ln Z - sum(exp(l - max) (l - max)) / Z`, `Z = sum exp(l - max)`.
//! The rule is [`crate::patching::PatchRule::start`]; this op only keeps the state words around it. It
//! has no gate: once the run is over it still says that no patch starts.

use bytemuck::{Pod, Zeroable};
use dpar_simd::{dot, exps};

use crate::engine::op::{Binding, Flags, Op, Shape, State, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;
use crate::patching::StartReason;

const STATE: Binding = Binding::write("state");
const LOGITS: Binding = Binding::read("logits");
const ENTROPIES: Binding = Binding::write("entropies");

/// The op.
pub const OP: Op = Op {
    name: "boundary",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/rule.wgsl"),
        include_str!("../../../shaders/shared/reduce.wgsl"),
        include_str!("../../../shaders/boundary.wgsl")
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
    /// V.
    pub vocab: u32,
    /// Unused.
    pub pad: [u32; 3],
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`, written.
    pub state: BufferId,
    /// (picture, V).
    pub logits: BufferId,
    /// V.
    pub vocab: usize,
    /// Nats, (T, picture); row i is written.
    pub entropies: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { vocab: a.vocab as u32, pad: [0; 3] };
    let bind = OP.bind(&[(STATE, a.state), (LOGITS, a.logits), (ENTROPIES, a.entropies)]);
    b.step(&OP, section, Flags::lanes(1), params, bind, Work::Groups(1));
}

fn twin(v: &TwinView<'_>) {
    let vocab = v.params::<Params>().vocab as usize;
    for (picture, mut state) in v.states(v.pictures()) {
        state.set(word::BOUNDARY, 0);
        state.set(word::CLOSE, 0);
        if state.at(word::RUN) != 0 {
            let i = state.at(word::POS);
            let e = entropy(&v.f32(LOGITS)[picture * vocab..][..vocab]);
            v.f32_mut(ENTROPIES)[i as usize * v.count() + picture] = e;
            let reason = v.controls(picture).rule().start(i, e, state.at(word::PATCH_LEN));
            go_on(&mut state, reason);
        }
        v.set_state(picture, &state);
    }
}

/// In nats.
fn entropy(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    let below: Vec<f32> = logits.iter().map(|l| l - top).collect();
    let mut e = below.clone();
    let z = exps(&mut e, 0.0);
    z.ln() - dot(&e, &below) / z
}

/// Opens a patch with token i, for a reason, or takes it into the one that is open.
fn go_on(state: &mut State, reason: Option<StartReason>) {
    let i = state.at(word::POS);
    state.set(word::REASON, reason.map_or(0, |r| r as u32));
    if reason.is_none() {
        state.set(word::PATCH_LEN, state.at(word::PATCH_LEN) + 1);
        return;
    }
    state.set(word::BOUNDARY, 1);
    if i > 0 {
        state.set(word::CLOSE, 1);
        state.set(word::CLOSE_FIRST, state.at(word::PATCH_FIRST));
        state.set(word::CLOSE_LAST, i - 1);
        state.set(word::PATCH, state.at(word::PATCH) + 1);
    }
    state.set(word::PATCH_FIRST, i);
    state.set(word::PATCH_LEN, 1);
}
