//! Runs one op on its CPU twin and in WGSL, compares everything it may write, and holds it to what it must write.

use std::ops::Range;

use dpar::checkpoint::stored::{StoredMatrix, WeightFormat};
use dpar::engine::cache::CacheFormat;
use dpar::engine::gpu::GpuExecutor;
use dpar::engine::op::Access;
use dpar::engine::program::{Builder, MatrixRows, Norm, Section};
use dpar::engine::state::{STATE_WORDS, word};
use dpar::engine::weights::{Precision, pack, padded};
use dpar::engine::{BufferId, ControlsUniform, CpuExecutor, Engine, Program, Tier};
use pollster::block_on;

use super::common;

/// The section that steps are given here; it does not matter.
pub const SECTION: Section = Section::Sampler;

/// The gate of every op here: a word that gated ops read for no other reason, so that one that looks at RUN instead
/// (which is 0 here) does nothing and is found out.
pub const GATE: u32 = word::PATCH_LEN;

/// What outputs hold before the op runs: a NaN that no arithmetic yields.
pub const BLANK: u32 = 0x7fc0_b1a5;

/// A small generator for test data: uniform in -1..1.
pub struct Noise(pub u32);

impl Noise {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    fn floats(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * scale).collect()
    }
}

/// How lanes and weights come: both numbers of lanes, all formats.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub lanes: u32,
    pub weights: WeightFormat,
}

pub fn formats() -> impl Iterator<Item = Format> {
    [1, 2].into_iter().flat_map(|lanes| WeightFormat::NAMES.map(|(_, weights)| Format { lanes, weights }))
}

/// The first `len` words of each of `count` rows of `stride`.
pub fn rows(count: u32, stride: usize, len: usize) -> Vec<Range<usize>> {
    (0..count as usize).map(|row| row * stride..row * stride + len).collect()
}

/// A single run of words.
pub fn span(words: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(words).collect()
}

/// One op on buffers of its own.
pub struct Case<'n> {
    pub b: Builder,
    pub state: BufferId,
    pub controls: ControlsUniform,
    /// The word that skips the op, if one does.
    pub gate: Option<u32>,
    /// Outputs that hold pairs of f16.
    pub halves: Vec<BufferId>,
    noise: &'n mut Noise,
}

impl<'n> Case<'n> {
    /// A state with its gate open and `words` in it.
    pub fn new(noise: &'n mut Noise, words: &[(u32, u32)]) -> Self {
        let mut state = vec![0; STATE_WORDS];
        state[word::TOKENS as usize] = 1000;
        state[GATE as usize] = 1;
        for (at, value) in words {
            state[*at as usize] = *value;
        }
        let mut b = Builder::new(1);
        let state = b.words("state", state);
        Self { b, state, controls: bytemuck::Zeroable::zeroed(), gate: Some(GATE), halves: Vec::new(), noise }
    }

    pub fn words(&mut self, words: Vec<u32>) -> BufferId {
        self.b.words("input", words)
    }

    pub fn floats(&mut self, count: usize, scale: f32) -> BufferId {
        let values = self.noise.floats(count, scale);
        self.words(bytemuck::cast_vec(values))
    }

    /// (lanes, padded width) with zeros in the padding, as the engine keeps vectors.
    pub fn vectors(&mut self, lanes: u32, width: usize) -> BufferId {
        let mut all = Vec::new();
        for _ in 0..lanes {
            all.append(&mut self.noise.floats(width, 1.0));
            all.resize(all.len() + padded(width) - width, 0.0);
        }
        self.words(bytemuck::cast_vec(all))
    }

    pub fn norm(&mut self, cols: usize) -> Norm {
        Norm { gain: self.vectors(1, cols), eps: 1e-5 }
    }

    pub fn matrix(&mut self, rows: usize, cols: usize, weights: WeightFormat) -> MatrixRows {
        self.chunks(rows, cols, weights, 1)[0]
    }

    /// A matrix in about so many pieces.
    pub fn chunks(&mut self, rows: usize, cols: usize, weights: WeightFormat, pieces: usize) -> Vec<MatrixRows> {
        let values = self.noise.floats(rows * cols, 1.0 / (cols as f32).sqrt());
        let bytes = match weights {
            WeightFormat::F32 => 4 * padded(cols),
            WeightFormat::F16 => 2 * padded(cols),
            WeightFormat::Int8 => padded(cols) + 4,
        };
        let limit = bytes * rows.next_multiple_of(2) / pieces;
        pack(StoredMatrix::Floats(values).kept(cols, weights), cols, Precision::F16, limit)
            .into_iter()
            .map(|chunk| self.b.weights("weights", chunk))
            .collect()
    }

    /// A buffer for the op to write.
    pub fn output(&mut self, words: usize) -> BufferId {
        self.words(vec![BLANK; words.max(4)]) // no buffer is smaller
    }

    /// What a buffer holds at first, as floats.
    pub fn initial(&self, buffer: BufferId) -> Vec<f32> {
        bytemuck::cast_vec(CpuExecutor::new(Program::loose(self.b.clone())).read(buffer))
    }

    /// Runs the steps on the twin and on the GPU in both tiers. Everything they may write agrees; exactly the words
    /// `written` of the outputs were written (`state` aside); and where the gate is closed nothing was. Returns what each
    /// run left, for closer looks.
    pub fn check(self, name: &str, written: &[(BufferId, Vec<Range<usize>>)]) -> Vec<Run> {
        let program = Program::loose(self.b);
        let step = &program.steps[0];
        let what = format!("{:?} {name}", step.op);
        let mut outputs: Vec<BufferId> = Vec::new();
        for (binding, buffer) in step.op.storage.iter().zip(&step.bind) {
            if binding.access == Access::Write {
                let listed = *buffer == self.state || written.iter().any(|(output, _)| output == buffer);
                assert!(listed, "{what}: what of `{}` must be written?", binding.name);
                outputs.push(*buffer);
            }
        }

        let mut engines = vec![("CPU".to_owned(), Engine::Cpu(Box::new(CpuExecutor::new(program.clone()))))];
        if let Some(gpu) = common::gpu() {
            for tier in [Tier::SOFTWARE, Tier::GPU] {
                let executor = GpuExecutor::new(&gpu.device, &gpu.queue, tier, program.clone());
                engines.push((format!("{tier:?}"), Engine::Gpu(Box::new(block_on(executor).unwrap()))));
            }
        }
        let read = |engine: &Engine| -> Vec<(BufferId, Vec<u32>)> {
            [&outputs[..], &[self.state]].concat().into_iter().map(|b| (b, block_on(engine.read(b)).unwrap())).collect()
        };
        let mut runs: Vec<Run> = Vec::new();
        for (place, mut engine) in engines {
            let what = format!("{what} on {place}");
            let before = read(&engine);
            engine.set_controls(0, &self.controls);
            engine.run_steps(0..program.steps.len(), 1);
            let run = Run { what: what.clone(), buffers: read(&engine) };
            for (buffer, ranges) in written {
                run.wrote(*buffer, ranges);
            }
            if let Some(cpu) = runs.first() {
                for output in &outputs {
                    match self.halves.contains(output) {
                        true => compare_halves(&what, run.words(*output), cpu.words(*output)),
                        false => compare(&what, run.words(*output), cpu.words(*output)),
                    }
                }
            }
            runs.push(run);

            let Some(gate) = self.gate else { continue };
            for (buffer, words) in &before {
                engine.write(*buffer, 0, words);
            }
            engine.write(self.state, gate as usize, &[0]);
            let before = read(&engine);
            engine.run_steps(0..program.steps.len(), 1);
            assert!(read(&engine) == before, "{what}: does something although its gate is closed");
        }
        runs
    }
}

/// What a run left in the outputs and in `state`.
pub struct Run {
    /// Which op, sizes and executor, for messages.
    pub what: String,
    buffers: Vec<(BufferId, Vec<u32>)>,
}

impl Run {
    pub fn words(&self, buffer: BufferId) -> &[u32] {
        &self.buffers.iter().find(|(b, _)| *b == buffer).expect("an output, or `state`").1
    }

    pub fn floats(&self, buffer: BufferId) -> &[f32] {
        bytemuck::cast_slice(self.words(buffer))
    }

    fn wrote(&self, buffer: BufferId, ranges: &[Range<usize>]) {
        for (n, word) in self.words(buffer).iter().enumerate() {
            let (is, must) = (*word != BLANK, ranges.iter().any(|r| r.contains(&n)));
            assert!(is == must, "{} word {n}: written {is}, must be {must}", self.what);
        }
    }
}

/// Words are equal, or floats within 2e-5 of the largest. Small integers look like floats that are nearly 0: those have
/// to be equal.
fn compare(what: &str, got: &[u32], expected: &[u32]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let float = |w: &u32| f32::from_bits(*w);
    let scale = expected.iter().map(float).filter(|v| v.is_finite()).fold(1e-3f32, |m, v| m.max(v.abs()));
    for (n, (g, e)) in got.iter().zip(expected).enumerate() {
        let integer = |w: &u32| float(w).is_subnormal();
        let close = !integer(g) && !integer(e) && (float(g) - float(e)).abs() <= 2e-5 * scale.min(1e6);
        assert!(g == e || close, "{what} word {n}: gpu {} ({g:#x}), cpu {} ({e:#x})", float(g), float(e));
    }
}

/// Words are equal, or pairs of f16 that are a rounding apart.
fn compare_halves(what: &str, got: &[u32], expected: &[u32]) {
    let floats = |words| CacheFormat::F16.floats(words);
    for (n, (g, e)) in floats(got).into_iter().zip(floats(expected)).enumerate() {
        let close = (g - e).abs() <= 1e-3 * e.abs() + 1e-5;
        assert!(close || got[n / 2] == expected[n / 2], "{what} half {n}: gpu {g}, cpu {e}");
    }
    assert_eq!(got.len(), expected.len(), "{what}");
}
