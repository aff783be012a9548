use dpar::engine::ops::sample;
use dpar::engine::state::{DRAW, RECORD_WORDS, WANTED, word};

use super::harness::{Case, GATE, Noise, SECTION, span};

/// A token that cannot be drawn: it stands in the state, so that the op has to write its own.
const NONE: u32 = 0xffff_fff0;

#[test]
fn agrees_and_draws_the_same_token() {
    let mut n = Noise(11);
    for vocab in [2, 51, 1000, 16_384] {
        for (top_k, top_p, temperature) in
            [(0, 1.0, 1.0), (0, 0.95, 1.0), (2000, 1.0, 0.7), (5, 0.5, 1.3), (1, 1.0, 1.0), (0, 1.0, 0.0)]
        {
            for lanes in [1, 2] {
                for seed in 0..4 {
                    let i = if seed == 2 { 0 } else { 2 };
                    let mut c = Case::new(
                        &mut n,
                        &[
                            (word::RUN, 1),
                            (word::POS, i),
                            (word::DRAWN, NONE),
                            (word::REASON, 3),
                            (word::PATCH, 5),
                            (word::TOKENS, 3),
                        ],
                    );
                    (c.controls.cfg_scale, c.controls.temperature) = (2.0, temperature);
                    (c.controls.top_k, c.controls.top_p, c.controls.seed) = (top_k, top_p, seed);
                    c.controls.vocab = vocab as u32;
                    let args = sample::Args {
                        state: c.state,
                        gate: GATE,
                        lanes,
                        logits: c.floats(lanes as usize * vocab, 8.0),
                        forced: c.words(vec![DRAW, DRAW, if seed == 3 { 1 } else { DRAW }]),
                        guided: c.output(2 * vocab),
                        rows: 2,
                        entropies: c.floats(3, 4.0),
                        has_entropy: lanes == 2,
                        records: c.output(3 * RECORD_WORDS),
                    };
                    let entropy = c.initial(args.entropies)[i as usize];
                    let from = i as usize * RECORD_WORDS;
                    sample::step(&mut c.b, SECTION, args);
                    let name = format!("V {vocab} k {top_k} p {top_p} t {temperature} seed {seed} lanes {lanes}");
                    for run in c.check(
                        &name,
                        &[(args.guided, span(0..vocab)), (args.records, vec![from..from + 4, from + 6..from + 8])],
                    ) {
                        let drawn = run.words(args.state)[word::DRAWN as usize];
                        assert!((drawn as usize) < vocab && (seed != 3 || drawn == 1), "{}: {drawn}", run.what);
                        let entropy = if lanes == 2 { entropy.to_bits() } else { 0 };
                        let record = &run.words(args.records)[from..from + 8];
                        assert_eq!(record[..4], [drawn, entropy, 3, 5], "{}", run.what);
                        assert_eq!(record[6..], [i + 1, WANTED], "{}", run.what);
                        let at = |w: u32| run.words(args.state)[w as usize];
                        let found =
                            (at(word::TOKEN), at(word::PREV), at(word::POS), at(word::HAS_TOKEN), at(word::RUN));
                        let more = u32::from(i + 1 < 3);
                        assert_eq!(found, (drawn, i, i + 1, more, more), "{}", run.what);
                    }
                }
            }
        }
    }
}
