//! Runs a [`Program`] as WGSL dispatches. Everything is made once: buffers, pipelines, bind groups. A submit records
//! the same commands for every token - nothing is allocated, bound or decided by the CPU in the loop - and copies the
//! tokens' records into a ring of mappable buffers that are picked up when they arrive.

use std::ops::Range;

use super::pipelines::{Bound, Tier, bind_steps};
use super::program::{BufferId, Program};
use super::readback::Readback;
use super::state::{ControlsUniform, RECORD_WORDS, Record};
use super::weights::Precision;
use crate::error::{Error, Result};

/// Submits in flight at most; each has its slot of the readback ring.
pub const RING: usize = 3;
/// Tokens a submit at most.
pub const MAX_TOKENS: usize = 64;

/// The GPU side of the engine.
pub struct GpuExecutor {
    device: wgpu::Device,
    queue: wgpu::Queue,
    program: Program,
    buffers: Vec<wgpu::Buffer>,
    controls: wgpu::Buffer,
    steps: Vec<Bound>,
    ring: Vec<Readback>,
    next_submit: usize,
    next_arrival: usize,
}

impl std::fmt::Debug for GpuExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuExecutor({} steps)", self.steps.len())
    }
}

impl GpuExecutor {
    /// Uploads a program: its weights leave host memory.
    ///
    /// # Errors
    /// [`Error::Adapter`] where the device refuses a shader, a binding or the memory.
    pub async fn new(device: &wgpu::Device, queue: &wgpu::Queue, tier: Tier, program: Program) -> Result<Self> {
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal]
            .map(|filter| device.push_error_scope(filter));
        let executor = Self::upload(device, queue, tier, program);
        // All of them ended here, the newest first, before anything is waited for: wgpu panics over scopes that end in
        // another order, as they would where a browser builds two engines and each waits between its own.
        let ended = scopes.into_iter().rev().map(wgpu::ErrorScopeGuard::pop).collect::<Vec<_>>();
        let mut error = None;
        for scope in ended {
            error = scope.await.or(error);
        }
        match error {
            Some(e) => Err(Error::Adapter(format!("the GPU cannot run the engine: {e}; try --device cpu"))),
            None => executor,
        }
    }

    /// Makes everything; what the device refuses is told to its error scopes.
    fn upload(device: &wgpu::Device, queue: &wgpu::Queue, tier: Tier, mut program: Program) -> Result<Self> {
        if program.steps.iter().any(|step| step.flags.precision == Precision::Shifted) {
            return Err(Error::Internal("this program's weights are laid out for the CPU twins".into()));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let mut buffers = Vec::with_capacity(program.buffers.len());
        for b in &mut program.buffers {
            let init = std::mem::take(&mut b.init);
            let size = 4 * b.words as u64;
            let mapped_at_creation = !init.is_empty();
            let buffer =
                device.create_buffer(&wgpu::BufferDescriptor { label: Some(&b.name), size, usage, mapped_at_creation });
            if mapped_at_creation {
                buffer
                    .get_mapped_range_mut(..4 * init.len() as u64)
                    .map_err(|e| {
                        Error::Adapter(format!("the GPU has no memory for this model ({e}); try --device cpu"))
                    })?
                    .copy_from_slice(bytemuck::cast_slice(&init));
                buffer.unmap();
            }
            buffers.push(buffer);
        }
        let controls = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("controls"),
            size: size_of::<ControlsUniform>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let steps = bind_steps(device, queue, tier, &program, &buffers, &controls);
        let ring = (0..RING).map(|_| Readback::new(device, MAX_TOKENS * RECORD_WORDS)).collect();
        let (device, queue) = (device.clone(), queue.clone());
        Ok(Self { device, queue, program, buffers, controls, steps, ring, next_submit: 0, next_arrival: 0 })
    }

    /// The program it runs (without weights).
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Writes words into a buffer, in order with submits.
    pub fn write(&mut self, buffer: BufferId, offset: usize, words: &[u32]) {
        self.queue.write_buffer(&self.buffers[buffer.0], 4 * offset as u64, bytemuck::cast_slice(words));
    }

    /// Sets the live controls for what is submitted from now on.
    pub fn set_controls(&mut self, controls: &ControlsUniform) {
        self.queue.write_buffer(&self.controls, 0, bytemuck::bytes_of(controls));
    }

    /// Whether another submit finds a free slot.
    pub fn ready(&self) -> bool {
        self.ring[self.next_submit % RING].is_free()
    }

    /// Submits that have not been picked up.
    pub fn in_flight(&self) -> usize {
        self.next_submit - self.next_arrival
    }

    /// Enqueues the tokens at `positions` (at most [`MAX_TOKENS`]) and returns at once.
    pub fn submit(&mut self, positions: Range<usize>) {
        debug_assert!(self.ready() && positions.len() <= MAX_TOKENS);
        let slot = self.next_submit % RING;
        let (from, words) = (positions.start * RECORD_WORDS, positions.len() * RECORD_WORDS);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.encode(&mut encoder, 0..self.steps.len(), positions.len());
        self.ring[slot].copy(&mut encoder, &self.buffers[self.program.ports.records.0], from, words);
        let submission = self.queue.submit([encoder.finish()]);
        self.ring[slot].map(submission, words);
        self.next_submit += 1;
    }

    /// The records of the oldest submit, if they arrived. With `wait` (native) blocks until they have.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn poll(&mut self, wait: bool) -> Result<Option<Vec<Record>>> {
        let slot = &mut self.ring[self.next_arrival % RING];
        let under_way = !slot.is_free();
        let records = slot.poll(&self.device, wait);
        if under_way && slot.is_free() {
            self.next_arrival += 1;
        }
        records
    }

    /// Drops what is in flight: the next run starts with an empty ring.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn drain(&mut self) -> Result<()> {
        while self.in_flight() > 0 {
            if self.poll(true)?.is_none() {
                // A browser cannot block: leave the old slots to their callbacks and make new ones.
                for slot in &mut self.ring {
                    *slot = Readback::new(&self.device, MAX_TOKENS * RECORD_WORDS);
                }
                self.next_arrival = self.next_submit;
            }
        }
        Ok(())
    }

    /// Runs some steps once: for tests, benchmarks, and to bisect a wrong picture.
    pub fn run_steps(&mut self, steps: Range<usize>, times: usize) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.encode(&mut encoder, steps, times);
        self.queue.submit([encoder.finish()]);
    }

    /// Blocks (native) until the queue is empty.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn wait(&self) -> Result<()> {
        super::device::poll(&self.device, wgpu::PollType::wait_indefinitely())
    }

    /// Reads a whole buffer back.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn read(&self, buffer: BufferId) -> Result<Vec<u32>> {
        let words = self.program.buffers[buffer.0].words;
        let mut target = Readback::new(&self.device, words);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        target.copy(&mut encoder, &self.buffers[buffer.0], 0, words);
        target.map(self.queue.submit([encoder.finish()]), words);
        self.wait()?; // native: done after this; a browser ignores it and wakes us
        target.arrived().await
    }

    /// Runs some steps once and sends the first `words` words of a buffer on their way; returns at once.
    pub(crate) fn run_into(&mut self, steps: Range<usize>, buffer: BufferId, words: usize, to: &mut Readback) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.encode(&mut encoder, steps, 1);
        to.copy(&mut encoder, &self.buffers[buffer.0], 0, words);
        to.map(self.queue.submit([encoder.finish()]), words);
    }

    /// The device it runs on.
    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.device
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder, steps: Range<usize>, times: usize) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for _ in 0..times {
            for step in &self.steps[steps.clone()] {
                pass.set_pipeline(&step.pipeline);
                pass.set_bind_group(0, &step.group, &[]);
                pass.dispatch_workgroups(step.count, 1, 1);
            }
        }
    }
}
