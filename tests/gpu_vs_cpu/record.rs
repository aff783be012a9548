use dpar::engine::ops::record;
use dpar::engine::state::{RECORD_WORDS, WANTED, word};
use dpar::engine::{BufferId, Record};

use super::harness::{BLANK, Case, Noise, SECTION, span};

/// Of `drawn` tokens, the records of `begun` are as `sample` leaves them; the logits of three are kept.
fn case<'n>(n: &'n mut Noise, vocab: u32, drawn: u32, begun: &[u32]) -> (Case<'n>, BufferId, Vec<f32>) {
    let mut c = Case::new(n, &[(word::POS, drawn)]);
    c.gate = None;
    c.controls.vocab = vocab;
    let mut words = vec![BLANK; 6 * RECORD_WORDS];
    for i in 0..6 {
        words[i * RECORD_WORDS + 7] = 0;
    }
    for i in begun {
        let record = &mut words[*i as usize * RECORD_WORDS..][..8];
        record.copy_from_slice(&[vocab / 2, 1, 3, 5, BLANK, BLANK, i + 1, WANTED]);
    }
    let (guided, records) = (c.floats(3 * vocab as usize, 6.0), c.words(words));
    let logits = c.initial(guided);
    record::step(&mut c.b, SECTION, record::Args { state: c.state, guided, rows: 3, records });
    (c, records, logits)
}

#[test]
fn completes_what_was_begun() {
    let mut n = Noise(12);
    for vocab in [2u32, 7, 51, 1000, 16_384] {
        for (drawn, begun) in [(1u32, vec![0u32]), (3, vec![0, 1, 2]), (5, vec![3, 4]), (6, vec![3, 5]), (0, vec![])] {
            let (c, records, logits) = case(&mut n, vocab, drawn, &begun);
            let begin = |i: usize| i * RECORD_WORDS..(i + 1) * RECORD_WORDS;
            let written = (0..6).flat_map(|i| match begun.contains(&(i as u32)) {
                true => span(begin(i)),
                false => span(begin(i).start + 7..begin(i).start + 8), // it says that nothing is wanted
            });
            let written = [(records, written.collect())];
            for run in c.check(&format!("V {vocab}, {begun:?} of {drawn}"), &written) {
                for i in &begun {
                    let record: Record =
                        bytemuck::pod_read_unaligned(bytemuck::cast_slice(&run.words(records)[begin(*i as usize)]));
                    assert_eq!((record.token, record.reason, record.patch), (vocab / 2, 3, 5), "{}", run.what);
                    assert_eq!(record.position(), Some(*i as usize), "{}", run.what);
                    let logits = &logits[(i % 3 * vocab) as usize..][..vocab as usize];
                    let best = logits.iter().copied().fold(f32::MIN, f32::max);
                    assert_eq!(logits[record.candidates[0] as usize], best, "{}: token {i}", run.what);
                    assert_eq!(run.words(records)[begin(*i as usize)][7], 0, "{}", run.what);
                }
            }
        }
    }
}
