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
    /// (T, width).
    pub h: BufferId,
    /// (width).
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
    let (p, state) = (v.params::<Params>(), v.words(STATE));
    if state[p.gate as usize] == 0 {
        return;
    }
    let width = p.width as usize;
    let (first, last) = (state[word::CLOSE_FIRST as usize] as usize, state[word::CLOSE_LAST as usize] as usize);
    let (h, mut out) = (v.f32(H), v.f32_mut(OUT));
    out[..width].copy_from_slice(&h[first * width..][..width]);
    for row in h[(first + 1) * width..(last + 1) * width].chunks_exact(width) {
        for (top, x) in out.iter_mut().zip(row) {
            *top = top.max(*x);
        }
    }
}
