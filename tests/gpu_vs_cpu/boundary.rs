use dpar::engine::BufferId;
use dpar::engine::ops::boundary;
use dpar::engine::state::word;
use dpar::patching::StartReason;

use super::harness::{Case, Noise, Run, SECTION};

fn run(c: Case<'_>, name: &str, entropies: BufferId) -> Vec<Run> {
    let mut c = c;
    c.gate = None;
    let args = boundary::Args { state: c.state, entropies };
    boundary::step(&mut c.b, SECTION, args);
    c.check(name, &[])
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
                    let (state, entropies) = (c.state, c.floats(64, 10.0));
                    (c.controls.mode, c.controls.max_patch_length, c.controls.grid) = (mode, p_max, 8);
                    c.controls.threshold = 3.0;
                    let name = format!("mode {mode} p_max {p_max} token {i} held {held}");
                    for run in run(c, &name, entropies) {
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
    let (state, entropies) = (c.state, c.floats(64, 10.0));
    let mut expected: Vec<u32> = bytemuck::cast_vec(c.initial(state));
    (expected[word::BOUNDARY as usize], expected[word::CLOSE as usize]) = (0, 0);
    for run in run(c, "after the last token", entropies) {
        assert_eq!(run.words(state), expected, "{}", run.what);
    }
}
