//! One program on either of two executors.

use std::ops::Range;

use super::cpu::CpuExecutor;
use super::gpu::GpuExecutor;
use super::program::{BufferId, Program};
use super::state::{self, ControlsUniform};
use crate::error::Result;
use crate::mix::Mix;

/// A program on an executor.
#[derive(Debug)]
pub enum Engine {
    /// WGSL on wgpu.
    Gpu(Box<GpuExecutor>),
    /// CPU twins.
    Cpu(Box<CpuExecutor>),
}

impl Engine {
    /// The program it runs.
    pub fn program(&self) -> &Program {
        match self {
            Self::Gpu(e) => e.program(),
            Self::Cpu(e) => e.program(),
        }
    }

    /// Prepares a run of one picture or several: their state, class rows, and forced tokens ([`state::DRAW`] = free), T of them or
    /// none. Pictures of the program beyond those that are given do not run.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn start(&mut self, pictures: &[(&Mix, &[u32])]) -> Result<()> {
        if let Self::Gpu(e) = self {
            e.drain()?;
        }
        let program = self.program();
        let (ports, tokens, count) = (program.ports, program.tokens, program.pictures);
        let records = vec![0; program.buffers[ports.records.0].words];
        let classes: Vec<u32> = pictures.iter().flat_map(|(class, _)| program.class_rows(class)).collect();
        let mut all = vec![state::DRAW; tokens * count]; // (T, picture)
        for (picture, (_, forced)) in pictures.iter().enumerate() {
            for (row, token) in all.chunks_exact_mut(count).zip(*forced) {
                row[picture] = *token;
            }
        }
        let mut states = state::initial_state(tokens).repeat(pictures.len());
        states.resize(count * state::STATE_WORDS, 0);
        self.write(ports.state, 0, &states);
        self.write(ports.classes, 0, &classes);
        self.write(ports.forced, 0, &all);
        // A record that this run does not write is not taken for one: not that of the picture before.
        self.write(ports.records, 0, &records);
        Ok(())
    }

    /// Writes words into a buffer, in order with what was submitted.
    pub fn write(&mut self, buffer: BufferId, offset: usize, words: &[u32]) {
        match self {
            Self::Gpu(e) => e.write(buffer, offset, words),
            Self::Cpu(e) => e.write(buffer, offset, words),
        }
    }

    /// Draws no more of a picture, in order with what was submitted.
    pub fn stop(&mut self, picture: usize) {
        let at = picture * state::STATE_WORDS;
        let state = self.program().ports.state;
        for gate in [state::word::RUN, state::word::HAS_TOKEN, state::word::BOUNDARY, state::word::CLOSE] {
            self.write(state, at + gate as usize, &[0]);
        }
    }

    /// Sets the live controls of a picture for what is submitted from now on.
    pub fn set_controls(&mut self, picture: usize, controls: &ControlsUniform) {
        match self {
            Self::Gpu(e) => e.set_controls(picture, controls),
            Self::Cpu(e) => e.set_controls(picture, controls),
        }
    }

    /// Reads a whole buffer back.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub async fn read(&self, buffer: BufferId) -> Result<Vec<u32>> {
        match self {
            Self::Gpu(e) => e.read(buffer).await,
            Self::Cpu(e) => Ok(e.read(buffer)),
        }
    }

    /// Runs some steps: for tests, benchmarks, and to bisect a wrong picture.
    pub fn run_steps(&mut self, steps: Range<usize>, times: usize) {
        self.run_parts(&[steps], times);
    }

    /// The same with several runs of steps, one after the other, so many times.
    pub fn run_parts(&mut self, parts: &[Range<usize>], times: usize) {
        match self {
            Self::Gpu(e) => e.run_parts(parts, times),
            Self::Cpu(e) => (0..times).for_each(|_| parts.iter().for_each(|steps| e.run_steps(steps.clone(), 1))),
        }
    }
}
