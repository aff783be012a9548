//! Completes the records of the tokens that were drawn since it last ran: what is known of a drawn token, for whoever looks (a
//! [`Record`](crate::engine::Record), which `sample` begins). It runs once a submit, so that no token waits for it.
//!
//! Rank and probabilities are of softmax(guided): after guidance and
//! temperature, before top-k and top-p.

use bytemuck::{Pod, Zeroable};
use dpar_simd::exps;

use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::{CANDIDATES, RECORD_WORDS, WANTED, word};

const STATE: Binding = Binding::read("state");
const GUIDED: Binding = Binding::read("guided");
const RECORDS: Binding = Binding::write("records");

/// The op.
pub const OP: Op = Op {
    name: "record",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/reduce.wgsl"),
        include_str!("../../../shaders/record.wgsl")
    ),
    storage: &[STATE, GUIDED, RECORDS],
    overrides: &[],
    shape: Shape::Single,
    twin,
    shared: false,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// Rows of what was drawn from.
    pub rows: u32,
    /// Unused.
    pub pad: [u32; 3],
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// What was drawn from, (i % rows, picture, V).
    pub guided: BufferId,
    /// Its rows: so many tokens may be drawn between two runs of the op.
    pub rows: usize,
    /// (T, picture, RECORD_WORDS); those that `sample` has begun are completed.
    pub records: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { rows: a.rows as u32, pad: [0; 3] };
    let bind = OP.bind(&[(STATE, a.state), (GUIDED, a.guided), (RECORDS, a.records)]);
    b.step(&OP, section, Flags::lanes(1), params, bind, Work::Groups(params.rows));
}

fn twin(v: &TwinView<'_>) {
    let rows = v.params::<Params>().rows as usize;
    for (picture, state) in v.states(v.pictures()) {
        let vocab = v.controls(picture).vocab as usize;
        let drawn = state.index(word::POS);
        for i in drawn.saturating_sub(rows)..drawn {
            let at = (i * v.count() + picture) * RECORD_WORDS;
            let (token, wanted) = {
                let records = v.words(RECORDS);
                (records[at] as usize, records[at + 7] == WANTED)
            };
            if wanted {
                let guided = v.f32(GUIDED)[(i % rows * v.count() + picture) * vocab..][..vocab].to_vec();
                complete(&guided, token, &mut v.words_mut(RECORDS)[at..][..RECORD_WORDS]);
            }
        }
    }
}

fn complete(guided: &[f32], drawn: usize, record: &mut [u32]) {
    let order = most_probable(guided);
    let top = order.first().map_or(0.0, |t| guided[*t]);
    let z = exps(&mut guided.to_vec(), top);
    let probability = |t: usize| (guided[t] - top).exp() / z;
    record[4] = guided.iter().filter(|l| **l > guided[drawn]).count() as u32;
    record[5] = probability(drawn).to_bits();
    record[7] = 0;
    for c in 0..CANDIDATES {
        record[8 + c] = order.get(c).map_or(guided.len() as u32, |t| *t as u32);
        record[8 + CANDIDATES + c] = order.get(c).map_or(0.0, |t| probability(*t)).to_bits();
    }
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
