//! Runs a [`Program`] as WGSL dispatches. Everything is made once: buffers, pipelines, bind groups. A submit records
//! the same commands for every token - nothing is allocated, bound or decided by the CPU in the loop - and copies the
//! tokens' records into a ring of mappable buffers that are picked up when they arrive.

use std::ops::Range;
use std::time::Duration;

use web_time::Instant;

use super::pipelines::{Bound, CONTROLS_BYTES, Tier, bind_steps};
use super::program::{BufferId, Program};
use super::readback::Readback;
use super::state::{ControlsUniform, RECORD_WORDS, Record};
use super::stopwatch::Stopwatch;
use crate::error::{Error, Result};

/// Submits in flight at most; each has its slot of the readback ring.
pub const RING: usize = 3;
/// Tokens a submit at most ([`Program::most`] may be fewer).
pub const MAX_TOKENS: usize = 64;

/// The GPU side of the engine.
pub struct GpuExecutor {
    device: wgpu::Device,
    queue: wgpu::Queue,
    tier: Tier,
    program: Program,
    buffers: Vec<wgpu::Buffer>,
    controls: wgpu::Buffer,
    steps: Vec<Bound>,
    ring: Vec<RingSlot>,
    next_submit: usize,
    next_arrival: usize,
    /// When the newest submit that was picked up had arrived.
    last: Option<Instant>,
    /// How many tokens a submit takes, as the latest run has found out.
    pub chunk: Option<usize>,
}

/// A place of the ring: what a submit leaves.
struct RingSlot {
    readback: Readback,
    stopwatch: Option<Stopwatch>,
    /// Words of its records.
    words: usize,
    /// When it was submitted.
    begun: Option<Instant>,
}

impl RingSlot {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue, pictures: usize) -> Self {
        let readback = Readback::new(device, MAX_TOKENS * pictures * RECORD_WORDS + Stopwatch::WORDS);
        Self { readback, stopwatch: Stopwatch::new(device, queue), words: 0, begun: None }
    }
}

/// A submit that has come back.
#[derive(Debug)]
pub struct Delivery {
    /// (position, picture).
    pub records: Vec<Record>,
    /// How long it took.
    pub took: Duration,
    /// By which clock.
    pub timed_by: TimedBy,
}

/// What times are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedBy {
    /// The GPU's own, around its work.
    Gpu,
    /// The wall's: waiting and handing over are part of it.
    Wall,
}

impl TimedBy {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPU time",
            Self::Wall => "wall time",
        }
    }
}

impl std::fmt::Debug for GpuExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuExecutor({} steps)", self.steps.len())
    }
}

/// What a program takes on a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    all: u64,
    largest: u64,
}

impl Sizes {
    fn of(program: &Program) -> Self {
        let each = || program.buffers.iter().map(|b| 4 * b.words as u64);
        Self { all: each().sum(), largest: each().max().unwrap_or(0) }
    }

    /// The sentence where a device has no room for it; the largest buffer that it allows.
    fn too_much(self, limit: u64) -> Error {
        let [all, largest, limit] = [self.all, self.largest, limit].map(|bytes| bytes.div_ceil(1 << 20));
        Error::Adapter(format!(
            "the GPU has no room for this model: it needs {all} MiB, in buffers of up to {largest} MiB (this GPU allows {limit} MiB \
             each); try --weights int8, or --device cpu"
        ))
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
        let (sizes, limits) = (Sizes::of(&program), device.limits());
        let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if sizes.largest > limit {
            return Err(sizes.too_much(limit));
        }
        let executor = Self::upload(device, queue, tier, program);
        // All of them ended here, the newest first, before anything is waited for: wgpu panics over scopes that end in
        // another order, as they would where a browser builds two engines and each waits between its own.
        let ended = scopes.into_iter().rev().map(wgpu::ErrorScopeGuard::pop).collect::<Vec<_>>();
        let mut error = None;
        for scope in ended {
            error = scope.await.or(error);
        }
        match error {
            Some(wgpu::Error::OutOfMemory { .. }) => Err(sizes.too_much(limit)),
            Some(e) => Err(Error::Adapter(format!("the GPU cannot run the engine: {e}; try --device cpu"))),
            None => executor,
        }
    }

    /// Makes everything; what the device refuses is told to its error scopes.
    fn upload(device: &wgpu::Device, queue: &wgpu::Queue, tier: Tier, mut program: Program) -> Result<Self> {
        if program.steps.iter().any(|step| step.flags.precision.in_runs()) {
            return Err(Error::Internal("this program's weights are laid out for the CPU twins".into()));
        }
        let sizes = Sizes::of(&program);
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
                    .map_err(|_| sizes.too_much(device.limits().max_buffer_size))?
                    .copy_from_slice(bytemuck::cast_slice(&init));
                buffer.unmap();
            }
            buffers.push(buffer);
        }
        let controls = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("controls"),
            size: CONTROLS_BYTES,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let steps = bind_steps(device, queue, tier, &program, &buffers, &controls);
        let ring = (0..RING).map(|_| RingSlot::new(device, queue, program.pictures)).collect();
        let (device, queue) = (device.clone(), queue.clone());
        let (next_submit, next_arrival, last, chunk) = (0, 0, None, None);
        Ok(Self {
            device,
            queue,
            tier,
            program,
            buffers,
            controls,
            steps,
            ring,
            next_submit,
            next_arrival,
            last,
            chunk,
        })
    }

    /// How its kernels are shaped.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The program it runs (without weights).
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Writes words into a buffer, in order with submits.
    pub fn write(&mut self, buffer: BufferId, offset: usize, words: &[u32]) {
        self.queue.write_buffer(&self.buffers[buffer.0], 4 * offset as u64, bytemuck::cast_slice(words));
    }

    /// Sets the live controls of a picture for what is submitted from now on.
    pub fn set_controls(&mut self, picture: usize, controls: &ControlsUniform) {
        let at = picture * size_of::<ControlsUniform>();
        self.queue.write_buffer(&self.controls, at as u64, bytemuck::bytes_of(controls));
    }

    /// Whether another submit finds a free slot.
    pub fn ready(&self) -> bool {
        self.ring[self.next_submit % RING].readback.is_free()
    }

    /// Submits that have not been picked up.
    pub fn in_flight(&self) -> usize {
        self.next_submit - self.next_arrival
    }

    /// Enqueues the tokens at `positions` (at most [`Program::most`]) and returns at once.
    pub fn submit(&mut self, positions: Range<usize>) {
        debug_assert!(self.ready() && positions.len() <= self.program.most);
        let slot = self.next_submit % RING;
        let row = self.program.pictures * RECORD_WORDS;
        let (from, words) = (positions.start * row, positions.len() * row);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let timed = self.ring[slot].stopwatch.as_ref().map(Stopwatch::writes);
        let each = self.program.each;
        let all = [(0..each, positions.len()), (each..self.steps.len(), 1)];
        self.encode(&mut encoder, &all, timed);
        let records = &self.buffers[self.program.ports.records.0];
        let slot = &mut self.ring[slot];
        slot.readback.copy(&mut encoder, records, from, words);
        let more = slot.stopwatch.as_ref().map_or(0, |stopwatch| {
            stopwatch.read(&mut encoder, &slot.readback, words);
            Stopwatch::WORDS
        });
        slot.begun = Some(Instant::now());
        let submission = self.queue.submit([encoder.finish()]);
        slot.readback.map(submission, words + more);
        slot.words = words;
        self.next_submit += 1;
    }

    /// The oldest submit, if it has arrived. With `wait` (native) blocks until it has.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn poll(&mut self, wait: bool) -> Result<Option<Delivery>> {
        let slot = &mut self.ring[self.next_arrival % RING];
        let under_way = !slot.readback.is_free();
        let words: Result<Option<Vec<u32>>> = slot.readback.poll(&self.device, wait);
        if under_way && slot.readback.is_free() {
            self.next_arrival += 1;
        }
        let Some(words) = words? else { return Ok(None) };
        let (records, ticks) = words.split_at(slot.words);
        let measured = slot.stopwatch.as_ref().and_then(|stopwatch| stopwatch.seconds(ticks));
        // Without a clock of the GPU: since it was submitted, or since the one before was through.
        let done = slot.readback.arrived_at();
        let since = slot.begun.max(self.last);
        let waited = done.zip(since).map_or(Duration::ZERO, |(done, since)| done.saturating_duration_since(since));
        self.last = done;
        Ok(Some(Delivery {
            records: bytemuck::pod_collect_to_vec(records),
            took: measured.map_or(waited, Duration::from_secs_f64),
            timed_by: if measured.is_some() { TimedBy::Gpu } else { TimedBy::Wall },
        }))
    }

    /// Drops what is in flight: the next run starts with an empty ring.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn drain(&mut self) -> Result<()> {
        while self.in_flight() > 0 {
            if self.poll(true)?.is_none() {
                // A browser cannot block: leave the old slots to their callbacks and make new ones.
                let (device, queue, pictures) = (&self.device, &self.queue, self.program.pictures);
                self.ring.iter_mut().for_each(|slot| *slot = RingSlot::new(device, queue, pictures));
                self.next_arrival = self.next_submit;
            }
        }
        Ok(())
    }

    /// Runs some steps once: for tests, benchmarks, and to bisect a wrong picture.
    pub fn run_steps(&mut self, steps: Range<usize>, times: usize) {
        self.run_parts(&[steps], times);
    }

    /// The same with several runs of steps, one after the other, so many times.
    pub fn run_parts(&mut self, parts: &[Range<usize>], times: usize) {
        let parts: Vec<_> = match parts {
            [steps] => vec![(steps.clone(), times)],
            parts => std::iter::repeat_n(parts, times).flatten().map(|steps| (steps.clone(), 1)).collect(),
        };
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.encode(&mut encoder, &parts, None);
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
        self.encode(&mut encoder, &[(steps, 1)], None);
        to.copy(&mut encoder, &self.buffers[buffer.0], 0, words);
        to.map(self.queue.submit([encoder.finish()]), words);
    }

    /// The device it runs on.
    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.device
    }

    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        steps: &[(Range<usize>, usize)],
        timed: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) {
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: timed });
        for n in steps.iter().flat_map(|(steps, times)| std::iter::repeat_n(steps.clone(), *times)).flatten() {
            let step = &self.steps[n];
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.group, &[]);
            pass.dispatch_workgroups(step.count[0], 1, step.count[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_without_room_is_told_with_what_it_needs() {
        let said = Sizes { all: 3_100_000_000, largest: 84 << 20 }.too_much(128 << 20).to_string();
        assert!(said.contains("needs 2957 MiB, in buffers of up to 84 MiB (this GPU allows 128 MiB each)"), "{said}");
    }
}
