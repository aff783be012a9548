use super::*;
use crate::{SHIFT, in_runs, shifted};

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 8) as f32 / 8_388_608.0 - 1.0)
    };
    (0..count).scan(seed, |state, _| next(state)).collect()
}

#[test]
fn products_are_sums_of_products_in_every_shape_and_order() {
    for (width, count, vectors) in
        [(8, 4, 1), (192, 96, 1), (192, 70, 2), (200, 6, 3), (64, 1, 5), (56, 33, 32), (192, 32, 22), (20, 65, 4)]
    {
        let weights: Vec<f32> = numbers(count * width, 1).into_iter().map(|w| f16::from_f32(w).to_f32()).collect();
        let xs = numbers(vectors * width, 2);
        let halves: Vec<f16> = weights.iter().map(|w| f16::from_f32(*w)).collect();
        let moved: Vec<u16> = weights.iter().map(|w| shifted(*w).unwrap()).collect();
        let scaled: Vec<f32> = xs.iter().map(|x| x * SHIFT).collect();
        let bytes: Vec<i8> = numbers(count * width, 3).into_iter().map(|w| (w * 127.0).round() as i8).collect();
        let scales: Vec<f32> = numbers(count, 4).into_iter().map(|scale| scale / 127.0).collect();
        let floats: Vec<f32> =
            bytes.chunks(width).zip(&scales).flat_map(|(w, s)| w.iter().map(move |w| f32::from(*w) * s)).collect();
        let [run_floats, run_moved] = [in_runs(&weights, width), unshifted_runs(&moved, width)];
        let (run_halves, run_shifted, run_bytes) =
            (in_runs(&halves, width), in_runs(&moved, width), in_runs(&bytes, width));
        assert_eq!(run_floats, run_moved);
        let int8 = |values| Numbers::Int8 { values, scales: &scales };
        let cases = [
            (Weights::Rows(Numbers::F32(&weights)), Weights::Runs(Numbers::F32(&run_floats)), &weights, &xs),
            (Weights::Rows(Numbers::F16(&halves)), Weights::Runs(Numbers::F16(&run_halves)), &weights, &xs),
            (Weights::Rows(Numbers::Shifted(&moved)), Weights::Runs(Numbers::Shifted(&run_shifted)), &weights, &scaled),
            (Weights::Rows(int8(&bytes)), Weights::Runs(int8(&run_bytes)), &floats, &xs),
        ];
        let mut plain: [Option<Vec<f32>>; 2] = [None, None];
        for (case, (rows, runs, exact, inputs)) in cases.into_iter().enumerate() {
            for (order, weights) in [rows, runs].into_iter().enumerate() {
                let mut found = vec![f32::NAN; count * vectors];
                product(weights, width, 0..count, inputs, &mut found);
                for (row, w) in exact.chunks_exact(width).enumerate() {
                    for (v, x) in xs.chunks_exact(width).enumerate() {
                        let exact: f64 = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                        assert!((f64::from(found[v * count + row]) - exact).abs() < 2e-5, "{case}, {order}");
                    }
                }
                // Whatever comes together: each vector by itself and each run by itself, to the bit.
                for (v, x) in inputs.chunks_exact(width).enumerate() {
                    for first in (0..count).step_by(RUN) {
                        let rows = first..(first + RUN).min(count);
                        let mut some = vec![0.0; rows.len()];
                        product(weights, width, rows.clone(), x, &mut some);
                        assert_eq!(some, found[v * count..][rows]);
                    }
                }
                // A power of two changes no sum, nor does a format that holds the same numbers.
                if case < 3 {
                    assert_eq!(plain[order].get_or_insert_with(|| found.clone()), &found);
                }
            }
        }
    }
}

/// Runs of shifted halves as floats.
fn unshifted_runs(moved: &[u16], width: usize) -> Vec<f32> {
    in_runs(&crate::unshifted(moved), width)
}
