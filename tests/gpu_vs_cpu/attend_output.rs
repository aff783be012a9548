use dpar::engine::ops::attend_output;
use dpar::engine::state::word;

use super::harness::{BLANK, Case, GATE, Noise, SECTION, formats, span};

#[test]
fn agrees() {
    let mut n = Noise(44);
    for (heads, head, first, count) in [(1, 8, 0, 1), (3, 16, 2, 5), (3, 64, 0, 257), (4, 72, 1, 70), (2, 128, 3, 530)]
    {
        for format in formats() {
            let (dim, lanes, cache_rows) = (heads * head, format.lanes, first + count + 1);
            let words = [(word::CLOSE_FIRST, first as u32), (word::CLOSE_LAST, (first + count - 1) as u32)];
            let mut c = Case::new(&mut n, &words);
            // A row of the cache has something else in front, as the patch encoder's has; a query and the stream are there already.
            let (stride, width) = (3 * dim, (2 + heads) * dim);
            let kv = c.floats(lanes as usize * cache_rows * stride, 2.0);
            let values = c.floats(lanes as usize * width, 1.0);
            let given = c.initial(values);
            let mut words: Vec<u32> = given.iter().map(|value| value.to_bits()).collect();
            words.chunks_exact_mut(width).for_each(|lane| lane[2 * dim..].fill(BLANK));
            let out = c.words(words);
            let args = attend_output::Args {
                state: c.state,
                gate: GATE,
                lanes,
                heads,
                head,
                kv,
                lane: cache_rows * stride,
                stride,
                k_offset: dim,
                first: word::CLOSE_FIRST,
                last: word::CLOSE_LAST,
                weights: c.matrix(dim, dim, format.weights),
                out,
                out_stride: width,
                query: 0,
                result: 2 * dim,
            };
            attend_output::step(&mut c.b, SECTION, args);
            let all = span(0..lanes as usize * width);
            for run in c.check(&format!("{heads} x {head}, {count} positions, {format:?}"), &[(out, all)]) {
                // What was there is there still.
                for lane in 0..lanes as usize {
                    let at = lane * width..lane * width + 2 * dim;
                    assert_eq!(run.floats(out)[at.clone()], given[at], "{}", run.what);
                }
            }
        }
    }
}
