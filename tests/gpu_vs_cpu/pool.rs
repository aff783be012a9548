use dpar::engine::ops::pool;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, SECTION, span};

#[test]
fn agrees() {
    let mut n = Noise(8);
    for (dim, first, last) in [(1, 0, 0), (33, 2, 4), (768, 1, 8)] {
        let width = padded(dim);
        let mut c = Case::new(&mut n, &[(word::CLOSE_FIRST, first), (word::CLOSE_LAST, last)]);
        let (h, out) = (c.vectors(last + 2, dim), c.output(width));
        let args = pool::Args { state: c.state, gate: GATE, h, out, width };
        pool::step(&mut c.b, SECTION, args);
        c.check(&format!("{dim}, tokens {first} to {last}"), &[(out, span(0..width))]);
    }
}
