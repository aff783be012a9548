use dpar::engine::ops::patch_input;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, Run, SECTION, span};

const GRID: usize = 5;

/// Runs the op on both numbers of lanes; `look` sees the runs and what the class embeddings were.
fn run(n: &mut Noise, dim: usize, head: usize, close: u32, look: impl Fn(&Run, &patch_input::Args, &[f32])) {
    for lanes in [1, 2] {
        let width = padded(dim);
        let mut c = Case::new(n, &[(word::CLOSE, close), (word::CLOSE_FIRST, 13), (word::CLOSE_LAST, 16)]);
        c.controls.grid = GRID as u32;
        let args = patch_input::Args {
            state: c.state,
            gate: GATE,
            lanes,
            patch_vector: c.vectors(1, dim),
            classes: c.vectors(lanes, dim),
            rows: c.floats(GRID * head / 2, 1.0),
            columns: c.floats(GRID * head / 8, 1.0),
            out: c.output(lanes as usize * width),
            rope: c.output(head),
            width,
            head,
        };
        let classes = c.initial(args.classes);
        patch_input::step(&mut c.b, SECTION, args);
        let written = [(args.out, span(0..lanes as usize * width)), (args.rope, span(0..head))];
        let runs = c.check(&format!("{dim} {head} close {close} lanes {lanes}"), &written);
        runs.iter().for_each(|run| look(run, &args, &classes));
    }
}

#[test]
fn agrees() {
    let mut n = Noise(9);
    for (dim, head) in [(16, 16), (96, 48), (768, 64)] {
        run(&mut n, dim, head, 1, |_, _, _| ());
    }
}

/// Where no patch was closed there is only the class, which turns by zeros.
#[test]
fn at_the_class_position_classes_and_zeros_are_written() {
    for (dim, head) in [(16, 16), (96, 48), (64, 128)] {
        run(&mut Noise(18), dim, head, 0, |run, args, classes| {
            assert_eq!(run.floats(args.out), classes, "{}", run.what);
            assert_eq!(run.floats(args.rope), vec![0.0; head], "{}", run.what);
        });
    }
}
