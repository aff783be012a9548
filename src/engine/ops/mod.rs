//! The ops of the token loop. One op = one stem: `ops/OP.rs` (what it computes, its parameters, its CPU twin) beside
//! `shaders/OP.wgsl` (the same on the GPU). The twin is the op's specification in code and the fallback without a GPU.

use std::cell::{Ref, RefCell, RefMut};

use bytemuck::Pod;
use half::slice::HalfFloatSliceExt;
use wide::f32x8;

use super::state::ControlsUniform;

pub mod attend;
pub mod boundary;
pub mod decoder_input;
pub mod embed;
pub mod entropy;
pub mod gate_up;
pub mod linear;
pub mod merge;
pub mod patch_input;
pub mod pool;
pub mod qkv;
pub mod record;
pub mod sample;

/// Every op, for tests and pipelines.
pub const ALL: [&Op; 13] = [
    &embed::OP,
    &qkv::OP,
    &attend::OP,
    &linear::OP,
    &gate_up::OP,
    &entropy::OP,
    &boundary::OP,
    &pool::OP,
    &patch_input::OP,
    &decoder_input::OP,
    &sample::OP,
    &record::OP,
    &merge::OP,
];

/// Words of an op's parameter block (a 64-byte uniform; shorter structs leave the rest 0).
pub const PARAM_WORDS: usize = 16;

/// What a storage binding is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Read and written.
    Write,
}

/// The override constants a shader takes, besides its workgroup size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// Guidance lanes, 1 or 2.
    Lanes,
    /// Threads that share eight weight rows, chosen by the executor.
    Split,
    /// Weights are f16 pairs.
    F16,
    /// RMSNorm in front.
    Norm,
    /// A residual stream is added.
    Residual,
    /// A second addend.
    Extra,
}

/// How an op's workgroups are shaped; executors give each shape its own number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Any number of workgroups.
    Wide,
    /// A workgroup an attention head and lane.
    Head,
    /// One workgroup (reductions over the vocabulary).
    Single,
}

/// One op: its shader and its twin.
pub struct Op {
    /// Stem of its files.
    pub name: &'static str,
    /// Its WGSL, prelude first.
    pub wgsl: &'static str,
    /// Storage bindings from binding 2 on (0 is the parameters, 1 the controls).
    pub storage: &'static [Access],
    /// Override constants it takes.
    pub overrides: &'static [Override],
    /// How its workgroups are shaped.
    pub shape: Shape,
    /// The same computation in plain loops.
    pub twin: fn(&View<'_>),
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Values of the override constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Guidance lanes, 1 or 2.
    pub lanes: u32,
    /// Weights are f16 pairs.
    pub f16: bool,
    /// RMSNorm in front.
    pub norm: bool,
    /// A residual stream is added.
    pub residual: bool,
    /// A second addend.
    pub extra: bool,
}

impl Flags {
    /// No option set.
    pub const fn lanes(lanes: u32) -> Self {
        Self { lanes, f16: false, norm: false, residual: false, extra: false }
    }
}

/// What a twin sees of the machine: its parameters and the buffers bound to it.
pub struct View<'a> {
    pub(super) params: &'a [u32; PARAM_WORDS],
    pub(super) controls: &'a ControlsUniform,
    pub(super) flags: Flags,
    pub(super) buffers: &'a [RefCell<Vec<u32>>],
    pub(super) bind: &'a [usize],
}

impl View<'_> {
    /// The op's parameters.
    pub fn params<P: Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(&bytemuck::bytes_of(self.params)[..size_of::<P>()])
    }

    /// The live controls.
    pub fn controls(&self) -> &ControlsUniform {
        self.controls
    }

    /// The override constants.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Storage binding `slot` (0 is `state` nearly everywhere) as words.
    pub fn words(&self, slot: usize) -> Ref<'_, Vec<u32>> {
        self.buffers[self.bind[slot]].borrow()
    }

    /// The same, to write. An op never binds one buffer twice if it writes it.
    pub fn words_mut(&self, slot: usize) -> RefMut<'_, Vec<u32>> {
        self.buffers[self.bind[slot]].borrow_mut()
    }

    /// Storage binding `slot` as floats.
    pub fn f32(&self, slot: usize) -> Ref<'_, [f32]> {
        Ref::map(self.words(slot), |w| bytemuck::cast_slice(w))
    }

    /// The same, to write.
    pub fn f32_mut(&self, slot: usize) -> RefMut<'_, [f32]> {
        RefMut::map(self.words_mut(slot), |w| bytemuck::cast_slice_mut(w))
    }
}

/// Rows of a packed weight matrix (`engine/weights.rs`), decoded one at a time.
pub struct Rows<'a> {
    words: &'a [u32],
    width: usize,
    f16: bool,
    scratch: Vec<f32>,
}

impl<'a> Rows<'a> {
    /// `words` hold rows of `width` values, as f16 pairs or f32 bits.
    pub fn new(words: &'a [u32], width: usize, f16: bool) -> Self {
        Self { words, width, f16, scratch: vec![0.0; if f16 { width } else { 0 }] }
    }

    /// Row `r`.
    pub fn row(&mut self, r: usize) -> &[f32] {
        if self.f16 {
            let at = r * self.width / 2;
            let halves: &[half::f16] = bytemuck::cast_slice(&self.words[at..at + self.width / 2]);
            halves.convert_to_f32_slice(&mut self.scratch);
            &self.scratch
        } else {
            bytemuck::cast_slice(&self.words[r * self.width..(r + 1) * self.width])
        }
    }
}

/// Dot product in f32 with eight running sums.
///
/// Written with vectors rather than left to the compiler: the page is built for size, where loops stay scalar.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a8, a), (b8, b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let tail: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    let sums = a8.iter().zip(b8).fold(f32x8::ZERO, |sums, (x, y)| sums + f32x8::new(*x) * f32x8::new(*y));
    sums.to_array().iter().sum::<f32>() + tail
}

/// The inputs of a projection, normalised if asked: one vector of `width` values a lane (`shaders/shared/project.wgsl`).
/// Returns (lane, width).
pub fn staged(x: &[f32], gain: &[f32], row: usize, flags: Flags, width: usize, cols: usize, eps: f32) -> Vec<f32> {
    let lanes = flags.lanes as usize;
    let mut staged = x[row * lanes * width..(row + 1) * lanes * width].to_vec();
    if flags.norm {
        for lane in staged.chunks_exact_mut(width) {
            let scale = 1.0 / (dot(lane, lane) / cols as f32 + eps).sqrt();
            for (v, g) in lane.iter_mut().zip(gain) {
                *v *= g * scale;
            }
        }
    }
    staged
}
