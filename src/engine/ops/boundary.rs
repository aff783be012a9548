//! The patch rule for token i and the bookkeeping of what it opens and closes.
//!
//! The rule is [`crate::patching::PatchRule::start`]; this op only keeps the state words around it. It
//! has no gate: once the run is over it still says that no patch starts.

use crate::engine::op::{Binding, Flags, Op, Shape, State, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;
use crate::patching::StartReason;

const STATE: Binding = Binding::write("state");
const ENTROPIES: Binding = Binding::read("entropies");

/// The op.
pub const OP: Op = Op {
    name: "boundary",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/rule.wgsl"),
        include_str!("../../../shaders/boundary.wgsl")
    ),
    storage: &[STATE, ENTROPIES],
    overrides: &[],
    shape: Shape::Thread,
    twin,
    shared: false,
};

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`, written.
    pub state: BufferId,
    /// Nats, (T, picture).
    pub entropies: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let bind = OP.bind(&[(STATE, a.state), (ENTROPIES, a.entropies)]);
    b.step(&OP, section, Flags::lanes(1), [0u32; 4], bind, Work::Groups(1));
}

fn twin(v: &TwinView<'_>) {
    for (picture, mut state) in v.states(v.pictures()) {
        state.set(word::BOUNDARY, 0);
        state.set(word::CLOSE, 0);
        if state.at(word::RUN) != 0 {
            let i = state.at(word::POS);
            let entropy = v.f32(ENTROPIES)[i as usize * v.count() + picture];
            let reason = v.controls(picture).rule().start(i, entropy, state.at(word::PATCH_LEN));
            go_on(&mut state, reason);
        }
        v.set_state(picture, &state);
    }
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
