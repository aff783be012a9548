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

    /// Prepares a run: the state, the class row, and the forced tokens ([`state::DRAW`] = free), T of them or none.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn start(&mut self, class: &Mix, forced: &[u32]) -> Result<()> {
        if let Self::Gpu(e) = self {
            e.drain()?;
        }
        let program = self.program();
        let (ports, tokens) = (program.ports, program.tokens);
        let records = vec![0; program.buffers[ports.records.0].words];
        let classes = program.class_rows(class);
        let mut all = vec![state::DRAW; tokens];
        for (to, from) in all.iter_mut().zip(forced) {
            *to = *from;
        }
        self.write(ports.state, 0, &state::initial_state(tokens));
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

    /// Sets the live controls for what is submitted from now on.
    pub fn set_controls(&mut self, controls: &ControlsUniform) {
        match self {
            Self::Gpu(e) => e.set_controls(controls),
            Self::Cpu(e) => e.set_controls(controls),
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
        match self {
            Self::Gpu(e) => e.run_steps(steps, times),
            Self::Cpu(e) => e.run_steps(steps, times),
        }
    }
}
