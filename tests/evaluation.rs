//! `dpar::analysis::evaluation` against the PyTorch reference: likelihoods from its logits, and what a token file may get wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use std::collections::BTreeMap;

use burn::tensor::Device;
use common::Fixture;
use dpar::analysis::evaluation::{Evaluator, TokenSet};
use dpar::patching::PatchRule;
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

/// A file of those tensors; values little-endian i64.
fn file(tensors: &[(&str, Vec<usize>, Vec<i64>)]) -> Vec<u8> {
    let bytes: BTreeMap<&str, Vec<u8>> =
        tensors.iter().map(|(n, _, v)| (*n, v.iter().flat_map(|v| v.to_le_bytes()).collect())).collect();
    let views = tensors.iter().map(|(n, s, _)| (*n, TensorView::new(Dtype::I64, s.clone(), &bytes[n]).unwrap()));
    serialize(views, None).unwrap()
}

fn set(f: &Fixture) -> TokenSet {
    let ints = |name| f.u32(name).into_iter().map(i64::from).collect::<Vec<_>>();
    let (tokens, classes) = (ints("tokens"), ints("classes"));
    let shape = vec![classes.len(), f.files.config.tokens()];
    let bytes = file(&[("tokens", shape, tokens), ("classes", vec![classes.len()], classes)]);
    TokenSet::read("held-out", &bytes, &f.files.config).unwrap()
}

/// Mean of -log softmax(logits)[token], in f64.
fn nats(logits: &[f32], tokens: &[u32]) -> f64 {
    let vocab = logits.len() / tokens.len();
    let rows = logits.chunks(vocab).zip(tokens);
    let each = rows.map(|(row, token)| {
        let largest = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
        let sum: f64 = row.iter().map(|l| (f64::from(*l) - largest).exp()).sum();
        largest + sum.ln() - f64::from(row[*token as usize])
    });
    each.sum::<f64>() / tokens.len() as f64
}

#[test]
fn likelihoods_are_those_of_the_references_logits() {
    for name in ["tiny", "odd", "v1", "smoke"] {
        let f = Fixture::load(name);
        let (c, set) = (&f.files.config, set(&f));
        // A batch that does not divide the set: the last one is smaller.
        let evaluator = Evaluator::new(&f.files, &Device::flex(), 3).unwrap();
        let counted = std::cell::Cell::new(0);
        let done = |n| counted.set(counted.get() + n);
        let (entropy, _) = block_on(evaluator.entropy(&set, done)).unwrap().unwrap();
        assert!(entropy.nats > 0.0 && entropy.patch_length == 1.0, "{name}: {entropy:?}");

        let p = &c.patching;
        let (threshold, max_patch_length) = (p.threshold, p.max_patch_length as u32);
        let rule = PatchRule { mode: p.mode, threshold, max_patch_length, grid: c.grid() as u32 };
        // The reference's entropies, so that its boundaries are met where one ties with the threshold.
        let dpar = block_on(evaluator.dpar(&set, &f.f32("entropies"), rule, done)).unwrap().unwrap();
        let expected = nats(&f.f32("dpar_logits"), &set.tokens);
        let patches = f.bools("starts").iter().filter(|s| **s).count();
        assert!((dpar.nats - expected).abs() < 1e-4, "{name}: {} nats, {expected} expected", dpar.nats);
        assert!((dpar.patch_length - set.tokens.len() as f64 / patches as f64).abs() < 1e-9, "{name}");

        let baseline = block_on(evaluator.baseline(&set, done)).unwrap().unwrap();
        let expected = nats(&f.f32("baseline_logits"), &set.tokens);
        assert!((baseline.nats - expected).abs() < 1e-4, "{name}: {} nats, {expected} expected", baseline.nats);
        assert_eq!(counted.get(), 3 * set.len(), "{name}: progress");
    }
}

#[test]
fn a_wrong_file_is_one_sentence() {
    let f = Fixture::load("tiny");
    let c = &f.files.config;
    let (t, vocab, classes) = (c.tokens(), c.vocab() as i64, c.num_classes() as i64);
    let with = |tokens: Vec<i64>, shape: Vec<usize>, y: Vec<i64>| {
        let shape_y = vec![y.len()];
        file(&[("tokens", shape, tokens), ("classes", shape_y, y)])
    };
    let wrong = |bytes: &[u8]| TokenSet::read("held-out", bytes, c).unwrap_err().to_string();
    assert!(TokenSet::read("held-out", &with(vec![0; t], vec![1, t], vec![classes]), c).is_ok(), "the null class");
    for (bytes, says) in [
        (b"not a file".to_vec(), "held-out: is not a whole safetensors file".to_owned()),
        (file(&[("classes", vec![1], vec![0])]), "has no tensor `tokens`".to_owned()),
        (file(&[("tokens", vec![1, t], vec![0; t])]), "has no tensor `classes`".to_owned()),
        (
            with(vec![vocab; t], vec![1, t], vec![0]),
            format!("`tokens` holds {vocab}, this model has 0 to {}", vocab - 1),
        ),
        (with(vec![-1; t], vec![1, t], vec![0]), "`tokens` holds -1".to_owned()),
        (with(vec![0; t], vec![1, t], vec![classes + 1]), format!("`classes` holds {}", classes + 1)),
        (with(vec![0; t], vec![t], vec![0]), format!("`tokens` has shape [{t}], [1, {t}] fits")),
        (with(vec![0; t], vec![1, t], vec![0, 0]), format!("[2, {t}] fits")),
        (with(vec![], vec![0, t], vec![]), "`classes` has shape [0]".to_owned()),
    ] {
        let said = wrong(&bytes);
        assert!(said.contains(&says), "{said}");
    }
}
