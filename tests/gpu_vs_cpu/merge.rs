use dpar::engine::ops::merge;
use dpar::engine::state::word;

use super::harness::{Case, Noise, SECTION, span};

#[test]
fn agrees_in_every_mode() {
    let mut n = Noise(13);
    for (k, tokens) in [1usize, 2, 9, 63, 64, 65, 255, 256, 257, 1000, 4096].into_iter().enumerate() {
        for mode in 0..4u32 {
            // Quarters of a nat, so that some are exactly the threshold.
            let entropies: Vec<f32> = (0..tokens).map(|_| (20.0 + 12.0 * n.next()).round() / 4.0).collect();
            let mut c = Case::new(&mut n, &[(word::TOKENS, tokens as u32)]);
            c.gate = None; // it is run by itself, where something is wanted
            c.controls.mode = mode;
            c.controls.max_patch_length = [0, 1, 4, 5, 300, u32::MAX][(k + mode as usize) % 6];
            c.controls.grid = [1, 8, 7, 64][(k + mode as usize) % 4];
            c.controls.threshold = [6.5, 5.0, -1.0, 100.0][(k / 2 + mode as usize) % 4];
            let (entropies, merged) = (c.words(bytemuck::cast_vec(entropies)), c.output(tokens));
            let args = merge::Args { state: c.state, entropies, merged };
            merge::step(&mut c.b, SECTION, args);
            let name = format!("{tokens} tokens, {:?}", c.controls.rule());
            c.check(&name, &[(merged, span(0..tokens))]);
        }
    }
}
