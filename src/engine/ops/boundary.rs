//! The patch rule for token i and the bookkeeping of what it opens and closes.
//!
//! The rule is [`crate::patching::PatchRule::start`]; this op only keeps the state words around it. state, entropies (T).

use crate::engine::op::{Access, Op, Shape, TwinView};
use crate::engine::state::word;

/// The op.
pub const OP: Op = Op {
    name: "boundary",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/rule.wgsl"),
        include_str!("../../../shaders/boundary.wgsl")
    ),
    // state, entropies
    storage: &[Access::Write, Access::Read],
    overrides: &[],
    shape: Shape::Single,
    twin,
};

fn twin(v: &TwinView<'_>) {
    let (controls, mut state, entropies) = (v.controls(), v.words_mut(0), v.f32(1));
    let at = |w: u32| w as usize;
    state[at(word::BOUNDARY)] = 0;
    state[at(word::CLOSE)] = 0;
    if state[at(word::RUN)] == 0 {
        return;
    }
    let i = state[at(word::POS)];
    let reason = controls.rule().start(i, entropies[i as usize], state[at(word::PATCH_LEN)]);
    state[at(word::REASON)] = reason.map_or(0, |r| r as u32);
    if reason.is_none() {
        state[at(word::PATCH_LEN)] += 1;
        return;
    }
    state[at(word::BOUNDARY)] = 1;
    if i > 0 {
        state[at(word::CLOSE)] = 1;
        state[at(word::CLOSE_FIRST)] = state[at(word::PATCH_FIRST)];
        state[at(word::CLOSE_LAST)] = i - 1;
        state[at(word::PATCH)] += 1;
    }
    state[at(word::PATCH_FIRST)] = i;
    state[at(word::PATCH_LEN)] = 1;
}
