use dpar::engine::ops::linear;
use dpar::engine::program::Row;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, SECTION, formats};

#[test]
fn agrees() {
    let mut n = Noise(1);
    for (rows, cols, pieces) in
        [(1, 1, 1), (1, 7, 1), (7, 33, 3), (130, 96, 4), (257, 704, 1), (768, 768, 1), (50, 2048, 1)]
    {
        for format in formats() {
            for (norm, residual, extra) in [(true, false, false), (false, true, false), (false, true, true)] {
                let out_width = padded(rows);
                let mut c = Case::new(&mut n, &[(word::PATCH, 1), (word::PREV, 2)]);
                let lanes = format.lanes;
                let (chunks, out) =
                    (c.chunks(rows, cols, format.weights, pieces), c.output(3 * lanes as usize * out_width));
                let newest = |buffer| Row { buffer, row: word::PREV };
                let mut args = linear::Args {
                    state: c.state,
                    gate: GATE,
                    lanes,
                    x: Row { buffer: c.vectors(2 * lanes, cols), row: word::PATCH },
                    norm: norm.then(|| c.norm(cols)),
                    weights: chunks[0],
                    residual: residual.then(|| newest(c.vectors(3 * lanes, rows))),
                    extra: extra.then(|| c.vectors(lanes, rows)),
                    out: newest(out),
                    out_width,
                };
                for weights in chunks {
                    args.weights = weights;
                    linear::step(&mut c.b, SECTION, args);
                }
                let written = (2 * lanes..3 * lanes).map(|lane| lane as usize * out_width).map(|at| at..at + rows);
                let name = format!("{rows} x {cols} {format:?} norm {norm} residual {residual} extra {extra}");
                c.check(&name, &[(out, written.collect())]);
            }
        }
    }
}
