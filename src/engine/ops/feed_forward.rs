//! The feed-forward, `W2 (silu(W1 n) * (W3 n))` with `n = RMSNorm(x)` (dpar.md section 3), in slices: what [`SLICE`] hidden columns
//! each add to every output, for the next op to add up. As `gate_up` and `linear`, for narrow models: x is put together by the op
//! itself (`engine/input.rs`), and nothing waits for all hidden columns in between.

use bytemuck::{Pod, Zeroable};
use dpar_simd::{dot, swiglu};

use crate::engine::input::{self, GAIN, INPUT, MORE, OUT, STATE, WEIGHTS};
use crate::engine::math::row;
use crate::engine::op::{Flags, Op, Shape, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::weights::{Precision, padded};

/// Hidden columns of a slice.
pub const SLICE: usize = 32;

/// The op.
pub const OP: Op = Op {
    name: "feed_forward",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/weights.wgsl"),
        include_str!("../../../shaders/shared/input.wgsl"),
        include_str!("../../../shaders/shared/project.wgsl"),
        include_str!("../../../shaders/feed_forward.wgsl")
    ),
    storage: &[STATE, INPUT, GAIN, WEIGHTS, MORE, OUT],
    overrides: &input::OVERRIDES,
    shape: Shape::Wide,
    twin,
    shared: false,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// The input.
    pub input: input::Params,
    /// FFN columns, F.
    pub hidden: u32,
    /// Where W2 begins in the weights, in loads of 16 bytes.
    pub down: u32,
    /// Padded F / 8.
    pub down_blocks: u32,
    /// Unused.
    pub pad: u32,
}

/// Two matrices in one buffer, both kept alike: W1 and W3 (2F, D), interleaved row by row; behind them W2 (D, F).
#[derive(Clone, Copy, Debug)]
pub struct UpAndDown {
    /// The buffer.
    pub buffer: BufferId,
    /// How they are kept.
    pub precision: Precision,
    /// F.
    pub hidden: usize,
    /// The first word of W2.
    pub down: usize,
}

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// The input; the result is (slice, D).
    pub input: input::Args,
    /// The matrices.
    pub weights: UpAndDown,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let UpAndDown { buffer, precision, hidden, down } = a.weights;
    let (input, flags, [from, more]) = a.input.parameters(b);
    let down_blocks = (padded(hidden) / 8) as u32;
    let params = Params { input, hidden: hidden as u32, down: (down / 4) as u32, down_blocks, pad: 0 };
    let bind = OP.bind(&[
        (STATE, a.input.state),
        (INPUT, from),
        (GAIN, a.input.norm.gain),
        (WEIGHTS, buffer),
        (MORE, more),
        (OUT, a.input.out.buffer),
    ]);
    b.step(&OP, section, Flags { precision, ..flags }, params, bind, Work::Groups(hidden.div_ceil(SLICE) as u32));
}

fn twin(v: &TwinView<'_>) {
    let p = v.params::<Params>();
    let (dim, hidden, precision) = (p.input.dim(), p.hidden as usize, v.flags().precision);
    let weights = v.words(WEIGHTS);
    let (up, down) = weights.split_at(4 * p.down as usize);
    for (picture, state) in v.open(p.input.gate, v.pictures()) {
        for lane in 0..v.flags().lanes as usize {
            let x = p.input.taken(v, picture, &state, lane);
            let x: Vec<f32> = x.iter().zip(v.f32(GAIN).iter()).map(|(x, g)| x * g).collect();
            let product = |r| dot(&row(up, dim, precision, 2 * hidden, r), &x);
            let mut h: Vec<f32> = (0..hidden).map(|n| product(2 * n)).collect();
            swiglu(&mut h, &(0..hidden).map(|n| product(2 * n + 1)).collect::<Vec<_>>());
            let at = p.input.out_at(v, picture, &state, lane) + p.input.result as usize;
            for r in 0..dim {
                let row = row(down, padded(hidden), precision, dim, r);
                for (slice, (h, w)) in h.chunks(SLICE).zip(row.chunks(SLICE)).enumerate() {
                    v.f32_mut(OUT)[at + slice * dim + r] = dot(h, &w[..h.len()]);
                }
            }
        }
    }
}
