//! The patch rule for a whole image whose entropies are known: what the threshold slider moves.
//!
//! `start_i = hard_i or (i - last_i) % P_max = 0`, where a *hard* start (first, row, entropy, every) does not depend on
//! the patch before and `last_i` is the last of them up to i. `patch_i = sum(start_0 ..= start_i) - 1`.
//!
//! Not part of a token's program: [`crate::engine::merger::Merger`] runs it by itself, on one picture.

use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;

const STATE: Binding = Binding::read("state");
const ENTROPIES: Binding = Binding::read("entropies");
const MERGED: Binding = Binding::write("merged");

/// The op.
pub const OP: Op = Op {
    name: "merge",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/rule.wgsl"),
        include_str!("../../../shaders/merge.wgsl")
    ),
    storage: &[STATE, ENTROPIES, MERGED],
    overrides: &[],
    shape: Shape::Single,
    twin,
    shared: false,
};

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`, whose word TOKENS is T.
    pub state: BufferId,
    /// Nats, (T).
    pub entropies: BufferId,
    /// (T + 1, 2): a start's reason code (0: none) and the token's patch; the last row holds 0 and M.
    pub merged: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let bind = OP.bind(&[(STATE, a.state), (ENTROPIES, a.entropies), (MERGED, a.merged)]);
    b.step(&OP, section, Flags::lanes(1), [0u32; 4], bind, Work::Groups(1));
}

fn twin(v: &TwinView<'_>) {
    let Some((picture, state)) = v.states(v.pictures()).first().copied() else { return };
    let (rule, entropies, mut merged) = (v.controls(picture).rule(), v.f32(ENTROPIES), v.words_mut(MERGED));
    let tokens = state.at(word::TOKENS);
    let (mut run, mut patches) = (0, 0);
    for i in 0..tokens {
        let reason = rule.start(i, entropies[i as usize], run);
        run = if reason.is_some() { 1 } else { run + 1 };
        patches += u32::from(reason.is_some());
        merged[2 * i as usize] = reason.map_or(0, |r| r as u32);
        merged[2 * i as usize + 1] = patches - 1;
    }
    merged[2 * tokens as usize] = 0;
    merged[2 * tokens as usize + 1] = patches;
}
