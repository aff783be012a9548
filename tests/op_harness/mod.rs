//! Runs one op on its CPU twin and in WGSL and compares everything it may write.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use bytemuck::Pod;
use dpar::engine::gpu::GpuExecutor;
use dpar::engine::op::{Access, Flags, Op};
use dpar::engine::program::{Builder, Section, Work};
use dpar::engine::state::{STATE_WORDS, word};
use dpar::engine::weights::{Precision, pack, padded};
use dpar::engine::{ControlsUniform, CpuExecutor, Program, Tier};

use super::common;

/// A small generator for test data: uniform in -1..1.
pub struct Noise(pub u32);

impl Noise {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    pub fn floats(&mut self, count: usize, scale: f32) -> Vec<u32> {
        (0..count).map(|_| (self.next() * scale).to_bits()).collect()
    }

    /// (lanes, padded width) with zeros in the padding, as the engine keeps vectors.
    pub fn vectors(&mut self, lanes: usize, width: usize) -> Vec<u32> {
        let mut all = Vec::new();
        for _ in 0..lanes {
            all.extend(self.floats(width, 1.0));
            all.resize(all.len() + padded(width) - width, 0);
        }
        all
    }

    pub fn matrix(&mut self, rows: usize, cols: usize, f16: bool) -> Vec<u32> {
        let scale = 1.0 / (cols as f32).sqrt();
        let values: Vec<f32> = (0..rows * cols).map(|_| self.next() * scale).collect();
        let precision = if f16 { Precision::F16 } else { Precision::F32 };
        pack(&values, cols, precision, usize::MAX).swap_remove(0).words
    }
}

pub struct Case<'a, P> {
    pub op: &'static Op,
    pub name: String,
    pub flags: Flags,
    pub params: P,
    pub buffers: &'a [Vec<u32>],
    pub work: Work,
    pub controls: ControlsUniform,
}

pub fn state(words: &[(u32, u32)]) -> Vec<u32> {
    let mut state = vec![0; STATE_WORDS];
    state[word::RUN as usize] = 1;
    state[word::TOKENS as usize] = 1000;
    for (at, value) in words {
        state[*at as usize] = *value;
    }
    state
}

pub fn controls() -> ControlsUniform {
    bytemuck::Zeroable::zeroed()
}

/// Runs a case on the twin and on the GPU in both tiers and compares everything the op may write.
pub fn check<P: Pod>(case: &Case<P>) {
    let build = || {
        let mut b = Builder::default();
        let bind: Vec<_> = case.buffers.iter().map(|words| b.words("test", words.clone())).collect();
        b.step(case.op, Section::Sampler, case.flags, case.params, bind, case.work);
        Program::loose(b)
    };
    let program = build();
    let ids = program.steps[0].bind.clone();
    let mut cpu = CpuExecutor::new(program);
    cpu.set_controls(&case.controls);
    cpu.run_steps(0..1, 1);
    let Some(gpu) = common::gpu() else { return };
    for tier in [Tier::SOFTWARE, Tier::GPU] {
        let mut executor = pollster::block_on(GpuExecutor::new(&gpu.device, &gpu.queue, tier, build())).unwrap();
        executor.set_controls(&case.controls);
        executor.run_steps(0..1, 1);
        for (slot, access) in case.op.storage.iter().enumerate() {
            if *access == Access::Read {
                continue;
            }
            let (expected, got) = (cpu.read(ids[slot]), pollster::block_on(executor.read(ids[slot])).unwrap());
            compare(&format!("{} {} slot {slot} {tier:?}", case.op.name, case.name), &got, &expected);
        }
    }
}

/// Words are equal, or floats within 2e-5 of the largest. Small integers look like floats that are nearly 0: those have
/// to be equal.
pub fn compare(what: &str, got: &[u32], expected: &[u32]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let float = |w: &u32| f32::from_bits(*w);
    let scale = expected.iter().map(float).filter(|v| v.is_finite()).fold(1e-3f32, |m, v| m.max(v.abs()));
    for (n, (g, e)) in got.iter().zip(expected).enumerate() {
        let integer = |w: &u32| float(w).is_subnormal();
        let close = !integer(g) && !integer(e) && (float(g) - float(e)).abs() <= 2e-5 * scale.min(1e6);
        assert!(g == e || close, "{what} word {n}: gpu {} ({g:#x}), cpu {} ({e:#x})", float(g), float(e));
    }
    assert!(got.iter().any(|w| *w != 0), "{what}: nothing was written");
}

/// Flags of the projections to go through: both lanes, both formats.
pub fn formats() -> impl Iterator<Item = Flags> {
    [1, 2].into_iter().flat_map(|lanes| [true, false].map(|f16| Flags { f16, ..Flags::lanes(lanes) }))
}
