use std::ops::Range;

use dpar::checkpoint::stored::WeightFormat;
use dpar::engine::input::{Addend, Args, InputSource, Parts};
use dpar::engine::ops::input_linear;
use dpar::engine::program::Row;
use dpar::engine::state::word;

use super::harness::{Case, GATE, Noise, Run, SECTION, formats};

/// Runs the op on every format with an input that `source` makes; out has two rows, the second one is written.
fn run(
    n: &mut Noise,
    (dim, width): (usize, usize),
    words: &[(u32, u32)],
    source: impl Fn(&mut Case<'_>, u32) -> InputSource,
    look: impl Fn(&Run, &Args, u32),
) {
    for format in formats() {
        let mut c = Case::new(n, &[words, &[(word::PATCH, 1)]].concat());
        let (lanes, out_stride) = (format.lanes, dim + width + 3);
        let input = Args {
            state: c.state,
            gate: GATE,
            lanes,
            source: source(&mut c, lanes),
            dim,
            norm: c.norm(2 * dim),
            out: Row { buffer: c.output(2 * lanes as usize * out_stride), row: word::PATCH },
            out_stride,
            stream: Some(1),
            result: 1 + dim,
        };
        let weights = c.matrix(width, dim, format.weights);
        let gain_rows = width.div_ceil(2).next_multiple_of(8);
        input_linear::step(&mut c.b, SECTION, input_linear::Args { input, weights, gain_rows });
        let row = |lane: usize| (lanes as usize + lane) * out_stride + 1;
        let written: Vec<Range<usize>> = (0..lanes as usize).map(|lane| row(lane)..row(lane) + dim + width).collect();
        let name = format!("{dim} -> {width} {format:?} {:?}", input.source);
        c.check(&name, &[(input.out.buffer, written)]).iter().for_each(|run| look(run, &input, lanes));
    }
}

fn parts(c: &mut Case<'_>, lanes: u32, dim: usize, row: u32) -> Parts {
    let stride = 5 * dim + 4;
    let buffer = c.floats(4 * lanes as usize * stride, 1.0);
    Parts { at: Row { buffer, row }, start: None, lanes, stride, first: dim + 4, count: 1 }
}

/// The stream as it was written down.
fn stream<'r>(run: &'r Run, args: &Args, lanes: u32, lane: usize) -> &'r [f32] {
    &run.floats(args.out.buffer)[(lanes as usize + lane) * args.out_stride + 1..][..args.dim]
}

const SIZES: [(usize, usize); 4] = [(8, 1), (24, 33), (192, 1024), (320, 130)];

#[test]
fn sums_of_parts() {
    let mut n = Noise(41);
    for size @ (dim, _) in SIZES {
        let words = [(word::PREV, 2), (word::HAS_TOKEN, 1)];
        let sum = |c: &mut Case<'_>, lanes: u32| {
            let parts = Parts { count: 4, ..parts(c, lanes, dim, word::PREV) };
            InputSource::Sum(parts, None)
        };
        run(&mut n, size, &words, sum, |_, _, _| ());
    }
}

/// As the patch decoder begins: one lane of the tokens' table serves both, there is a row for where no token is yet, and a lane's own
/// addend.
#[test]
fn a_start_row_and_an_addend() {
    let mut n = Noise(42);
    for size @ (dim, _) in SIZES {
        for has_token in [0, 1] {
            let words = [(word::PREV, 2), (word::HAS_TOKEN, has_token)];
            let source = |c: &mut Case<'_>, lanes: u32| {
                let parts = Parts { start: Some(3), lanes: 1, ..parts(c, 1, dim, word::PREV) };
                let stride = 3 * dim;
                let addend = Addend { buffer: c.floats(lanes as usize * stride, 1.0), stride, first: 2 * dim };
                InputSource::Sum(parts, Some(addend))
            };
            run(&mut n, size, &words, source, |run, args, lanes| {
                if lanes == 2 {
                    assert_ne!(stream(run, args, 2, 0), stream(run, args, 2, 1), "{}", run.what);
                }
            });
        }
    }
}

#[test]
fn embeddings() {
    let mut n = Noise(43);
    for size @ (dim, _) in SIZES {
        for table in WeightFormat::NAMES.map(|(_, format)| format) {
            for has_token in [0, 1] {
                let words = [(word::TOKEN, 4), (word::HAS_TOKEN, has_token)];
                let source = |c: &mut Case<'_>, lanes: u32| {
                    let classes = c.floats(lanes as usize * dim, 1.0);
                    InputSource::Embed(Some(classes), c.matrix(7, dim, table))
                };
                run(&mut n, size, &words, source, |run, args, lanes| {
                    if lanes == 2 {
                        let same = stream(run, args, 2, 0) == stream(run, args, 2, 1);
                        assert_eq!(same, has_token == 1, "{}: lanes differ by the class alone", run.what);
                    }
                });
            }
        }
    }
}

#[test]
fn the_maximum_over_a_patch() {
    let mut n = Noise(44);
    for size @ (dim, _) in SIZES {
        for (first, last) in [(0, 0), (1, 3)] {
            let words = [(word::CLOSE_FIRST, first), (word::CLOSE_LAST, last), (word::HAS_TOKEN, 1)];
            let pool =
                |c: &mut Case<'_>, _: u32| InputSource::Pool(Parts { lanes: 1, ..parts(c, 1, dim, word::CLOSE_FIRST) });
            run(&mut n, size, &words, pool, |_, _, _| ());
        }
    }
}

#[test]
fn the_patch_that_ends_or_the_class() {
    let mut n = Noise(45);
    for size @ (dim, _) in SIZES {
        for close in [0, 1] {
            let words = [(word::CLOSE, close), (word::HAS_TOKEN, close)];
            let patch = |c: &mut Case<'_>, lanes: u32| {
                let parts = Parts { count: 3, ..parts(c, 1, dim, word::ZERO) };
                InputSource::Closed(parts, c.floats(lanes as usize * dim, 1.0))
            };
            run(&mut n, size, &words, patch, |run, args, lanes| {
                if lanes == 2 {
                    let same = stream(run, args, 2, 0) == stream(run, args, 2, 1);
                    assert_eq!(same, close == 1, "{}: lanes differ by the class alone", run.what);
                }
            });
        }
    }
}
