use dpar::engine::ops::gate_up;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, SECTION, formats, rows};

#[test]
fn agrees() {
    let mut n = Noise(3);
    for (hidden, cols, pieces) in [(1, 1, 1), (5, 12, 2), (200, 96, 3), (2048, 768, 1)] {
        for format in formats() {
            let out_width = padded(hidden);
            let mut c = Case::new(&mut n, &[]);
            let lanes = format.lanes;
            let chunks = c.chunks(2 * hidden, cols, format.weights, pieces);
            let mut args = gate_up::Args {
                state: c.state,
                gate: GATE,
                lanes,
                x: c.vectors(lanes, cols),
                norm: c.norm(cols),
                weights: chunks[0],
                out: c.output(lanes as usize * out_width),
                out_width,
            };
            for weights in chunks {
                args.weights = weights;
                gate_up::step(&mut c.b, SECTION, args);
            }
            c.check(&format!("{hidden} x {cols} {format:?}"), &[(args.out, rows(lanes, out_width, hidden))]);
        }
    }
}
