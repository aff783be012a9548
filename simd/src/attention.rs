//! Attention of one query over cached keys and values.

use half::f16;
use pulp::{Arch, Simd, WithSimd};

use crate::exponential::all;
use crate::number::{Number, vector};
use crate::product::sum;

/// Rows of keys or values of one head in a cache.
#[derive(Clone, Copy, Debug)]
pub struct Cache<'a, T> {
    /// From the first row on: f32, or f16.
    pub values: &'a [T],
    /// Values from one row to the next.
    pub stride: usize,
}

impl<'a, T> Cache<'a, T> {
    /// Row `j`, d values.
    #[inline(always)]
    fn row(&self, j: usize, d: usize) -> &'a [T] {
        &self.values[j * self.stride..][..d]
    }
}

/// `out = softmax(query . k / sqrt(d)) v` over the first `count` rows; `query` and `out` are d values.
///
/// (Not generic: what is compiled elsewhere is compiled as that asks for, and a page for size.)
pub fn attend(query: &[f32], k: Cache<'_, f32>, v: Cache<'_, f32>, count: usize, out: &mut [f32]) {
    Arch::new().dispatch(Attend { query, k, v, count, out });
}

/// The same over f16.
pub fn attend_f16(query: &[f32], k: Cache<'_, f16>, v: Cache<'_, f16>, count: usize, out: &mut [f32]) {
    Arch::new().dispatch(Attend { query, k, v, count, out });
}

struct Attend<'a, T> {
    query: &'a [f32],
    k: Cache<'a, T>,
    v: Cache<'a, T>,
    count: usize,
    out: &'a mut [f32],
}

/// Rows that are multiplied at once.
const ROWS: usize = 4;

impl<T: Number> WithSimd for Attend<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Attend { query, k, v, count, out } = self;
        let d = query.len();
        // What numbers fall short of when they are widened: before they are multiplied, or the products would be too small.
        let query: Vec<f32> = query.iter().map(|value| value * T::SCALE).collect();
        let mut weights = vec![0.0; count];
        let (fours, rest) = weights.as_chunks_mut::<ROWS>();
        let whole = fours.len() * ROWS;
        for (n, four) in fours.iter_mut().enumerate() {
            let j = n * ROWS;
            *four = scores(simd, [k.row(j, d), k.row(j + 1, d), k.row(j + 2, d), k.row(j + 3, d)], &query);
        }
        for (n, score) in rest.iter_mut().enumerate() {
            [*score] = scores(simd, [k.row(whole + n, d)], &query);
        }
        let top = scaled(&mut weights, 1.0 / (d as f32).sqrt());
        let total = all(&mut weights, top);
        weights.iter_mut().for_each(|weight| *weight *= T::SCALE);
        let row = |j: usize| v.row(j, d);
        let vectors = d / S::F32_LANES;
        let mut at = 0;
        while at < vectors {
            at += match vectors - at {
                8.. => mean::<S, T, 8>(simd, &weights, row, at, out),
                4.. => mean::<S, T, 4>(simd, &weights, row, at, out),
                _ => mean::<S, T, 1>(simd, &weights, row, at, out),
            };
        }
        let from = vectors * S::F32_LANES;
        out[from..].fill(0.0);
        for (j, weight) in weights.iter().enumerate() {
            for (sum, value) in out[from..].iter_mut().zip(&row(j)[from..]) {
                let mut wide = [0.0];
                T::widen(&[*value], &mut wide);
                *sum += weight * wide[0];
            }
        }
        for value in out {
            *value /= total;
        }
    }
}

/// Dot products of some rows with the query.
#[inline(always)]
fn scores<S: Simd, T: Number, const R: usize>(simd: S, rows: [&[T]; R], query: &[f32]) -> [f32; R] {
    let (blocks, rest) = S::as_simd_f32s(query);
    let mut sums = [simd.splat_f32s(0.0); R];
    for (n, x) in blocks.iter().enumerate() {
        for r in 0..R {
            sums[r] = simd.mul_add_e_f32s(vector::<S, T>(&rows[r][n * S::F32_LANES..][..S::F32_LANES]), *x, sums[r]);
        }
    }
    let mut y = [0.0; R];
    let from = blocks.len() * S::F32_LANES;
    for r in 0..R {
        y[r] = sum::<S>(sums[r]);
        for (value, x) in rows[r][from..].iter().zip(rest) {
            let mut wide = [0.0];
            T::widen(&[*value], &mut wide);
            y[r] += wide[0] * x;
        }
    }
    y
}

/// N vectors of the weighted sum of all rows, from vector `at` on, held through all rows; returns N.
#[inline(always)]
fn mean<'a, S: Simd, T: Number + 'a, const N: usize>(
    simd: S,
    weights: &[f32],
    row: impl Fn(usize) -> &'a [T],
    at: usize,
    out: &mut [f32],
) -> usize {
    let part = at * S::F32_LANES..(at + N) * S::F32_LANES;
    let mut sums = [simd.splat_f32s(0.0); N];
    for (j, weight) in weights.iter().enumerate() {
        let weight = simd.splat_f32s(*weight);
        for (sum, values) in sums.iter_mut().zip(row(j)[part.clone()].chunks_exact(S::F32_LANES)) {
            *sum = simd.mul_add_e_f32s(weight, vector::<S, T>(values), *sum);
        }
    }
    for (to, sum) in S::as_mut_simd_f32s(&mut out[part]).0.iter_mut().zip(sums) {
        *to = sum;
    }
    N
}

/// Multiplies all; returns the largest. (Side by side: one after the other it waits for each comparison.)
#[inline(always)]
fn scaled(values: &mut [f32], scale: f32) -> f32 {
    let (eights, rest) = values.as_chunks_mut::<8>();
    let mut most = [f32::MIN; 8];
    for eight in eights {
        for (value, top) in eight.iter_mut().zip(&mut most) {
            *value *= scale;
            *top = if *value > *top { *value } else { *top };
        }
    }
    let mut top = f32::MIN;
    for value in rest {
        *value *= scale;
        top = top.max(*value);
    }
    for most in most {
        top = top.max(most);
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_values_weighted_by_the_softmax_of_scores() {
        for (d, count, stride) in [(32, 1, 32), (32, 7, 96), (20, 130, 64), (64, 9, 64), (40, 3, 40), (4, 5, 8)] {
            // What f16 holds exactly.
            let number = |n: usize| (n * 7919 % 1000) as f32 / 256.0 - 2.0;
            let query: Vec<f32> = (0..d).map(number).collect();
            let k: Vec<f32> = (0..count * stride).map(|n| number(n + 31)).collect();
            let v: Vec<f32> = (0..count * stride).map(|n| number(n + 57)).collect();
            let scores: Vec<f64> = (0..count)
                .map(|j| {
                    (0..d).map(|c| f64::from(query[c]) * f64::from(k[j * stride + c])).sum::<f64>() / (d as f64).sqrt()
                })
                .collect();
            let top = scores.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
            let halves = |of: &[f32]| of.iter().map(|value| f16::from_f32(*value)).collect::<Vec<_>>();
            let (k16, v16) = (halves(&k), halves(&v));
            let mut out = [vec![f32::NAN; d], vec![f32::NAN; d]];
            attend(&query, Cache { values: &k, stride }, Cache { values: &v, stride }, count, &mut out[0]);
            attend_f16(&query, Cache { values: &k16, stride }, Cache { values: &v16, stride }, count, &mut out[1]);
            for (c, (out, out16)) in out[0].iter().zip(&out[1]).enumerate() {
                let exact: f64 =
                    (0..count).map(|j| (scores[j] - top).exp() / total * f64::from(v[j * stride + c])).sum();
                assert!((f64::from(*out) - exact).abs() < 1e-5, "d {d}, {count} rows: {out} {exact}");
                assert!((f64::from(*out16) - exact).abs() < 1e-5, "d {d}, {count} rows, f16: {out16} {exact}");
            }
        }
    }
}
