use dpar::engine::ops::embed;
use dpar::engine::program::MatrixRows;
use dpar::engine::state::word;
use dpar::engine::weights::padded;

use super::harness::{Case, GATE, Noise, SECTION, formats, rows};

#[test]
fn agrees() {
    let mut n = Noise(5);
    for (dim, count, row0, token) in [(1, 1, 0, 0), (12, 9, 4, 12), (768, 300, 0, 299)] {
        for format in formats() {
            let mut c = Case::new(&mut n, &[(word::TOKEN, token), (word::HAS_TOKEN, 1)]);
            let lanes = format.lanes;
            let args = embed::Args {
                state: c.state,
                gate: GATE,
                lanes,
                classes: Some(c.vectors(lanes, dim)),
                table: MatrixRows { row0, ..c.matrix(count, dim, format.weights) },
                out: c.output(lanes as usize * padded(dim)),
            };
            embed::step(&mut c.b, SECTION, args);
            c.check(&format!("{count} x {dim} {format:?}"), &[(args.out, rows(lanes, padded(dim), padded(dim)))]);
        }
    }
}

/// Each token is in one chunk of the table, and the others leave it alone.
#[test]
fn a_token_outside_the_chunk_is_not_written() {
    for token in [3, 13] {
        for format in formats() {
            let mut n = Noise(15);
            let mut c = Case::new(&mut n, &[(word::TOKEN, token), (word::HAS_TOKEN, 1)]);
            let table = MatrixRows { row0: 4, ..c.matrix(9, 12, format.weights) };
            let out = c.output(format.lanes as usize * 16);
            let args = embed::Args { state: c.state, gate: GATE, lanes: format.lanes, classes: None, table, out };
            embed::step(&mut c.b, SECTION, args);
            c.check(&format!("token {token} {format:?}"), &[(out, vec![])]);
        }
    }
}

/// Before the first token there is only the class, and the first chunk of the table sets it down.
#[test]
fn at_the_class_position_each_lane_gets_its_class() {
    for (dim, row0) in [(1, 0), (96, 0), (768, 0), (96, 3)] {
        for format in formats() {
            let mut n = Noise(16);
            // A token stands in the state all the same, as it may before a run.
            let mut c = Case::new(&mut n, &[(word::TOKEN, 4), (word::HAS_TOKEN, 0)]);
            let lanes = format.lanes;
            let classes = c.vectors(lanes, dim);
            let expected = c.initial(classes);
            let table = MatrixRows { row0, ..c.matrix(5, dim, format.weights) };
            let out = c.output(lanes as usize * padded(dim));
            let args = embed::Args { state: c.state, gate: GATE, lanes, classes: Some(classes), table, out };
            embed::step(&mut c.b, SECTION, args);
            let written = if row0 == 0 { rows(lanes, padded(dim), padded(dim)) } else { vec![] };
            let runs = c.check(&format!("{dim} from row {row0} {format:?}"), &[(out, written)]);
            for run in runs.iter().filter(|_| row0 == 0) {
                assert_eq!(run.floats(out), &expected, "{}", run.what);
            }
        }
    }
}
