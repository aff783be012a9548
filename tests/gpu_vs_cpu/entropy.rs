use dpar::engine::ops::entropy;
use dpar::engine::state::word;

use super::harness::{Case, GATE, Noise, SECTION, span};

#[test]
fn agrees() {
    let mut n = Noise(6);
    for (vocab, scale, i) in
        [(2, 1.0, 3), (51, 3.0, 0), (1000, 20.0, 3), (16_384, 5.0, 7), (65_536, 1.0, 3), (65_536, 0.0, 0)]
    {
        let mut c = Case::new(&mut n, &[(word::POS, i as u32)]);
        let (logits, entropies) = (c.floats(vocab, scale), c.output(8));
        let args = entropy::Args { state: c.state, gate: GATE, logits, vocab, entropies };
        entropy::step(&mut c.b, SECTION, args);
        for run in c.check(&format!("V {vocab} token {i}"), &[(entropies, span(i..i + 1))]) {
            let (e, most) = (run.floats(entropies)[i], (vocab as f32).ln());
            assert!((0.0..most + 1e-4).contains(&e), "{}: {e}", run.what);
            // Equal logits are as uncertain as can be.
            assert!(scale > 0.0 || (e - most).abs() < 1e-4, "{}: {e}", run.what);
        }
    }
}
