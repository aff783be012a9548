use dpar::checkpoint::stored::{StoredMatrix, WeightFormat};
use dpar::engine::input::{Args, InputSource, Parts};
use dpar::engine::ops::feed_forward::{self, SLICE, UpAndDown};
use dpar::engine::program::Row;
use dpar::engine::weights::{Chunk, Precision, pack};

use super::harness::{Case, GATE, Noise, SECTION, formats, rows};

/// Both matrices, one behind the other.
fn weights(c: &mut Case<'_>, dim: usize, hidden: usize, format: WeightFormat) -> UpAndDown {
    let mut one = |rows: usize, cols: usize| {
        let values = c.floats(rows * cols, 1.0 / (cols as f32).sqrt());
        let matrix = StoredMatrix::Floats(c.initial(values)[..rows * cols].to_vec()).kept(cols, format);
        pack(matrix, cols, Precision::F16, usize::MAX).remove(0)
    };
    let (up, down) = (one(2 * hidden, dim), one(dim, hidden));
    let (precision, at) = (up.precision, up.words.len());
    let words = [up.words, down.words].concat();
    let buffer = c.b.weights("weights", Chunk { row0: 0, rows: 2 * hidden, cols: dim, precision, words }).buffer;
    UpAndDown { buffer, precision, hidden, down: at }
}

#[test]
fn agrees() {
    let mut n = Noise(45);
    for (dim, hidden) in [(8usize, 1usize), (16, 32), (40, 70), (192, 512), (320, 850)] {
        for format in formats() {
            let lanes = format.lanes;
            let mut c = Case::new(&mut n, &[]);
            let slices = hidden.div_ceil(SLICE);
            let (stride, out_stride) = (4 * dim, (1 + slices) * dim);
            let parts = c.floats(lanes as usize * stride, 1.0);
            let parts = Parts { at: Row::only(parts), start: None, lanes, stride, first: dim, count: 3 };
            let input = Args {
                state: c.state,
                gate: GATE,
                lanes,
                source: InputSource::Sum(parts, None),
                dim,
                norm: c.norm(dim),
                out: Row::only(c.output(lanes as usize * out_stride)),
                out_stride,
                stream: Some(0),
                result: dim,
            };
            let weights = weights(&mut c, dim, hidden, format.weights);
            feed_forward::step(&mut c.b, SECTION, feed_forward::Args { input, weights });
            let name = format!("{dim} -> {hidden} {format:?}");
            c.check(&name, &[(input.out.buffer, rows(lanes, out_stride, out_stride))]);
        }
    }
}
