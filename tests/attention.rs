//! Attention maps of the patch transformer against plain loops over the checkpoint's numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use burn::tensor::Device;
use common::{Fixture, assert_close};
use dpar::checkpoint::Checkpoint;
use dpar::checkpoint::config::TransformerConfig;
use dpar::model::patch_layout::PatchLayout;
use dpar::model::{Dpar, read_f32};
use dpar::patching::{Patch, Patches};
use pollster::block_on;

fn load(f: &Fixture, device: &Device) -> Dpar {
    Dpar::load(f.files.config.dpar.as_ref().unwrap(), f.files.dpar.as_ref().unwrap(), device).unwrap()
}

/// The first image of a fixture: tokens, class, the reference's patches.
fn image(f: &Fixture) -> (Vec<u32>, usize, Patches) {
    let (t, g) = (f.files.config.tokens(), f.files.config.grid() as u32);
    let patches = Patches::from_starts(f.bools("starts")[..t].to_vec(), g);
    (f.u32("tokens")[..t].to_vec(), f.u32("classes")[0] as usize, patches)
}

/// W x, `w` (out, in).
fn project(w: &[f32], x: &[f32]) -> Vec<f32> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

fn rms_norm(x: &[f32], gain: &[f32], eps: f32) -> Vec<f32> {
    let mean = x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32;
    x.iter().zip(gain).map(|(v, g)| v / (mean + eps).sqrt() * g).collect()
}

fn softmax(scores: &[f32]) -> Vec<f32> {
    let top = scores.iter().copied().fold(f32::MIN, f32::max);
    let e: Vec<f32> = scores.iter().map(|s| (s - top).exp()).collect();
    let sum: f32 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// Dynamic RoPE of one patch (dpar.md section 5); `None` is the class, whose query and key become zero.
fn turn(x: &mut [f32], patch: Option<&Patch>, base: f32) {
    let d = x.len();
    let Some(p) = patch else { return x.fill(0.0) };
    let mut angles: Vec<f32> = (0..d / 4).map(|j| p.row as f32 * base.powf(-4.0 * j as f32 / d as f32)).collect();
    for column in [p.first_column, p.last_column, p.last_column, p.first_column] {
        angles.extend((0..d / 16).map(|j| column as f32 * base.powf(-16.0 * j as f32 / d as f32)));
    }
    for (pair, a) in x.chunks_mut(2).zip(angles) {
        let (re, im) = (pair[0], pair[1]);
        (pair[0], pair[1]) = (re * a.cos() - im * a.sin(), im * a.cos() + re * a.sin());
    }
}

/// Attention weights (h, M, M) of every layer, by the book.
fn by_hand(c: &TransformerConfig, w: &Checkpoint, p: &[f32], class: usize, patches: &Patches) -> Vec<Vec<f32>> {
    let (list, width, d) = (patches.list(), c.dim, c.head_dim());
    let table = w.f32("cls_embedding.embedding_table.weight").unwrap();
    let mut x = vec![table[class * width..(class + 1) * width].to_vec()];
    x.extend(p.chunks(width).take(list.len() - 1).map(<[f32]>::to_vec));
    let count = x.len();
    (0..c.n_layer)
        .map(|layer| {
            let weight = |name: &str| w.f32(&format!("layers.{layer}.{name}.weight")).unwrap();
            let (gain, wqkv) = (weight("attention_norm"), weight("attention.wqkv"));
            let mut qkv: Vec<Vec<f32>> = x.iter().map(|x| project(&wqkv, &rms_norm(x, &gain, c.norm_eps))).collect();
            for (m, row) in qkv.iter_mut().enumerate() {
                // Position m carries patch m - 1.
                let patch = m.checked_sub(1).map(|m| &list[m]);
                row[..2 * width].chunks_mut(d).for_each(|head| turn(head, patch, c.rope_base));
            }
            let mut map = vec![0.0; c.n_head * count * count];
            let mut mixed = vec![vec![0.0; width]; count];
            for head in 0..c.n_head {
                for m in 0..count {
                    let q = &qkv[m][head * d..(head + 1) * d];
                    let score = |j: usize| {
                        let k = &qkv[j][width + head * d..width + (head + 1) * d];
                        q.iter().zip(k).map(|(a, b)| a * b).sum::<f32>() / (d as f32).sqrt()
                    };
                    let weights = softmax(&(0..=m).map(score).collect::<Vec<_>>());
                    for (j, a) in weights.iter().enumerate() {
                        map[(head * count + m) * count + j] = *a;
                        for k in 0..d {
                            mixed[m][head * d + k] += a * qkv[j][2 * width + head * d + k];
                        }
                    }
                }
            }
            let (wo, gain) = (weight("attention.wo"), weight("ffn_norm"));
            let [w1, w2, w3] = ["w1", "w2", "w3"].map(|n| weight(&format!("feed_forward.{n}")));
            for (x, mixed) in x.iter_mut().zip(&mixed) {
                let h: Vec<f32> = x.iter().zip(project(&wo, mixed)).map(|(a, b)| a + b).collect();
                let n = rms_norm(&h, &gain, c.norm_eps);
                let gated = project(&w1, &n).into_iter().zip(project(&w3, &n)).map(|(a, b)| a / (1.0 + (-a).exp()) * b);
                let down = project(&w2, &gated.collect::<Vec<_>>());
                *x = h.iter().zip(down).map(|(a, b)| a + b).collect();
            }
            map
        })
        .collect()
}

fn check(name: &str, device: &Device) {
    let f = Fixture::load(name);
    let model = load(&f, device);
    let (tokens, class, patches) = image(&f);
    let layout = PatchLayout::new(std::slice::from_ref(&patches), tokens.len()).unwrap();
    let x = model.tokens.forward(tokens.iter().map(|t| *t as usize), 1);
    let (_, p) = model.encoder.forward(x, &model.rope_encoder.narrow(0, tokens.len()), &layout);
    let p = block_on(read_f32(p)).unwrap();
    let expected = by_hand(&model.config, f.files.dpar.as_ref().unwrap(), &p, class, &patches);
    for (layer, expected) in expected.iter().enumerate() {
        let map = block_on(model.attention(&tokens, &class.into(), &patches, layer)).unwrap();
        assert_eq!((map.heads(), map.patches()), (model.config.n_head, patches.count()));
        assert_close(&format!("{name} layer {layer}"), map.weights(), expected, 1e-4);
        for head in 0..map.heads() {
            assert_eq!(map.row(head, 0), [1.0], "patch 0 has only the class");
            for m in 0..map.patches() {
                let row = map.row(head, m);
                assert!(row.len() == m + 1 && (row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{head} {m}: {row:?}");
                let all = &map.weights()[(head * map.patches() + m) * map.patches()..][..map.patches()];
                assert!(all[m + 1..].iter().all(|w| *w == 0.0), "patch {m} sees the future");
            }
        }
    }
}

#[test]
fn weights_are_those_of_the_definition() {
    for name in ["tiny", "odd"] {
        check(name, &Device::flex());
    }
}

#[test]
fn weights_are_those_of_the_definition_on_the_gpu() {
    let Some(gpu) = common::gpu() else { return };
    check("tiny", &gpu.burn_device().unwrap());
}

/// One patch alone, and a run that is not over yet, give the rows of the whole image.
#[test]
fn rows_need_only_what_came_before() {
    let f = Fixture::load("odd");
    let model = load(&f, &Device::flex());
    let (tokens, class, patches) = image(&f);
    let last = model.config.n_layer - 1;
    let map = block_on(model.attention(&tokens, &class.into(), &patches, last)).unwrap();
    let rows = |m: usize| -> Vec<f32> { (0..map.heads()).flat_map(|head| map.row(head, m).to_vec()).collect() };
    for m in [0, 1, patches.count() / 2, patches.count() - 1] {
        let row = block_on(model.attention_row(&tokens, &class.into(), &patches, last, m)).unwrap();
        assert_close(&format!("row {m}"), &row, &rows(m), 1e-5);
    }
    let cut = 13; // tokens drawn so far
    let begun = Patches::from_starts(patches.starts()[..cut].to_vec(), model.config.grid_size as u32);
    let part = block_on(model.attention(&tokens[..cut], &class.into(), &begun, last)).unwrap();
    for m in 0..begun.count() {
        assert_close(&format!("early row {m}"), part.row(0, m), map.row(0, m), 1e-5);
    }
    // The class is what it is about: another one looks elsewhere (from the second layer on; its key is zero in all).
    let other = block_on(model.attention(&tokens, &model.config.num_classes.into(), &patches, last)).unwrap();
    assert_ne!(other, map);
}

#[test]
fn what_does_not_exist_is_refused() {
    let f = Fixture::load("tiny");
    let model = load(&f, &Device::flex());
    let (tokens, class, patches) = image(&f);
    let says = |says: &str, e: dpar::Error| assert!(e.is_bad_input() && e.to_string().contains(says), "{says}: {e}");
    says("layer 2 does not", block_on(model.attention(&tokens, &class.into(), &patches, 2)).unwrap_err());
    says("class 11", block_on(model.attention(&tokens, &11.into(), &patches, 0)).unwrap_err());
    says("image has 63", block_on(model.attention_row(&tokens[..63], &class.into(), &patches, 0, 1)).unwrap_err());
    says("patch 99 does not", block_on(model.attention_row(&tokens, &class.into(), &patches, 0, 99)).unwrap_err());
    let many = Patches::from_starts(vec![true; 4096], 64);
    says("one patch at a time", block_on(model.attention(&tokens, &class.into(), &many, 0)).unwrap_err());
}
