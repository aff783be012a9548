//! The token loop against the PyTorch reference, on the CPU twins and in WGSL.
#![allow(clippy::unwrap_used, reason = "a test helper that unwraps fails with the right line")]
use std::path::Path;

use dpar::checkpoint::ModelFiles;
use dpar::engine::state::Record;
use dpar::engine::weights::Precision;
use dpar::engine::{Controls, CpuExecutor, Engine, Generator, GpuExecutor, Layout, Tier, build};
use dpar::gpu::Gpu;
use dpar::patching::PatchRule;
use safetensors::SafeTensors;

struct Expected {
    bytes: Vec<u8>,
}
impl Expected {
    fn f32(&self, name: &str) -> Vec<f32> {
        let s = SafeTensors::deserialize(&self.bytes).unwrap();
        s.tensor(name).unwrap().data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
    fn ints(&self, name: &str) -> Vec<u32> {
        let s = SafeTensors::deserialize(&self.bytes).unwrap();
        let data = s.tensor(name).unwrap();
        data.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect()
    }
    fn bools(&self, name: &str) -> Vec<bool> {
        let s = SafeTensors::deserialize(&self.bytes).unwrap();
        s.tensor(name).unwrap().data().iter().map(|b| *b != 0).collect()
    }
}

fn fixture(name: &str) -> (ModelFiles, Expected) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let model = if name == "pilot" { Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/model") } else { dir.clone() };
    let bytes = std::fs::read(dir.join("expected.safetensors")).unwrap();
    (ModelFiles::load_dir(&model).unwrap(), Expected { bytes })
}

fn engine(gpu: Option<&Gpu>, files: &ModelFiles, generator: Generator, layout: Layout, tier: Tier) -> Engine {
    let program = build(files, generator, layout).unwrap();
    match gpu {
        None => Engine::Cpu(Box::new(CpuExecutor::new(program))),
        Some(gpu) => {
            Engine::Gpu(Box::new(pollster::block_on(GpuExecutor::new(&gpu.device, &gpu.queue, tier, program)).unwrap()))
        }
    }
}

/// Replays forced tokens one by one; returns records and the logits of every position, (T, lane, V).
fn replay(engine: &mut Engine, class: usize, tokens: &[u32], controls: &Controls) -> (Vec<Record>, Vec<f32>) {
    engine.start(class, tokens).unwrap();
    engine.set_controls(controls);
    let (mut records, mut logits) = (Vec::new(), Vec::new());
    let port = engine.program().ports.logits;
    for i in 0..tokens.len() {
        records.extend(step(engine, i..i + 1));
        let words = pollster::block_on(engine.read(port)).unwrap();
        logits.extend(words.iter().map(|w| f32::from_bits(*w)));
    }
    (records, logits)
}

fn step(engine: &mut Engine, positions: std::ops::Range<usize>) -> Vec<Record> {
    match engine {
        Engine::Cpu(e) => e.run(positions),
        Engine::Gpu(e) => {
            e.submit(positions);
            e.poll(true).unwrap().unwrap()
        }
    }
}

fn worst(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    got.iter().zip(expected).map(|(g, e)| (g - e).abs() / scale).fold(0.0, f32::max)
}

fn controls(files: &ModelFiles, seed: u32) -> Controls {
    let c = &files.config;
    let rule = PatchRule {
        mode: c.patching.mode,
        threshold: c.patching.threshold,
        max_patch_length: c.patching.max_patch_length as u32,
        grid: c.grid() as u32,
    };
    Controls::new(&rule, &c.sampling, seed, c.vocab())
}

fn forced_parity(name: &str, gpu: Option<&Gpu>, layout: Layout, tier: Tier, rows: usize) {
    let (files, expected) = fixture(name);
    let (t, v) = (files.config.tokens(), files.config.vocab());
    let (tokens, classes) = (expected.ints("tokens"), expected.ints("classes"));
    let layout = Layout { lanes: 1, ..layout };
    let mut dpar = engine(gpu, &files, Generator::Dpar, layout, tier);
    let mut baseline = engine(gpu, &files, Generator::Baseline, layout, tier);
    let controls = controls(&files, 1);
    for row in 0..rows {
        let (range, wide) = (row * t..(row + 1) * t, row * t * v..(row + 1) * t * v);
        let class = classes[row] as usize;
        let (records, logits) = replay(&mut dpar, class, &tokens[range.clone()], &controls);
        let entropies: Vec<f32> = records.iter().map(|r| r.entropy).collect();
        let starts: Vec<bool> = records.iter().map(|r| r.start().is_some()).collect();
        let e = worst(&entropies, &expected.f32("entropies")[range.clone()]);
        let d = worst(&logits, &expected.f32("dpar_logits")[wide.clone()]);
        let (_, logits) = replay(&mut baseline, class, &tokens[range.clone()], &controls);
        let b = worst(&logits, &expected.f32("baseline_logits")[wide]);
        println!(
            "{name} row {row} {}: entropies {e:.1e}, dpar {d:.1e}, baseline {b:.1e}",
            if gpu.is_some() { "wgsl" } else { "cpu" }
        );
        assert_eq!(starts, expected.bools("starts")[range]);
        assert!(e < 1e-3 && d < 1e-3 && b < 1e-3);
    }
}

#[test]
fn forced_runs_on_the_cpu_twins() {
    for (name, rows) in [("tiny", 2), ("odd", 2), ("pilot", 1)] {
        forced_parity(name, None, Layout::CPU, Tier::SOFTWARE, rows);
    }
}

#[test]
fn forced_runs_in_wgsl() {
    let gpu = pollster::block_on(Gpu::open()).unwrap();
    let f32 = Layout { precision: Precision::F32, ..Layout::GPU };
    for (name, rows) in [("tiny", 2), ("odd", 2)] {
        forced_parity(name, Some(&gpu), f32, Tier::SOFTWARE, rows);
        forced_parity(name, Some(&gpu), f32, Tier::GPU, rows);
    }
    forced_parity("pilot", Some(&gpu), Layout::GPU, Tier::SOFTWARE, 1);
}
