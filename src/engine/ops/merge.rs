//! The patch rule for a whole image whose entropies are known: what the threshold slider moves.
//!
//! `start_i = hard_i or (i - last_i) % P_max = 0`, where a *hard* start (first, row, entropy, every) does not depend on
//! the patch before and `last_i` is the last of them up to i.
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
    /// (T): a start's reason code; 0 where the token continues a patch.
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
    let mut run = 0;
    for i in 0..tokens {
        let reason = rule.start(i, entropies[i as usize], run);
        run = if reason.is_some() { 1 } else { run + 1 };
        merged[i as usize] = reason.map_or(0, |r| r as u32);
    }
}
