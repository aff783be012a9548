//! The patch decoder's input at position i: `h_tok[i-1]` (a learned start vector at i = 0) plus the first layer's
//! projected patch state, per lane (dpar.md section 6).

use bytemuck::{Pod, Zeroable};

use crate::engine::op::{Binding, Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::word;

const STATE: Binding = Binding::read("state");
const START: Binding = Binding::read("start");
const H: Binding = Binding::read("h");
const PATCH_STATE: Binding = Binding::read("patch_state");
const OUT: Binding = Binding::write("out");

/// The op.
pub const OP: Op = Op {
    name: "decoder_input",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/decoder_input.wgsl")
    ),
    storage: &[STATE, START, H, PATCH_STATE, OUT],
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
    /// Lanes.
    pub lanes: u32,
    /// Padded D.
    pub width: u32,
    /// Unused.
    pub pad: u32,
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Guidance lanes.
    pub lanes: u32,
    /// The start vector, (width).
    pub start: BufferId,
    /// h_tok, (T, picture, width).
    pub h: BufferId,
    /// The first layer's projected patch state, (picture, lane, width).
    pub patch_state: BufferId,
    /// (picture, lane, width).
    pub out: BufferId,
    /// Padded D.
    pub width: usize,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { gate: a.gate, lanes: a.lanes, width: a.width as u32, pad: 0 };
    let bind = OP.bind(&[(STATE, a.state), (START, a.start), (H, a.h), (PATCH_STATE, a.patch_state), (OUT, a.out)]);
    b.step(&OP, section, Flags::lanes(a.lanes), params, bind, Work::Threads(a.lanes * params.width));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    let (lanes, width) = (p.lanes as usize, p.width as usize);
    let (start, h, patch_state) = (v.f32(START), v.f32(H), v.f32(PATCH_STATE));
    for (picture, state) in v.open(p.gate, v.pictures()) {
        let token = if state.at(word::HAS_TOKEN) == 0 {
            &start[..width]
        } else {
            &h[(state.index(word::PREV) * v.count() + picture) * width..][..width]
        };
        let at = picture * lanes * width;
        let mut out = v.f32_mut(OUT);
        for (n, (out, patch)) in out[at..][..lanes * width].iter_mut().zip(&patch_state[at..]).enumerate() {
            *out = token[n % width] + patch;
        }
    }
}
