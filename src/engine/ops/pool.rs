//! The query of a closing patch: the elementwise maximum of h over its tokens (dpar.md section 4).

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;

const STATE: Binding = Binding::read("state");
const H: Binding = Binding::read("h");
const OUT: Binding = Binding::write("out");

/// The op.
pub const OP: Op = Op {
    name: "pool",
    wgsl: concat!(include_str!("../../../shaders/shared/state.wgsl"), include_str!("../../../shaders/pool.wgsl")),
    storage: &[STATE, H, OUT],
    overrides: &[],
    shape: Shape::Wide,
    twin,
    shared: false,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Padded D.
    pub width: u32,
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
    /// (T, picture, width).
    pub h: BufferId,
    /// (picture, width).
    pub out: BufferId,
    /// Padded D.
    pub width: usize,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { gate: a.gate, width: a.width as u32, pad: [0; 2] };
    let bind = OP.bind(&[(STATE, a.state), (H, a.h), (OUT, a.out)]);
    b.step(&OP, section, Flags::lanes(1), params, bind, Work::Threads(params.width));
}

fn twin(v: &TwinView<'_>) {
    let (p, h) = (v.params::<Params>(), v.f32(H));
    let width = p.width as usize;
    for (picture, state) in v.open(p.gate, v.pictures()) {
        let row = |token: usize| &h[(token * v.count() + picture) * width..][..width];
        let (first, last) = (state.index(word::CLOSE_FIRST), state.index(word::CLOSE_LAST));
        let mut most = row(first).to_vec();
        for token in first + 1..=last {
            for (top, x) in most.iter_mut().zip(row(token)) {
                *top = top.max(*x);
            }
        }
        v.f32_mut(OUT)[picture * width..][..width].copy_from_slice(&most);
    }
}
