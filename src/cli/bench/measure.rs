//! The single measurements of `dpar bench`.

use std::ops::Range;
use std::time::Instant;

use anyhow::Result;
use dpar::engine::backend::Backend;
use dpar::engine::device::Gpu;
use dpar::engine::merger::Merger;
use dpar::engine::ops::{input_linear, linear, pool, record};
use dpar::engine::program::Builder;
use dpar::engine::state::{RECORD_WORDS, STATE_WORDS, WANTED, initial_state, word};
use dpar::engine::{Engine, GpuExecutor, Program, Section, Tier};
use dpar::patching::{Mode, PatchRule};
use serde::Serialize;

/// What as many dispatches cost that do nothing.
#[derive(Debug, Serialize)]
pub struct Floor {
    /// Time of the empty dispatches, milliseconds.
    pub ms_per_token: f64,
    /// Token time / that.
    pub times_floor: f64,
}

/// Time of one part of the model.
#[derive(Clone, Debug, Serialize)]
pub struct SectionTime {
    /// Its name.
    pub name: &'static str,
    /// Dispatches.
    pub dispatches: usize,
    /// Milliseconds each time it runs, at the middle of an image.
    pub ms: f64,
    /// Milliseconds a token, by how often it runs.
    pub ms_per_token: f64,
}

/// Time of one op by itself.
#[derive(Clone, Debug, Serialize)]
pub struct OpTime {
    /// Its name.
    pub name: &'static str,
    /// Microseconds a dispatch (for all pictures), many in a row.
    pub us: f64,
    /// Tokens (of each picture) that a dispatch is for: 1, or those of a submit where it is recorded once for all of them.
    pub tokens: usize,
    /// [`dpar::engine::program::Step::serial_run`].
    pub serial_run: u32,
}

/// The name of the patch transformer's part where no patch starts.
pub const SKIPPED: &str = "patch transformer, skipped";

/// Time of `work` per repetition in ms: repeats grow until they take long enough to trust.
fn time(mut work: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    work(1)?;
    let mut times = 4;
    loop {
        let begun = Instant::now();
        work(times)?;
        let spent = begun.elapsed().as_secs_f64();
        if spent > 0.25 || times >= 4096 {
            return Ok(spent * 1000.0 / times as f64);
        }
        times *= 4;
    }
}

/// Times dispatches of one workgroup whose gate is closed: the floor under `dispatches` of them a token.
pub fn floor(gpu: &Gpu, dispatches: usize, token_ms: f64) -> Result<Floor> {
    let mut b = Builder::new(1);
    let state = b.state();
    let h = b.zeros("h", 64);
    let outs = [b.zeros("a", 64), b.zeros("b", 64)];
    for n in 0..dispatches {
        // 8 wide: one workgroup, whatever the tier.
        pool::step(&mut b, Section::Sampler, pool::Args { state, gate: word::ZERO, h, out: outs[n % 2], width: 8 });
    }
    let program = Program::loose(b);
    let tier = Tier::of(&gpu.info);
    let mut executor = pollster::block_on(GpuExecutor::new(&gpu.device, &gpu.queue, tier, program))?;
    let ms = time(|times| {
        executor.run_steps(0..dispatches, times);
        Ok(executor.wait()?)
    })?;
    Ok(Floor { ms_per_token: ms, times_floor: token_ms / ms })
}

/// Times every op by itself, the first step of its kind: dispatches in a row at the middle of an image, and one whose gate is closed.
pub fn op_times(engine: &mut Engine) -> Result<Vec<OpTime>> {
    let program = engine.program();
    let (state, pictures, words) = (program.ports.state, program.pictures, middle(program.tokens));
    let records = program.ports.records;
    let wanted = vec![WANTED; program.tokens * pictures * RECORD_WORDS];
    let mut kinds: Vec<(usize, &'static str)> = Vec::new();
    for (n, step) in program.steps.iter().enumerate() {
        if kinds.iter().all(|(_, name)| *name != step.op.name) {
            kinds.push((n, step.op.name));
        }
    }
    let mut found = Vec::new();
    let closed = [0; STATE_WORDS];
    let gated = [linear::OP.name, input_linear::OP.name];
    let first_gated = kinds.iter().find(|(_, name)| gated.contains(name)).map(|(n, _)| (*n, "empty", &closed));
    let all = kinds.iter().map(|(n, name)| (*n, *name, &words)).chain(first_gated);
    for (n, name, words) in all {
        // Drawing moves the run on: a few at a time, from the middle each time. Records are completed once, those of a whole submit.
        let row = if name == record::OP.name { 1 } else { 16 };
        let ms = time(|times| {
            for from in (0..times).step_by(row) {
                engine.write(state, 0, &words.repeat(pictures));
                engine.write(records, 0, &wanted);
                run(engine, std::slice::from_ref(&(n..n + 1)), row.min(times - from))?;
            }
            Ok(())
        })?;
        let Engine::Gpu(gpu) = &*engine else { continue };
        let serial_run = if name == "empty" { 1 } else { gpu.program().steps[n].serial_run(gpu.tier()) };
        let tokens = if name == record::OP.name { gpu.program().most } else { 1 };
        found.push(OpTime { name, us: ms * 1000.0, tokens, serial_run });
    }
    Ok(found)
}

/// Microseconds of the CPU for a dispatch: recording a token's and handing them over. `None` on the CPU.
pub fn encode_time(engine: &mut Engine) -> Result<Option<f64>> {
    let (steps, pictures) = (engine.program().steps.len(), engine.program().pictures);
    let mut least = None;
    for _ in 0..20 {
        // Nothing is wanted of the GPU: all gates are closed.
        let state = engine.program().ports.state;
        engine.write(state, 0, &[0; STATE_WORDS].repeat(pictures));
        let Engine::Gpu(gpu) = engine else { return Ok(None) };
        gpu.wait()?;
        let begun = Instant::now();
        gpu.run_steps(0..steps, 4);
        let us = begun.elapsed().as_secs_f64() * 1e6 / (4 * steps) as f64;
        gpu.wait()?;
        least = Some(least.map_or(us, |least: f64| least.min(us)));
    }
    Ok(least)
}

/// The state of the middle of an image, where a patch closes and another starts.
fn middle(tokens: usize) -> [u32; STATE_WORDS] {
    let middle = (tokens / 2) as u32;
    let mut words = initial_state(tokens);
    for (at, value) in [
        (word::POS, middle),
        (word::PREV, middle - 1),
        (word::HAS_TOKEN, 1),
        (word::BOUNDARY, 1),
        (word::CLOSE, 1),
        (word::PATCH, middle / 2),
        (word::CLOSE_FIRST, middle - 2),
        (word::CLOSE_LAST, middle - 1),
        // The sampler moves on by itself: a last position that repetitions never reach.
        (word::TOKENS, u32::MAX),
    ] {
        words[at as usize] = value;
    }
    words
}

/// Times every section by itself with the state of the middle of an image, and says what of it is one picture's; `share` is how often
/// a patch starts.
pub fn section_times(engine: &mut Engine, share: f64) -> Result<Vec<SectionTime>> {
    let program = engine.program();
    let (state, tokens, pictures) = (program.ports.state, program.tokens, program.pictures);
    let each = 1.0 / pictures as f64;
    let words = middle(tokens);
    let mut found = Vec::new();
    for section in Section::ALL {
        let of = |s: &dpar::engine::program::Step| s.section == section;
        let parts = parts_of(engine.program(), of);
        let dispatches = parts.iter().map(ExactSizeIterator::len).sum();
        if dispatches == 0 || section == Section::Sampler {
            continue; // the sampler is timed with its own state below
        }
        engine.write(state, 0, &words.repeat(pictures));
        let ms = each * time(|times| run(engine, &parts, times))?;
        let often = if section == Section::PatchTransformer { share } else { 1.0 };
        found.push(SectionTime { name: section.name(), dispatches, ms, ms_per_token: ms * often });
        if section == Section::PatchTransformer {
            // The same dispatches where no patch starts: they return at once, but not for nothing.
            let mut idle = words;
            (idle[word::BOUNDARY as usize], idle[word::CLOSE as usize]) = (0, 0);
            engine.write(state, 0, &idle.repeat(pictures));
            let ms = each * time(|times| run(engine, &parts, times))?;
            let ms_per_token = ms * (1.0 - share);
            found.push(SectionTime { name: SKIPPED, dispatches, ms, ms_per_token });
        }
    }
    // Repeating the sampler moves the run on by a token each time: restart it often enough to stay inside the image.
    let steps = parts_of(engine.program(), |s| s.section == Section::Sampler);
    if !steps.is_empty() {
        let ms = each
            * time(|times| {
                for from in (0..times).step_by(tokens) {
                    engine.write(state, 0, &initial_state(tokens).repeat(pictures));
                    run(engine, &steps, tokens.min(times - from))?;
                }
                Ok(())
            })?;
        found.push(SectionTime {
            name: Section::Sampler.name(),
            dispatches: steps.iter().map(ExactSizeIterator::len).sum(),
            ms,
            ms_per_token: ms,
        });
    }
    Ok(found)
}

/// The runs of steps that satisfy `of`: the patch encoder's and the entropy model's alternate.
fn parts_of(program: &Program, of: impl Fn(&dpar::engine::program::Step) -> bool) -> Vec<Range<usize>> {
    let mut from = 0;
    let mut parts = Vec::new();
    for chunk in program.steps.chunk_by(|a, b| of(a) == of(b)) {
        if of(&chunk[0]) {
            parts.push(from..from + chunk.len());
        }
        from += chunk.len();
    }
    parts
}

fn run(engine: &mut Engine, steps: &[Range<usize>], times: usize) -> Result<()> {
    // Submits of bounded length: drivers end a submit that takes seconds.
    for from in (0..times).step_by(16) {
        engine.run_parts(steps, 16.min(times - from));
        if let Engine::Gpu(gpu) = engine {
            gpu.wait()?;
        }
    }
    Ok(())
}

/// Speed of a copy between two device buffers, GB/s of bytes copied (each is read once and written once).
pub fn copy_speed(gpu: &Gpu) -> Result<f64> {
    const BYTES: u64 = 64 << 20;
    let buffer = || {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("copy"),
            size: BYTES,
            usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let (from, to) = (buffer(), buffer());
    let ms = time(|times| {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..times {
            encoder.copy_buffer_to_buffer(&from, 0, &to, 0, BYTES);
        }
        gpu.queue.submit([encoder.finish()]);
        gpu.wait()?;
        Ok(())
    })?;
    Ok(BYTES as f64 / 1e6 / ms)
}

/// How fast so many threads copy from one place in memory to another, GB/s: what CPU twins could read at, where weights are more than the
/// caches hold.
///
/// # Errors
/// None.
pub fn memory_copy_speed(threads: usize) -> Result<f64> {
    const BYTES: usize = 256 << 20;
    let (from, mut to) = (vec![1u8; BYTES], vec![0u8; BYTES]);
    let part = BYTES.div_ceil(threads.max(1));
    let ms = time(|times| {
        for _ in 0..times {
            std::thread::scope(|scope| {
                for (to, from) in to.chunks_mut(part).zip(from.chunks(part)) {
                    scope.spawn(|| to.copy_from_slice(from));
                }
            });
        }
        Ok(())
    })?;
    Ok(BYTES as f64 / 1e6 / ms)
}

/// Median time from a moved threshold to the new patches of an image of `side` x `side` tokens in this process' memory,
/// milliseconds: what an app waits for between a slider's event and the grid.
pub fn merge_time(backend: &Backend, side: u32) -> Result<f64> {
    let mut merger = pollster::block_on(Merger::new(backend))?;
    // Entropies do not matter to the time: some that all thresholds below cut differently.
    let tokens = side * side;
    let entropies: Vec<f32> = (0..tokens).map(|i| (i.wrapping_mul(2_654_435_761) % 997) as f32 / 125.0).collect();
    merger.set_entropies(&entropies)?;
    let mut spent = Vec::new();
    for n in 0..220u16 {
        let threshold = 2.0 + f32::from(n % 50) / 10.0;
        let begun = Instant::now();
        merger.request(0, PatchRule { mode: Mode::EntropyRowBoundary, threshold, max_patch_length: 4, grid: side });
        while merger.poll()?.is_empty() {
            std::thread::yield_now();
        }
        if n >= 20 {
            spent.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(median(spent.into_iter()))
}

/// Largest resident size of this process so far, MB (Linux).
pub fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1000.0)
}

/// The middle one (of an even number the upper).
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
