use dpar::engine::BufferId;
use dpar::engine::ops::boundary;
use dpar::engine::state::word;
use dpar::patching::StartReason;

use super::harness::{Case, Noise, Run, SECTION, span};

/// Runs the op on logits; returns the runs and where entropies are. That of token `i` is written, if any is.
fn run(c: Case<'_>, name: &str, (logits, vocab): (BufferId, usize), i: Option<usize>) -> (Vec<Run>, BufferId) {
    let mut c = c;
    c.gate = None;
    let entropies = c.output(64);
    boundary::step(&mut c.b, SECTION, boundary::Args { state: c.state, logits, vocab, entropies });
    (c.check(name, &[(entropies, i.map_or(vec![], |i| span(i..i + 1)))]), entropies)
}

#[test]
fn entropies_agree() {
    let mut n = Noise(6);
    for (vocab, scale, i) in
        [(2, 1.0, 3), (51, 3.0, 0), (1000, 20.0, 3), (16_384, 5.0, 7), (65_536, 1.0, 3), (65_536, 0.0, 0)]
    {
        let mut c = Case::new(&mut n, &[(word::RUN, 1), (word::POS, i as u32), (word::PATCH_LEN, 1)]);
        // Far from every entropy: rounding decides nothing.
        (c.controls.mode, c.controls.grid, c.controls.threshold) = (2, 8, -1.0);
        let logits = c.floats(vocab, scale);
        let (runs, entropies) = run(c, &format!("V {vocab} token {i}"), (logits, vocab), Some(i));
        for run in runs {
            let (e, most) = (run.floats(entropies)[i], (vocab as f32).ln());
            assert!((0.0..most + 1e-4).contains(&e), "{}: {e}", run.what);
            // Equal logits are as uncertain as can be.
            assert!(scale > 0.0 || (e - most).abs() < 1e-4, "{}: {e}", run.what);
        }
    }
}

#[test]
fn agrees_in_every_mode() {
    let mut n = Noise(7);
    for mode in 0..4 {
        for p_max in [0, 1, 4] {
            for i in [0u32, 1, 2, 7, 8, 9, 63] {
                for held in [1, 3, 4, 9] {
                    let held = if i == 0 { 0 } else { held };
                    let words = [
                        (word::RUN, 1),
                        (word::POS, i),
                        (word::PATCH_LEN, held),
                        (word::PATCH, 2),
                        (word::PATCH_FIRST, i.saturating_sub(held)),
                    ];
                    let mut c = Case::new(&mut n, &words);
                    let (state, logits) = (c.state, c.floats(64, 10.0));
                    (c.controls.mode, c.controls.max_patch_length, c.controls.grid) = (mode, p_max, 8);
                    c.controls.threshold = if held % 2 == 0 { 1.0 } else { 3.0 };
                    let name = format!("mode {mode} p_max {p_max} token {i} held {held}");
                    for run in run(c, &name, (logits, 64), Some(i as usize)).0 {
                        let at = |w: u32| run.words(state)[w as usize];
                        if i == 0 {
                            // The class starts a patch in any mode, and there is none to close.
                            let found = (at(word::BOUNDARY), at(word::REASON), at(word::CLOSE), at(word::PATCH));
                            assert_eq!(found, (1, StartReason::First as u32, 0, 2), "{}", run.what);
                        } else {
                            assert_eq!(at(word::CLOSE), at(word::BOUNDARY), "{}", run.what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn after_the_last_token_no_patch_starts() {
    let mut n = Noise(17);
    let words = [(word::POS, 8), (word::BOUNDARY, 1), (word::CLOSE, 1), (word::PATCH, 3), (word::PATCH_LEN, 4)];
    let mut c = Case::new(&mut n, &words);
    let (state, logits) = (c.state, c.floats(64, 10.0));
    let mut expected: Vec<u32> = bytemuck::cast_vec(c.initial(state));
    (expected[word::BOUNDARY as usize], expected[word::CLOSE as usize]) = (0, 0);
    for run in run(c, "after the last token", (logits, 64), None).0 {
        assert_eq!(run.words(state), expected, "{}", run.what);
    }
}
