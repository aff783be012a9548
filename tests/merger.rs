//! The merger against the patch rule: whatever the entropies and the rule, through the GPU and through the twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use std::time::{Duration, Instant};

use dpar::engine::backend::{Backend, DeviceChoice};
use dpar::engine::merger::{MAX_TOKENS, Merged, Merger};
use dpar::patching::{Mode, PatchRule, StartReason};
use pollster::block_on;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const MODES: [Mode; 4] = [Mode::Token, Mode::Static, Mode::Entropy, Mode::EntropyRowBoundary];

/// The CPU, and the GPU where there is one.
fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::cpu(None)];
    if common::gpu().is_some() {
        all.push(block_on(Backend::open(DeviceChoice::Gpu)).unwrap());
    }
    all
}

/// Waits for a result.
fn result(merger: &mut Merger) -> Merged {
    let begun = Instant::now();
    loop {
        if let Some(merged) = merger.poll().unwrap().pop() {
            return merged;
        }
        assert!(merger.is_busy(), "nothing under way");
        assert!(begun.elapsed() < Duration::from_secs(20), "no result: {merger:?}");
        std::thread::yield_now();
    }
}

/// By the rule itself, token by token.
fn expected(rule: PatchRule, entropies: &[f32]) -> Merged {
    let mut run = 0;
    let reasons: Vec<Option<StartReason>> = (0u32..)
        .zip(entropies)
        .map(|(i, &e)| {
            let reason = rule.start(i, e, run);
            run = if reason.is_some() { 1 } else { run + 1 };
            reason
        })
        .collect();
    Merged { rule, line: 0, reasons, took: Duration::ZERO }
}

/// Without the time that it took.
fn timeless(merged: Merged) -> Merged {
    Merged { took: Duration::ZERO, ..merged }
}

fn agrees(merger: &mut Merger, rule: PatchRule, entropies: &[f32]) {
    merger.set_entropies(entropies).unwrap();
    merger.request(0, rule);
    let (got, expected) = (timeless(result(merger)), expected(rule, entropies));
    assert_eq!(got, expected);
    assert_eq!(got.patches(), rule.patches(entropies));
    assert!(!merger.is_busy() && merger.poll().unwrap().is_empty());
}

/// Sizes around workgroups, P_max from none to beyond the image, thresholds that often are an entropy exactly.
fn case() -> impl Strategy<Value = (PatchRule, Vec<f32>)> {
    let tokens = prop_oneof![1usize..80, 190usize..260, 500usize..520, 1000usize..1100, Just(MAX_TOKENS)];
    let p_max = prop_oneof![0u32..8, 50u32..70, 4000u32..5000, Just(u32::MAX)];
    (tokens, 0usize..4, p_max, 1u32..=64, -1i8..36).prop_flat_map(|(tokens, mode, max_patch_length, grid, quarters)| {
        let rule = PatchRule { mode: MODES[mode], threshold: f32::from(quarters) / 4.0, max_patch_length, grid };
        (Just(rule), prop::collection::vec((0u8..32).prop_map(|e| f32::from(e) / 4.0), tokens))
    })
}

#[test]
fn agrees_with_the_rule_on_anything() {
    for backend in backends() {
        let mut merger = block_on(Merger::new(&backend)).unwrap();
        let mut runner =
            TestRunner::new(Config { failure_persistence: None, max_shrink_iters: 60, ..Config::with_cases(300) });
        let merger = std::cell::RefCell::new(&mut merger);
        runner
            .run(&case(), |(rule, entropies)| {
                agrees(&mut merger.borrow_mut(), rule, &entropies);
                Ok(())
            })
            .unwrap();
        assert!(backend.lost().is_none());
    }
}

#[test]
fn no_tokens_are_no_patches_and_too_many_are_refused() {
    for backend in backends() {
        let mut merger = block_on(Merger::new(&backend)).unwrap();
        let rule = PatchRule { mode: Mode::Entropy, threshold: 1.0, max_patch_length: 4, grid: 8 };
        merger.request(0, rule);
        assert_eq!(result(&mut merger).reasons, []);
        agrees(&mut merger, rule, &[2.0; 64]);
        let e = merger.set_entropies(&vec![0.0; MAX_TOKENS + 1]).unwrap_err();
        assert!(e.is_bad_input() && e.to_string().contains("4097 tokens"), "{e}");
        merger.request(0, rule);
        assert_eq!(result(&mut merger).patches().count(), 64, "the image before stays");
    }
}

#[test]
fn the_newest_request_wins_and_another_image_ends_the_old_ones() {
    for backend in backends() {
        let mut merger = block_on(Merger::new(&backend)).unwrap();
        let entropies: Vec<f32> = (0..1000).map(|i| (i * 37 % 100) as f32 / 10.0).collect();
        merger.set_entropies(&entropies).unwrap();
        let rule = |threshold: f32| PatchRule { mode: Mode::Entropy, threshold, max_patch_length: 0, grid: 32 };
        for step in 0..100 {
            merger.request(0, rule(step as f32 / 10.0));
        }
        let mut last = result(&mut merger);
        while merger.is_busy() {
            last = result(&mut merger);
        }
        assert_eq!(timeless(last), expected(rule(9.9), &entropies));

        // Two lines: each has its newest, whichever has been moved how often.
        merger.request(1, rule(3.0));
        for step in 0..20 {
            merger.request(0, rule(step as f32));
        }
        let mut newest = [None, None];
        while merger.is_busy() {
            merger.poll().unwrap().into_iter().for_each(|merged| newest[merged.line] = Some(merged.rule));
        }
        assert_eq!(newest, [Some(rule(19.0)), Some(rule(3.0))]);

        merger.request(0, rule(1.0));
        merger.set_entropies(&entropies[..10]).unwrap();
        assert!(!merger.is_busy());
        merger.request(0, rule(2.0));
        assert_eq!(timeless(result(&mut merger)), expected(rule(2.0), &entropies[..10]));
        assert!(merger.poll().unwrap().is_empty());
    }
}

#[test]
fn a_lost_device_is_an_error() {
    if common::gpu().is_none() {
        return;
    }
    let backend = block_on(Backend::open(DeviceChoice::Gpu)).unwrap();
    let mut merger = block_on(Merger::new(&backend)).unwrap();
    merger.set_entropies(&[1.0; 16]).unwrap();
    backend.gpu().unwrap().destroy();
    merger.request(0, PatchRule { mode: Mode::Entropy, threshold: 1.0, max_patch_length: 4, grid: 4 });
    let begun = Instant::now();
    let e = loop {
        match merger.poll() {
            Err(e) => break e,
            Ok(found) => assert!(found.is_empty() && begun.elapsed() < Duration::from_secs(20)),
        }
    };
    assert!(matches!(e, dpar::Error::DeviceLost(_)) && backend.lost().is_some(), "{e}");
}
