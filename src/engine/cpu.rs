//! Runs a [`Program`] through the ops' CPU twins: the fallback without a GPU, and the specification in code.

use std::cell::RefCell;
use std::ops::Range;

use super::op::TwinView;
use super::program::{BufferId, Program};
use super::state::{ControlsUniform, RECORD_WORDS, Record};

/// The CPU side of the engine.
pub struct CpuExecutor {
    program: Program,
    buffers: Vec<RefCell<Vec<u32>>>,
    binds: Vec<Vec<usize>>,
    controls: ControlsUniform,
}

impl std::fmt::Debug for CpuExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CpuExecutor({} steps)", self.program.steps.len())
    }
}

impl CpuExecutor {
    /// Takes over a program's buffers.
    pub fn new(mut program: Program) -> Self {
        let fill = |b: &mut super::program::Buffer| {
            let mut words = std::mem::take(&mut b.init);
            words.resize(b.words, 0);
            RefCell::new(words)
        };
        let buffers = program.buffers.iter_mut().map(fill).collect();
        let binds = program.steps.iter().map(|s| s.bind.iter().map(|b| b.0).collect()).collect();
        Self { program, buffers, binds, controls: bytemuck::Zeroable::zeroed() }
    }

    /// The program it runs (without weights).
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Writes words into a buffer.
    pub fn write(&mut self, buffer: BufferId, offset: usize, words: &[u32]) {
        self.buffers[buffer.0].borrow_mut()[offset..offset + words.len()].copy_from_slice(words);
    }

    /// Sets the live controls for what runs from now on.
    pub fn set_controls(&mut self, controls: &ControlsUniform) {
        self.controls = *controls;
    }

    /// Draws the tokens at `positions` and returns their records.
    pub fn run(&mut self, positions: Range<usize>) -> Vec<Record> {
        self.run_steps(0..self.program.steps.len(), positions.len());
        let records = self.buffers[self.program.ports.records.0].borrow();
        let words = &records[positions.start * RECORD_WORDS..positions.end * RECORD_WORDS];
        bytemuck::pod_collect_to_vec(words)
    }

    /// Runs some steps: for tests, benchmarks, and to bisect a wrong picture.
    pub fn run_steps(&mut self, steps: Range<usize>, times: usize) {
        for _ in 0..times {
            for n in steps.clone() {
                let step = &self.program.steps[n];
                let view = TwinView {
                    params: &step.params,
                    controls: &self.controls,
                    flags: step.flags,
                    storage: step.op.storage,
                    bind: &self.binds[n],
                    buffers: &self.buffers,
                };
                (step.op.twin)(&view);
            }
        }
    }

    /// A buffer's content.
    pub fn read(&self, buffer: BufferId) -> Vec<u32> {
        self.buffers[buffer.0].borrow().clone()
    }
}
