//! The burn models against the PyTorch reference, on the CPU (flex) and on the GPU (burn-wgpu).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

#[path = "../src/cli/bench/burn_loop.rs"]
mod burn_loop;

use burn::tensor::{Device, Tensor, TensorData};
use common::{Fixture, assert_close};
use dpar::mix::Mix;
use dpar::model::{Dpar, TokenModel, Tokenizer, entropies, read_f32};
use dpar::patching::{PatchRule, Patches};
use pollster::block_on;

/// Relative to the largest value of a tensor; what f32 in another order of summation may differ by, with room.
const TOLERANCE: f32 = 1e-3;

fn rule(f: &Fixture) -> PatchRule {
    let c = &f.files.config;
    PatchRule {
        mode: c.patching.mode,
        threshold: c.patching.threshold,
        max_patch_length: c.patching.max_patch_length as u32,
        grid: c.grid() as u32,
    }
}

fn classes(f: &Fixture) -> Vec<Mix> {
    f.u32("classes").into_iter().map(|c| Mix::of(c as usize)).collect()
}

/// The reference's patches, one per image.
fn patches(f: &Fixture) -> Vec<Patches> {
    let c = &f.files.config;
    f.bools("starts").chunks(c.tokens()).map(|s| Patches::from_starts(s.to_vec(), c.grid() as u32)).collect()
}

fn entropy_model(f: &Fixture, device: &Device) -> TokenModel {
    TokenModel::load(f.files.config.entropy.as_ref().unwrap(), f.files.entropy.as_ref().unwrap(), device).unwrap()
}

fn dpar(f: &Fixture, device: &Device) -> Dpar {
    Dpar::load(f.files.config.dpar.as_ref().unwrap(), f.files.dpar.as_ref().unwrap(), device).unwrap()
}

fn check_entropies(name: &str, f: &Fixture, device: &Device) {
    let model = entropy_model(f, device);
    let tokens = f.u32("tokens");
    let null = vec![Mix::of(model.config.num_classes); classes(f).len()];
    let mut got = block_on(read_f32(entropies(model.logits(&tokens, &null).unwrap()))).unwrap();
    let expected = f.f32("entropies");
    assert_close(&format!("{name} entropies"), &got, &expected, TOLERANCE);

    // The random models' threshold is the median of these very entropies, so one token sits exactly on it and rounding
    // decides its side: take the reference's value there.
    let rule = rule(f);
    for (g, e) in got.iter_mut().zip(&expected) {
        if (e - rule.threshold).abs() < 1e-4 {
            *g = *e;
        }
    }
    let t = f.files.config.tokens();
    let starts: Vec<bool> = got.chunks(t).flat_map(|e| rule.patches(e).starts().to_vec()).collect();
    assert_eq!(starts, f.bools("starts"), "{name} starts");
}

fn check_logits(name: &str, f: &Fixture, device: &Device) {
    let (tokens, classes) = (f.u32("tokens"), classes(f));
    if f.files.config.dpar.is_some() {
        let logits = dpar(f, device).logits(&tokens, &classes, &patches(f)).unwrap();
        let got = block_on(read_f32(logits)).unwrap();
        assert_close(&format!("{name} DPAR logits"), &got, &f.f32("dpar_logits"), TOLERANCE);
    }
    let (config, checkpoint) = (f.files.config.baseline.as_ref().unwrap(), f.files.baseline.as_ref().unwrap());
    let baseline = TokenModel::load(config, checkpoint, device).unwrap();
    let got = block_on(read_f32(baseline.logits(&tokens, &classes).unwrap())).unwrap();
    assert_close(&format!("{name} baseline logits"), &got, &f.f32("baseline_logits"), TOLERANCE);
}

fn check_tokenizer(name: &str, f: &Fixture, device: &Device) {
    let tokenizer = Tokenizer::load(&f.files, device).unwrap();
    if f.has("image") {
        let image = TensorData::new(f.f32("image"), f.shape("image"));
        let codes = block_on(tokenizer.encode(Tensor::<4>::from_data(image, device))).unwrap();
        assert_eq!(codes, f.u32("image_codes"), "{name} codes");
    }
    let t = f.files.config.tokens();
    let images = f.shape("decoded")[0];
    let decoded = tokenizer.decode(&f.u32("tokens")[..images * t], [f.files.config.grid(); 2]).unwrap();
    assert_eq!(decoded.dims().to_vec(), f.shape("decoded"));
    // Pixels run from -1 to 1: this one is absolute.
    let expected = f.f32("decoded");
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
    assert_close(&format!("{name} pixels"), &block_on(read_f32(decoded)).unwrap(), &expected, 1e-3 / scale);
}

fn check_all(name: &str, device: &Device) {
    let f = Fixture::load(name);
    check_entropies(name, &f, device);
    check_logits(name, &f, device);
    check_tokenizer(name, &f, device);
}

#[test]
fn tiny_on_flex() {
    check_all("tiny", &Device::flex());
}

#[test]
fn odd_on_flex() {
    check_all("odd", &Device::flex());
}

#[test]
fn v1_on_flex() {
    check_all("v1", &Device::flex());
}

/// What training/ wrote: a few steps of every model, exported in f16 (training/tests/test_smoke.py).
#[test]
fn smoke_on_flex() {
    check_all("smoke", &Device::flex());
}

/// Random weights of LlamaGen-B and VQ-16, converted from PyTorch's files (training/tests/test_public.py).
#[test]
#[ignore = "needs DPAR_PUBLIC, which `cargo xtask test training` sets"]
fn public_on_flex() {
    check_all("public", &Device::flex());
}

/// The same on a GPU, within what every one has. (On a software adapter, where the app leaves the tokenizer to the CPU as well, its
/// convolutions take half an hour.)
#[test]
#[ignore = "needs DPAR_PUBLIC: cargo test --test parity_model public -- --ignored"]
fn public_on_the_gpu() {
    let Some(gpu) = common::gpu() else { return };
    let (f, device) = (Fixture::load("public"), gpu.burn_device().unwrap());
    check_entropies("public", &f, &device);
    check_logits("public", &f, &device);
    if !gpu.is_software() {
        check_tokenizer("public", &f, &device);
    }
    assert_eq!(gpu.lost(), None);
}

#[test]
fn tiny_on_the_gpu() {
    let Some(gpu) = common::gpu() else { return };
    check_all("tiny", &gpu.burn_device().unwrap());
    assert_eq!(gpu.lost(), None);
}

#[test]
fn odd_on_the_gpu() {
    let Some(gpu) = common::gpu() else { return };
    check_all("odd", &gpu.burn_device().unwrap());
    assert_eq!(gpu.lost(), None);
}

/// An error outside every scope is recorded. Burn's own callback, which ours replaced, would panic here.
#[test]
fn gpu_errors_are_recorded_not_panics() {
    if common::gpu().is_none() {
        return;
    }
    let gpu = block_on(dpar::engine::device::Gpu::open()).unwrap(); // one to break
    gpu.burn_device().unwrap();
    assert_eq!(gpu.lost(), None);
    let size = gpu.device.limits().max_buffer_size + 4;
    let usage = wgpu::BufferUsages::STORAGE;
    let _ = gpu.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    assert!(gpu.lost().unwrap().to_lowercase().contains("buffer"), "{:?}", gpu.lost());
}

/// A mean of class rows, and a batch of such means beside single classes, against PyTorch.
#[test]
fn mixes_on_flex() {
    let f = Fixture::load("v1");
    let terms = f.f32("mix_weights").into_iter().map(f64::from).zip(f.u32("mix_classes"));
    let mix = Mix::new(terms.map(|(weight, class)| (weight, class as usize).into()).collect()).unwrap();
    let (t, v) = (f.files.config.tokens(), f.files.config.vocab());
    let (tokens, patches) = (f.u32("tokens"), patches(&f));
    let both = [mix, classes(&f)[1].clone()];
    let got = dpar(&f, &Device::flex()).logits(&tokens[..2 * t], &both, &patches[..2]).unwrap();
    let got = block_on(read_f32(got)).unwrap();
    assert_close("a mix", &got[..t * v], &f.f32("mix_dpar_logits"), TOLERANCE);
    assert_close("a class beside it", &got[t * v..], &f.f32("dpar_logits")[t * v..2 * t * v], TOLERANCE);
    let (config, weights) = (f.files.config.baseline.as_ref().unwrap(), f.files.baseline.as_ref().unwrap());
    let baseline = TokenModel::load(config, weights, &Device::flex()).unwrap();
    let got = block_on(read_f32(baseline.logits(&tokens[..2 * t], &both).unwrap())).unwrap();
    assert_close("a mix, baseline", &got[..t * v], &f.f32("mix_baseline_logits"), TOLERANCE);
}

/// Changing x_j moves no logits up to and including j, and does move those of j + 1 (boundaries held).
#[test]
fn dpar_is_causal() {
    for name in ["tiny", "odd"] {
        let f = Fixture::load(name);
        let model = dpar(&f, &Device::flex());
        let (tokens, classes, patches) = (f.u32("tokens"), classes(&f), patches(&f));
        let (t, v) = (model.config.tokens(), model.config.vocab_size);
        let logits = |tokens: &[u32]| block_on(read_f32(model.logits(tokens, &classes, &patches).unwrap())).unwrap();
        let before = logits(&tokens);
        for j in [0, 1, 5, t / 2, t - 2] {
            let mut changed = tokens.clone();
            changed[j] = (changed[j] + 7) % v as u32; // in the first image only
            let after = logits(&changed);
            let moved = |i: usize| (i * v..(i + 1) * v).map(|k| (before[k] - after[k]).abs()).fold(0.0, f32::max);
            for i in 0..=j {
                assert!(moved(i) < 1e-5, "{name}: x_{j} changed, logits of {i} moved by {}", moved(i));
            }
            assert!(moved(j + 1) > 1e-4, "{name}: x_{j} changed, logits of {} did not move", j + 1);
            assert!((t..2 * t).all(|i| moved(i) < 1e-5), "{name}: x_{j} of image 0 reached image 1");
        }
    }
}

/// A batch is padded to its longest list of patches; an image's logits must not depend on its neighbours.
#[test]
fn padding_patches_are_never_read() {
    let f = Fixture::load("odd");
    let model = dpar(&f, &Device::flex());
    let (tokens, classes) = (f.u32("tokens"), classes(&f));
    let (t, v, g) = (model.config.tokens(), model.config.vocab_size, model.config.grid_size as u32);
    let few = Patches::from_starts((0..t).map(|i| i < 2 || i % 6 == 0).collect(), g);
    let every = Patches::from_starts(vec![true; t], g);
    let both = block_on(read_f32(model.logits(&tokens, &classes, &[few.clone(), every]).unwrap())).unwrap();
    let alone = block_on(read_f32(model.logits(&tokens[..t], &classes[..1], &[few]).unwrap())).unwrap();
    assert_close("padded batch", &both[..t * v], &alone, 1e-5);
}

#[test]
fn bad_batches_are_refused() {
    let f = Fixture::load("tiny");
    let model = dpar(&f, &Device::flex());
    let (tokens, patches) = (f.u32("tokens"), patches(&f));
    let says = |result: dpar::Result<Tensor<3>>| result.unwrap_err().to_string();
    assert!(says(model.logits(&[64; 64], &[0.into()], &patches[..1])).contains("token 64"));
    assert!(says(model.logits(&tokens[..64], &[11.into()], &patches[..1])).contains("class 11"));
    assert!(says(model.logits(&tokens[..63], &[0.into()], &patches[..1])).contains("boundaries"));
    assert!(says(model.logits(&tokens, &[0.into()], &patches[..1])).contains("same number"));
    assert!(says(model.logits(&tokens, &[0.into(), 0.into()], &patches[..1])).contains("images"));
}

/// The benchmark's peer draws what the reference draws: its comparison is of equal work.
fn check_loop(name: &str, run: usize, tokens: usize, device: &Device) {
    let f = Fixture::load(name);
    let run = &f.runs()[run];
    assert_eq!(run.top_k, 0, "the peer has no top-k");
    let rule = PatchRule { threshold: run.threshold, ..rule(&f) };
    let peer = burn_loop::BurnLoop::load(&f.files, device).unwrap();
    let out = peer.generate(run.cls, run.seed, rule, run.cfg, run.temperature, run.top_p, tokens).unwrap();
    assert_eq!(out.tokens, run.tokens[..tokens], "{name} tokens");
    assert_eq!(out.starts, run.starts[..tokens], "{name} starts");
    assert_close(&format!("{name} loop entropies"), &out.entropies, &run.entropies[..tokens], TOLERANCE);
}

#[test]
fn burn_loop_repeats_greedy_runs() {
    check_loop("tiny", 0, 64, &Device::flex());
    check_loop("odd", 0, 36, &Device::flex()); // two encoder layers
}

#[test]
fn burn_loop_repeats_a_guided_sampled_run() {
    check_loop("v1", 0, 256, &Device::flex());
}

#[test]
fn burn_loop_runs_on_the_gpu() {
    let Some(gpu) = common::gpu() else { return };
    check_loop("tiny", 0, 20, &gpu.burn_device().unwrap());
}
