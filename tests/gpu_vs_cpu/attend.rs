use dpar::engine::cache::CacheFormat;
use dpar::engine::ops::attend;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, SECTION, rows};

#[test]
fn agrees() {
    let mut n = Noise(4);
    for (heads, head, first, count) in
        [(1, 4, 0, 1), (2, 16, 0, 1), (3, 20, 2, 5), (2, 32, 0, 257), (12, 64, 3, 1030), (1, 128, 0, 70)]
    {
        for (lanes, format) in
            [(1, CacheFormat::F32), (2, CacheFormat::F32), (1, CacheFormat::F16), (2, CacheFormat::F16)]
        {
            let (dim, cache_rows) = (heads * head, first + count + 1);
            let words = [(word::CLOSE_FIRST, first as u32), (word::CLOSE_LAST, (first + count - 1) as u32)];
            let mut c = Case::new(&mut n, &words);
            let kv = c.floats(lanes as usize * cache_rows * 2 * dim, 2.0);
            let mut words = vec![0; format.words(lanes as usize * cache_rows * 2 * dim)];
            format.put(&mut words, 0, &c.initial(kv));
            let values = format.floats(&words);
            let kv = c.words(words);
            let args = attend::Args {
                state: c.state,
                gate: GATE,
                lanes,
                heads,
                head,
                q: c.vectors(lanes, dim),
                k_cache: kv,
                v_cache: kv,
                format,
                lane: cache_rows * 2 * dim,
                stride: 2 * dim,
                v_offset: dim,
                first: word::CLOSE_FIRST,
                last: word::CLOSE_LAST,
                out: c.output(lanes as usize * padded(dim)),
            };
            attend::step(&mut c.b, SECTION, args);
            let name = format!("{heads} x {head}, {count} positions, {lanes} lanes, {format:?}");
            let runs = c.check(&name, &[(args.out, rows(lanes, padded(dim), dim))]);
            // A query that sees one position has no choice: it gets that one's values.
            for run in runs.iter().filter(|_| count == 1) {
                for lane in 0..lanes as usize {
                    let only = &values[(lane * cache_rows + first) * 2 * dim + dim..][..dim];
                    let got = &run.floats(args.out)[lane * padded(dim)..][..dim];
                    assert!(got.iter().zip(only).all(|(a, b)| (a - b).abs() < 1e-6), "{}: {got:?} {only:?}", run.what);
                }
            }
        }
    }
}
