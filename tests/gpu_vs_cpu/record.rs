use dpar::engine::Record;
use dpar::engine::ops::record;
use dpar::engine::state::{RECORD_WORDS, word};

use super::harness::{Case, GATE, Noise, SECTION, span};

#[test]
fn agrees_and_moves_on() {
    let mut n = Noise(12);
    for vocab in [2u32, 7, 51, 1000, 16_384] {
        for (i, tokens, has_entropy) in [(0u32, 3, true), (2, 3, true), (1, 3, false)] {
            let words = [
                (word::RUN, 1),
                (word::POS, i),
                (word::DRAWN, vocab / 2),
                (word::REASON, 3),
                (word::PATCH, 5),
                (word::TOKENS, tokens),
            ];
            let mut c = Case::new(&mut n, &words);
            c.controls.vocab = vocab;
            let args = record::Args {
                state: c.state,
                gate: GATE,
                guided: c.floats(vocab as usize, 6.0),
                entropies: c.floats(3, 4.0),
                has_entropy,
                records: c.output(3 * RECORD_WORDS),
            };
            let entropy = c.initial(args.entropies)[i as usize];
            record::step(&mut c.b, SECTION, args);
            let from = i as usize * RECORD_WORDS;
            let name = format!("V {vocab} token {i} of {tokens}");
            for run in c.check(&name, &[(args.records, span(from..from + RECORD_WORDS))]) {
                let record: Record = bytemuck::pod_read_unaligned(bytemuck::cast_slice(
                    &run.words(args.records)[from..from + RECORD_WORDS],
                ));
                assert_eq!((record.token, record.reason, record.patch), (vocab / 2, 3, 5), "{}", run.what);
                assert_eq!(record.position(), Some(i as usize), "{}", run.what);
                assert_eq!(record.entropy, if has_entropy { entropy } else { 0.0 }, "{}", run.what);
                let at = |w: u32| run.words(args.state)[w as usize];
                let found = (at(word::TOKEN), at(word::PREV), at(word::POS), at(word::HAS_TOKEN), at(word::RUN));
                let more = u32::from(i + 1 < tokens);
                assert_eq!(found, (vocab / 2, i, i + 1, more, more), "{}", run.what);
            }
        }
    }
}
