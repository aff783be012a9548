//! Writes down what happened at position i (a [`Record`]) and moves the run to position i + 1.
//!
//! Rank and probabilities are of softmax(guided): after guidance and
//! temperature, before top-k and top-p.

use bytemuck::{Pod, Zeroable};
use dpar_simd::exps;

use crate::engine::op::{Binding, Flags, Op, Shape, State, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::{CANDIDATES, RECORD_WORDS, word};

const STATE: Binding = Binding::write("state");
const GUIDED: Binding = Binding::read("guided");
const ENTROPIES: Binding = Binding::read("entropies");
const RECORDS: Binding = Binding::write("records");

/// The op.
pub const OP: Op = Op {
    name: "record",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/reduce.wgsl"),
        include_str!("../../../shaders/record.wgsl")
    ),
    storage: &[STATE, GUIDED, ENTROPIES, RECORDS],
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
    /// 0 for the baseline, which has no entropy model.
    pub has_entropy: u32,
    /// Unused.
    pub pad: [u32; 2],
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`, which moves on.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// What was drawn from, (picture, V).
    pub guided: BufferId,
    /// Nats, (T, picture).
    pub entropies: BufferId,
    /// Whether there is an entropy model to fill them (the baseline has none, and records 0).
    pub has_entropy: bool,
    /// (T, picture, RECORD_WORDS); row i is written.
    pub records: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { gate: a.gate, has_entropy: u32::from(a.has_entropy), pad: [0; 2] };
    let bind = OP.bind(&[(STATE, a.state), (GUIDED, a.guided), (ENTROPIES, a.entropies), (RECORDS, a.records)]);
    b.step(&OP, section, Flags::lanes(1), params, bind, Work::Groups(1));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    for (picture, mut state) in v.open(p.gate, v.pictures()) {
        let vocab = v.controls(picture).vocab as usize;
        let guided = v.f32(GUIDED)[picture * vocab..][..vocab].to_vec();
        let i = state.index(word::POS);
        let row = i * v.count() + picture;
        let entropy = if p.has_entropy == 0 { 0.0 } else { v.f32(ENTROPIES)[row] };
        let record = record(&guided, &state, entropy);
        v.words_mut(RECORDS)[row * RECORD_WORDS..][..RECORD_WORDS].copy_from_slice(&record);
        let more = u32::from((i as u32) + 1 < state.at(word::TOKENS));
        state.set(word::TOKEN, state.at(word::DRAWN));
        state.set(word::PREV, i as u32);
        state.set(word::POS, i as u32 + 1);
        state.set(word::HAS_TOKEN, more);
        state.set(word::RUN, more);
        v.set_state(picture, &state);
    }
}

fn record(guided: &[f32], state: &State, entropy: f32) -> [u32; RECORD_WORDS] {
    let drawn = state.at(word::DRAWN);
    let order = most_probable(guided);
    let top = order.first().map_or(0.0, |t| guided[*t]);
    let z = exps(&mut guided.to_vec(), top);
    let probability = |t: usize| (guided[t] - top).exp() / z;
    let drawn_logit = guided[drawn as usize];
    let mut record = [0; RECORD_WORDS];
    record[0] = drawn;
    record[1] = entropy.to_bits();
    record[2] = state.at(word::REASON);
    record[3] = state.at(word::PATCH);
    record[4] = guided.iter().filter(|l| **l > drawn_logit).count() as u32;
    record[5] = probability(drawn as usize).to_bits();
    record[6] = state.at(word::POS) + 1;
    for c in 0..CANDIDATES {
        record[8 + c] = order.get(c).map_or(guided.len() as u32, |t| *t as u32);
        record[8 + CANDIDATES + c] = order.get(c).map_or(0.0, |t| probability(*t)).to_bits();
    }
    record
}

/// The tokens of the largest logits, the largest first, the lower of two equal ones before the other.
fn most_probable(guided: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(CANDIDATES + 1);
    for (t, l) in guided.iter().enumerate() {
        if order.len() == CANDIDATES && order.last().is_some_and(|last| guided[*last] >= *l) {
            continue;
        }
        let at = order.partition_point(|other| guided[*other] >= *l);
        order.insert(at, t);
        order.truncate(CANDIDATES);
    }
    order
}
