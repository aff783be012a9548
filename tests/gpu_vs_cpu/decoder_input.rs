use dpar::engine::ops::decoder_input;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, Run, SECTION, span};

/// Runs the op on both numbers of lanes; `look` sees the runs and start vector plus patch state.
fn run(n: &mut Noise, dim: usize, has: u32, look: impl Fn(&Run, &decoder_input::Args, &[f32])) {
    for lanes in [1, 2] {
        let width = padded(dim);
        let mut c = Case::new(n, &[(word::HAS_TOKEN, has), (word::PREV, 2)]);
        let args = decoder_input::Args {
            state: c.state,
            gate: GATE,
            lanes,
            start: c.vectors(1, dim),
            h: c.vectors(4, dim),
            patch_state: c.vectors(lanes, dim),
            out: c.output(lanes as usize * width),
            width,
        };
        let start = c.initial(args.start);
        let first: Vec<f32> =
            c.initial(args.patch_state).iter().zip(start.iter().cycle()).map(|(p, s)| s + p).collect();
        decoder_input::step(&mut c.b, SECTION, args);
        let runs = c.check(&format!("{dim} has {has} lanes {lanes}"), &[(args.out, span(0..lanes as usize * width))]);
        runs.iter().for_each(|run| look(run, &args, &first));
    }
}

#[test]
fn agrees() {
    let mut n = Noise(10);
    for dim in [1, 33, 768] {
        run(&mut n, dim, 1, |run, args, first| assert_ne!(run.floats(args.out), first, "{}", run.what));
    }
}

/// Before the first token the start vector stands in for h_tok; PREV means nothing yet.
#[test]
fn at_the_class_position_the_start_vector_is_taken() {
    for dim in [1, 33, 768] {
        run(&mut Noise(19), dim, 0, |run, args, first| assert_eq!(run.floats(args.out), first, "{}", run.what));
    }
}
