//! Runs a [`Program`] through the ops' CPU twins: the fallback without a GPU, and the specification in code.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use super::crew::{Crew, Member, Teamwork};
use super::op::{Share, TwinView};
use super::program::{BufferId, Program};
use super::stages::beside;
use super::state::{ControlsUniform, RECORD_WORDS, Record};

/// The CPU side of the engine.
pub struct CpuExecutor {
    memory: Arc<Memory>,
    crew: Crew<Memory>,
}

/// What all threads see.
struct Memory {
    program: Program,
    /// One lock a buffer, held while an op reads or writes it.
    buffers: Vec<RwLock<Vec<u32>>>,
    binds: Vec<Vec<usize>>,
    /// Of each step, whether it can run beside the one before: neither reads or writes what the other writes.
    beside: Vec<bool>,
    /// One a picture.
    controls: RwLock<Vec<ControlsUniform>>,
}

impl std::fmt::Debug for CpuExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CpuExecutor({} steps)", self.memory.program.steps.len())
    }
}

impl CpuExecutor {
    /// Takes over a program's buffers; one thread does its work.
    pub fn new(program: Program) -> Self {
        Self::with_threads(program, 1)
    }

    /// The same with `threads` that share the work. What they compute does not depend on how many they are.
    pub fn with_threads(mut program: Program, threads: usize) -> Self {
        let fill = |b: &mut super::program::Buffer| {
            let mut words = std::mem::take(&mut b.init);
            words.resize(b.words, 0);
            RwLock::new(words)
        };
        let buffers = program.buffers.iter_mut().map(fill).collect();
        let binds = program.steps.iter().map(|s| s.bind.iter().map(|b| b.0).collect()).collect();
        let controls = RwLock::new(vec![bytemuck::Zeroable::zeroed(); program.pictures]);
        let beside = beside(&program.steps);
        let memory = Memory { program, buffers, binds, beside, controls };
        let memory = Arc::new(memory);
        Self { crew: Crew::new(memory.clone(), threads), memory }
    }

    /// The program it runs (without weights).
    pub fn program(&self) -> &Program {
        &self.memory.program
    }

    /// Writes words into a buffer.
    pub fn write(&mut self, buffer: BufferId, offset: usize, words: &[u32]) {
        self.memory.buffers[buffer.0].write()[offset..offset + words.len()].copy_from_slice(words);
    }

    /// Sets the live controls of a picture for what runs from now on.
    pub fn set_controls(&mut self, picture: usize, controls: &ControlsUniform) {
        self.memory.controls.write()[picture] = *controls;
    }

    /// Draws the tokens at `positions` and returns their records, (position, picture).
    pub fn run(&mut self, positions: Range<usize>) -> Vec<Record> {
        let (each, all, most) = (self.program().each, self.program().steps.len(), self.program().most);
        for from in positions.clone().step_by(most) {
            self.run_steps(0..each, most.min(positions.end - from));
            self.run_steps(each..all, 1);
        }
        let records = self.memory.buffers[self.program().ports.records.0].read();
        let row = self.program().pictures * RECORD_WORDS;
        bytemuck::pod_collect_to_vec(&records[positions.start * row..positions.end * row])
    }

    /// Runs some steps: for tests, benchmarks, and to bisect a wrong picture.
    pub fn run_steps(&mut self, steps: Range<usize>, times: usize) {
        self.crew.all(steps, times);
    }

    /// A buffer's content.
    pub fn read(&self, buffer: BufferId) -> Vec<u32> {
        self.memory.buffers[buffer.0].read().clone()
    }
}

/// What has happened since all threads were last together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// Nothing.
    Together,
    /// A gate was looked at and found closed.
    Looked,
    /// Each thread has done something for pictures of its own.
    Own,
    /// All threads have shared an op.
    Shared,
}

impl Teamwork for Memory {
    fn done_by(&self, member: &Member<'_>, steps: Range<usize>, times: usize) {
        let share = Share { index: member.index, count: member.count };
        let controls = self.controls.read().clone();
        let mut since = Since::Together;
        let mut before = None;
        for n in (0..times).flat_map(|_| steps.clone()) {
            let step = &self.program.steps[n];
            let view = TwinView {
                params: &step.params,
                controls: &controls[..],
                flags: step.flags,
                storage: step.op.storage,
                bind: &self.binds[n],
                buffers: &self.buffers,
                share,
            };
            let beside = self.beside[n] && n.checked_sub(1) == before;
            before = Some(n);
            // The gates of shared work are looked at by every thread, which must see the same: what changes them, each
            // thread's work for its pictures, is neither under way nor begun while one of them still looks.
            if step.op.shared {
                if since == Since::Own || since == Since::Shared && !beside {
                    member.together();
                    since = Since::Together;
                }
                if view.is_open() {
                    (step.op.twin)(&view);
                    since = Since::Shared;
                } else if since == Since::Together {
                    since = Since::Looked;
                }
            } else {
                if matches!(since, Since::Looked | Since::Shared) {
                    member.together();
                }
                if !view.pictures().is_empty() {
                    (step.op.twin)(&view);
                }
                since = Since::Own;
            }
        }
        member.together();
    }
}
