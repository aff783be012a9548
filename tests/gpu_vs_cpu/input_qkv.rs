use dpar::engine::input::{Args, InputSource, Parts};
use dpar::engine::ops::input_qkv::{self, TurnsBy};
use dpar::engine::program::Row;
use dpar::engine::state::word;

use super::harness::{Case, GATE, Noise, Run, SECTION, formats, rows};

const GRID: usize = 4;
const CACHE: usize = 5;

/// Runs the op at cache row 3 on every format. The table: 16 rows of positions, the first one zeros; or a patch's.
fn run(
    n: &mut Noise,
    (heads, head): (usize, usize),
    words: &[(u32, u32)],
    turns: TurnsBy,
    look: impl Fn(&Run, &input_qkv::Args),
) {
    let dim = heads * head;
    for format in formats() {
        let mut c = Case::new(n, &[words, &[(word::PREV, 3), (word::HAS_TOKEN, 1)]].concat());
        c.controls.grid = GRID as u32;
        let lanes = format.lanes;
        let (stride, out_stride) = (3 * dim, 3 * dim);
        let parts = c.floats(lanes as usize * stride, 1.0);
        let parts = Parts { at: Row::only(parts), start: None, lanes, stride, first: 0, count: 3 };
        let table = c.floats(GRID * GRID * head, 1.0);
        let mut rope = c.initial(table);
        rope[..head].fill(0.0);
        let args = input_qkv::Args {
            input: Args {
                state: c.state,
                gate: GATE,
                lanes,
                source: InputSource::Sum(parts, None),
                dim,
                norm: c.norm(dim),
                out: Row::only(c.output(lanes as usize * out_stride)),
                out_stride,
                stream: Some(dim),
                result: 0,
            },
            weights: c.matrix(3 * dim, dim, format.weights),
            rope: c.words(bytemuck::cast_vec(rope)),
            turns,
            head,
            kv: c.output(lanes as usize * CACHE * 2 * dim),
            cache_rows: CACHE,
            slot: word::PREV,
        };
        input_qkv::step(&mut c.b, SECTION, args);
        let cached = (0..lanes as usize).map(|lane| (lane * CACHE + 3) * 2 * dim).map(|at| at..at + 2 * dim).collect();
        let written = [(args.input.out.buffer, rows(lanes, out_stride, 2 * dim)), (args.kv, cached)];
        c.check(&format!("{heads} x {head} {format:?} {turns:?} {words:?}"), &written)
            .iter()
            .for_each(|run| look(run, &args));
    }
}

/// Query and key are zeros, the value is not.
fn is_class(run: &Run, args: &input_qkv::Args) {
    let dim = args.input.dim;
    for lane in 0..args.input.lanes as usize {
        let q = &run.floats(args.input.out.buffer)[lane * 3 * dim..][..dim];
        let kv = &run.floats(args.kv)[(lane * CACHE + 3) * 2 * dim..][..2 * dim];
        assert!(q.iter().chain(&kv[..dim]).all(|x| *x == 0.0), "{}: {q:?} {kv:?}", run.what);
        assert!(kv[dim..].iter().any(|x| *x != 0.0), "{}: {kv:?}", run.what);
    }
}

#[test]
fn turns_by_a_position() {
    let mut n = Noise(46);
    for size in [(1, 8), (3, 40), (3, 64), (20, 16)] {
        run(&mut n, size, &[(word::POS, 9)], TurnsBy::Position(word::POS), |_, _| ());
        run(&mut n, size, &[(word::POS, 0)], TurnsBy::Position(word::POS), is_class);
    }
}

#[test]
fn turns_by_a_patch() {
    let mut n = Noise(47);
    for size @ (_, head) in [(1, 16), (3, 48), (3, 64), (5, 64)] {
        let turns = TurnsBy::Patch(GRID * head / 4);
        for (first, last) in [(1, 1), (6, 7), (2, 9)] {
            let words = [(word::CLOSE, 1), (word::CLOSE_FIRST, first), (word::CLOSE_LAST, last)];
            run(&mut n, size, &words, turns, |_, _| ());
        }
        run(&mut n, size, &[(word::CLOSE, 0)], turns, is_class);
    }
}
