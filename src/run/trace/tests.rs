use std::path::Path;

use super::*;
use crate::checkpoint::ModelFiles;
use crate::engine::{CpuExecutor, Engine, Layout, build};
use crate::patching::Mode;

fn tiny() -> ModelFiles {
    ModelFiles::load_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny"))).unwrap()
}

/// A run of the small model on the CPU, with another threshold and no patch limit from position 20 on.
fn session(files: &ModelFiles, generator: Generator, mode: Mode) -> Session {
    let engine = Engine::Cpu(Box::new(CpuExecutor::new(build(files, generator, Layout::CPU).unwrap())));
    let mut request = Request::new(&files.config, generator, 2, 7);
    request.controls.mode = mode;
    let mut later = request.controls.clone();
    (later.threshold, later.p_max) = (3.9, 5);
    request.schedule = vec![(20, later)];
    let mut session = Session::new(engine, &files.config, request).unwrap();
    while !session.is_done() {
        session.step().unwrap();
    }
    session
}

#[test]
fn detailed_runs_give_the_tokens_back() {
    let files = tiny();
    let mut reasons = std::collections::BTreeSet::new();
    for (generator, mode) in [
        (Generator::Dpar, Mode::EntropyRowBoundary),
        (Generator::Dpar, Mode::Entropy),
        (Generator::Dpar, Mode::Static),
        (Generator::Dpar, Mode::Token),
        (Generator::Baseline, Mode::EntropyRowBoundary),
    ] {
        let session = session(&files, generator, mode);
        let run = Run::detailed(&session, &files.config);
        assert!(run.is_detailed() && !run.clone().plain().is_detailed());
        let trace = Trace { model: files.hash.clone(), runs: vec![run] };
        let json = serde_json::to_vec(&trace).unwrap();
        let read = Trace::parse(&json, "t.json", &files.config).unwrap();
        assert_eq!(read, trace);
        let again = read.runs[0].tokens_detailed(8);
        assert_eq!(again.len(), 64);
        for (a, b) in again.iter().zip(session.tokens()) {
            assert_eq!((a.position, a.id, a.entropy, a.rank), (b.position, b.id, b.entropy, b.rank));
            assert_eq!((a.starts_patch, a.patch), (b.starts_patch, b.patch), "{mode:?}, token {}", a.position);
            assert!((a.probability - b.probability).abs() <= 5e-4 * b.probability);
            assert_eq!(a.candidates.len(), KEPT_CANDIDATES);
            for (x, y) in a.candidates.iter().zip(&b.candidates) {
                assert!(x.0 == y.0 && (x.1 - y.1).abs() <= 5e-4 * y.1);
            }
            reasons.extend(a.starts_patch.map(|r| r as u32));
        }
    }
    assert_eq!(reasons.len(), 5, "every reason was met: {reasons:?}");
}

#[test]
fn old_traces_parse_and_short_ones_stay_short() {
    let files = tiny();
    let run = Run::detailed(&session(&files, Generator::Dpar, Mode::EntropyRowBoundary), &files.config).plain();
    let json = serde_json::to_string(&Trace { model: String::new(), runs: vec![run.clone()] }).unwrap();
    for word in ["ranks", "probabilities", "candidates"] {
        assert!(!json.contains(word), "{json}");
    }
    let read = Trace::parse(json.as_bytes(), "old.json", &files.config).unwrap();
    assert_eq!(read.runs[0], run);
    let tokens = read.runs[0].tokens_detailed(8);
    assert!(tokens.iter().all(|t| t.candidates.is_empty() && t.entropy.is_some()));
}

#[test]
fn details_that_cannot_be_are_refused() {
    let files = tiny();
    let good = Run::detailed(&session(&files, Generator::Dpar, Mode::EntropyRowBoundary), &files.config);
    type Change = fn(&mut Run);
    let cases: [(&str, Change); 8] = [
        ("63 ranks for 64 tokens", |r| r.ranks.truncate(63)),
        ("65 probabilities for 64 tokens", |r| r.probabilities.push(0.5)),
        ("1 candidates for 64 tokens", |r| r.candidates.truncate(1)),
        ("rank 64", |r| r.ranks[3] = 64),
        ("token 64", |r| r.candidates[0][0].0 = 64),
        ("9 candidates", |r| r.candidates[5] = vec![(1, 0.1); 9]),
        ("probability of -0.5", |r| r.candidates[9][1].1 = -0.5),
        ("probability of 2", |r| r.probabilities[9] = 2.0),
    ];
    for (says, change) in cases {
        let mut run = good.clone();
        change(&mut run);
        let json = serde_json::to_vec(&Trace { model: String::new(), runs: vec![run] }).unwrap();
        let e = Trace::parse(&json, "t.json", &files.config).unwrap_err().to_string();
        assert!(e.starts_with("t.json: run 1 has ") && e.contains(says) && e.lines().count() == 1, "{says}: {e}");
    }
}

#[test]
fn four_digits_are_short_and_near() {
    for (value, text) in [(0.123_456_7, "0.1235"), (1.0, "1.0"), (0.0, "0.0"), (9.999_96e-7, "1e-6")] {
        assert_eq!(format!("{:?}", four_digits(value)), text);
    }
}

#[test]
fn a_trace_of_another_form_is_refused_by_name() {
    let config = ModelConfig::parse(include_bytes!("../../../assets/model/config.json"), "config.json").unwrap();
    let said = Trace::parse(br#"{"version": 2, "shape": "of tomorrow"}"#, "t.json", &config).unwrap_err().to_string();
    assert_eq!(said, "t.json: is a trace of version 2; this program reads version 1: a newer one may read it");
    let said = Trace::parse(br#"{"version": 1, "shape": "broken"}"#, "t.json", &config).unwrap_err().to_string();
    assert!(said.contains("is not a trace"), "{said}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// A real trace with bytes changed, cut or doubled: it is read or refused in one sentence.
    #[test]
    fn no_damage_to_a_trace_panics(
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..6),
        cut in proptest::option::weighted(0.2, proptest::prelude::any::<proptest::sample::Index>()),
    ) {
        static REAL: std::sync::OnceLock<(ModelFiles, Vec<u8>)> = std::sync::OnceLock::new();
        let (files, real) = REAL.get_or_init(|| {
            let files = tiny();
            let run = Run::detailed(&session(&files, Generator::Dpar, Mode::EntropyRowBoundary), &files.config);
            let json = serde_json::to_vec(&Trace { model: files.hash.clone(), runs: vec![run] }).unwrap();
            (files, json)
        });
        let mut bytes = real.clone();
        for (at, byte) in changes {
            // Digits half of the time: what still is JSON gets further.
            let at = at.index(bytes.len());
            bytes[at] = if byte < 128 && bytes[at].is_ascii_digit() { b'0' + byte % 10 } else { byte };
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match Trace::read(&bytes, "t.json", &files.config) {
            Ok((trace, _)) => {
                for run in &trace.runs {
                    proptest::prop_assert_eq!(run.tokens_detailed(8).len(), run.tokens.len());
                }
            }
            Err(e) => proptest::prop_assert!(e.to_string().lines().count() == 1, "{}", e),
        }
    }
}
