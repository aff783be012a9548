use dpar::engine::cache::CacheFormat;
use dpar::engine::ops::qkv;
use dpar::engine::program::Row;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, Run, SECTION, formats, rows};

/// Runs the op at cache row 3 on every format; `turn` is the row of the rope table (5 rows, the first one zeros).
fn run(n: &mut Noise, heads: usize, head: usize, turn: u32, look: impl Fn(&Run, &qkv::Args)) {
    let (dim, cache_rows) = (heads * head, 5);
    let caches = [CacheFormat::F32, CacheFormat::F16];
    for (format, kept) in formats().flat_map(|format| caches.map(|kept| (format, kept))) {
        let mut c = Case::new(n, &[(word::POS, turn), (word::PREV, 3)]);
        let lanes = format.lanes;
        let table = c.floats(cache_rows * head, 1.0);
        let mut turns = c.initial(table);
        turns[..head].fill(0.0);
        let args = qkv::Args {
            state: c.state,
            gate: GATE,
            lanes,
            x: Row::only(c.vectors(lanes, dim)),
            norm: c.norm(dim),
            weights: c.matrix(3 * dim, dim, format.weights),
            rope: Row { buffer: c.words(bytemuck::cast_vec(turns)), row: word::POS },
            own_rope: false,
            head,
            q: c.output(lanes as usize * padded(dim)),
            k_cache: c.output(kept.words(lanes as usize * cache_rows * dim)),
            v_cache: c.output(kept.words(lanes as usize * cache_rows * dim)),
            cache_rows,
            slot: word::PREV,
            format: kept,
        };
        qkv::step(&mut c.b, SECTION, args);
        if kept == CacheFormat::F16 {
            c.halves = vec![args.k_cache, args.v_cache];
        }
        let name = format!("{heads} x {head} {format:?} turn {turn}, caches {kept:?}");
        let cached: Vec<_> = (0..lanes as usize)
            .map(|lane| kept.words((lane * cache_rows + 3) * dim))
            .map(|at| at..at + kept.words(dim))
            .collect();
        let written = [(args.q, rows(lanes, padded(dim), dim)), (args.k_cache, cached.clone()), (args.v_cache, cached)];
        c.check(&name, &written).iter().for_each(|run| look(run, &args));
    }
}

#[test]
fn agrees() {
    let mut n = Noise(2);
    for (heads, head) in [(1, 4), (3, 20), (6, 16), (3, 128), (12, 64)] {
        run(&mut n, heads, head, 4, |_, _| ());
    }
}

/// The class position turns by zeros: no query, no key, but a value.
#[test]
fn at_the_class_position_q_and_k_are_zeros() {
    for (heads, head) in [(1, 4), (3, 20), (12, 64)] {
        let dim = heads * head;
        run(&mut Noise(14), heads, head, 0, |run, args| {
            for lane in 0..args.lanes as usize {
                let cached = (lane * args.cache_rows + 3) * dim;
                let q = &run.floats(args.q)[lane * padded(dim)..][..dim];
                let k = &args.format.floats(run.words(args.k_cache))[cached..][..dim];
                let v = &args.format.floats(run.words(args.v_cache))[cached..][..dim];
                assert!(q.iter().chain(k).all(|x| *x == 0.0), "{}: q {q:?} k {k:?}", run.what);
                assert!(v.iter().any(|x| *x != 0.0), "{}: v {v:?}", run.what);
            }
        });
    }
}
