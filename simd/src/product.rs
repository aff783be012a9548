//! Matrix times vectors: each weight is read once for all vectors.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};

use crate::number::{Number, vector};
use crate::platform::HELPS;
use crate::runs::RUN;
use crate::shifted::widen;

/// A packed matrix.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Row after row, as GPUs read it; here it is for tests.
    Rows(Numbers<'a>),
    /// Run after run of [`RUN`] rows, and of a run the first numbers of all its rows, then all second ones: (rows / RUN, width, RUN).
    /// A vector holds numbers of as many rows, so that no sum has to be taken across its lanes in the end.
    Runs(Numbers<'a>),
}

/// The numbers of a matrix.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// As they are.
    F32(&'a [f32]),
    /// IEEE half precision.
    F16(&'a [f16]),
    /// The same values with another exponent ([`crate::shifted()`]): half the bytes of f32, and floats again after three integer
    /// operations. What they are multiplied with is multiplied by [`crate::SHIFT`] first.
    Shifted(&'a [u16]),
    /// Each is to be multiplied by the scale of its row, which is done to the sums.
    Int8 {
        /// In the matrix' order.
        values: &'a [i8],
        /// One a row.
        scales: &'a [f32],
    },
}

/// `y[v][row] = W[row] . x[v]` for some rows of W, into `out` (vectors, rows).
///
/// `xs` holds vectors of `width` values, as long as a row. For [`Numbers::Shifted`] they have been multiplied by [`crate::SHIFT`].
/// In runs `rows` begins with a run; what fills up the last one is not computed.
pub fn product(weights: Weights<'_>, width: usize, rows: Range<usize>, xs: &[f32], out: &mut [f32]) {
    Arch::new().dispatch(Product { weights, width, rows, xs, out });
}

struct Product<'a> {
    weights: Weights<'a>,
    width: usize,
    rows: Range<usize>,
    xs: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { weights, width, rows, xs, out } = self;
        let part = Part { width, rows, xs, out };
        match weights {
            Weights::Rows(numbers) => by_rows(simd, numbers, part),
            Weights::Runs(Numbers::F32(all)) => by_runs(simd, all, None, part),
            Weights::Runs(Numbers::Shifted(all)) => by_runs(simd, all, None, part),
            Weights::Runs(Numbers::Int8 { values, scales }) => by_runs(simd, values, Some(scales), part),
            Weights::Runs(Numbers::F16(all)) => {
                let mut floats = vec![0.0; all.len()];
                all.convert_to_f32_slice(&mut floats);
                by_runs(simd, &floats, None, part);
            }
        }
    }
}

/// What is to be computed.
struct Part<'a> {
    width: usize,
    rows: Range<usize>,
    xs: &'a [f32],
    out: &'a mut [f32],
}

impl<'a> Part<'a> {
    fn vectors(&self) -> usize {
        self.xs.len() / self.width
    }

    /// A vector.
    #[inline(always)]
    fn x(&self, v: usize) -> &'a [f32] {
        &self.xs[v * self.width..][..self.width]
    }

    /// Takes the sums of vector `v` and as many rows from `row` on, counted from the first one here, as there are.
    #[inline(always)]
    fn put(&mut self, v: usize, row: usize, sums: &[f32], scales: Option<&[f32]>) {
        let count = self.rows.len();
        let there = sums.len().min(count - row);
        let to = &mut self.out[v * count + row..][..there];
        match scales {
            Some(scales) => {
                for ((to, sum), scale) in to.iter_mut().zip(sums).zip(&scales[self.rows.start + row..]) {
                    *to = sum * scale;
                }
            }
            None => to.copy_from_slice(&sums[..there]),
        }
    }
}

/// Vectors that a run is multiplied with at once.
const FEW: usize = 3;

/// For more vectors than these, runs are decoded first: AVX2 gains a quarter from it, AVX-512 nothing, and simd128 loses a third to a half.
const MANY: usize = 6;

#[inline(always)]
fn by_runs<S: Simd, T: Number>(simd: S, all: &[T], scales: Option<&[f32]>, mut part: Part<'_>) {
    let (width, vectors) = (part.width, part.vectors());
    let (first, count) = (part.rows.start / RUN, part.rows.len().div_ceil(RUN));
    let columns = all.as_chunks::<RUN>().0;
    let run = |n: usize| &columns[(first + n) * width..][..width];
    // So many sums at once that the processor need not wait for one, and no more than it can hold: 8 to 12.
    let together = match (S::F32_LANES, vectors) {
        (16, 1) => 4,
        (16, _) | (8, 1) => 2,
        _ => 1,
    };
    // For many vectors, runs are decoded once and before.
    let decode = vectors > MANY && S::F32_LANES < 16 && !HELPS;
    let mut decoded = vec![[0.0; RUN]; if decode { width } else { 0 }];
    let mut n = 0;
    while n < count {
        if decode {
            for (from, to) in run(n).iter().zip(&mut decoded) {
                let (to, _) = S::as_mut_simd_f32s(to);
                for (to, from) in to.iter_mut().zip(from.chunks_exact(S::F32_LANES)) {
                    *to = vector::<S, T>(from);
                }
            }
            some_runs(simd, [&decoded[..]], n * RUN, scales, &mut part);
            n += 1;
            continue;
        }
        let together = if count - n < together { 1 } else { together };
        match together {
            4 => some_runs(simd, [run(n), run(n + 1), run(n + 2), run(n + 3)], n * RUN, scales, &mut part),
            2 => some_runs(simd, [run(n), run(n + 1)], n * RUN, scales, &mut part),
            _ => some_runs(simd, [run(n)], n * RUN, scales, &mut part),
        }
        n += together;
    }
}

/// Runs from row `row` on times all vectors.
#[inline(always)]
fn some_runs<S: Simd, T: Number, const P: usize>(
    simd: S,
    runs: [&[[T; RUN]]; P],
    row: usize,
    scales: Option<&[f32]>,
    part: &mut Part<'_>,
) {
    let (mut v, vectors) = (0, part.vectors());
    while v < vectors {
        // Four are better taken two by two.
        let take = if vectors - v == 4 { 2 } else { FEW.min(vectors - v) };
        let (several, at) = (P == 1 || S::F32_LANES == 16 && P == 2, At { v, row, scales });
        match take {
            3 if several => some_vectors(simd, runs, [part.x(v), part.x(v + 1), part.x(v + 2)], at, part),
            2 if several => some_vectors(simd, runs, [part.x(v), part.x(v + 1)], at, part),
            _ => some_vectors(simd, runs, [part.x(v)], at, part),
        }
        v += take;
    }
}

/// Where some sums go.
#[derive(Clone, Copy)]
struct At<'a> {
    /// The first vector.
    v: usize,
    /// The first row, counted from the first one of the part.
    row: usize,
    scales: Option<&'a [f32]>,
}

#[inline(always)]
fn some_vectors<S: Simd, T: Number, const P: usize, const V: usize>(
    simd: S,
    runs: [&[[T; RUN]]; P],
    xs: [&[f32]; V],
    at: At<'_>,
    part: &mut Part<'_>,
) {
    match S::F32_LANES {
        16 => put(part, at, 0, &tile::<S, T, P, V, 2>(simd, runs, 0, xs)),
        8 => put(part, at, 0, &tile::<S, T, P, V, 4>(simd, runs, 0, xs)),
        4 if V == 1 => put(part, at, 0, &tile::<S, T, P, V, 8>(simd, runs, 0, xs)),
        lanes => {
            for from in (0..RUN).step_by(4 * lanes) {
                put(part, at, from, &tile::<S, T, P, V, 4>(simd, runs, from, xs));
            }
        }
    }
}

/// Writes sums of a tile down; `from` is the first row of each run.
#[inline(always)]
fn put<F: bytemuck::Pod, const P: usize, const V: usize, const N: usize>(
    part: &mut Part<'_>,
    at: At<'_>,
    from: usize,
    sums: &[[[F; N]; V]; P],
) {
    for (p, sums) in sums.iter().enumerate() {
        let row = at.row + p * RUN + from;
        if row < part.rows.len() {
            for (n, sums) in sums.iter().enumerate() {
                part.put(at.v + n, row, bytemuck::cast_slice(sums), at.scales);
            }
        }
    }
}

/// N vectors of rows of P runs, from row `from` of each on, times V vectors. Every sum is taken in the order of the columns.
#[inline(always)]
fn tile<S: Simd, T: Number, const P: usize, const V: usize, const N: usize>(
    simd: S,
    runs: [&[[T; RUN]]; P],
    from: usize,
    xs: [&[f32]; V],
) -> [[[S::f32s; N]; V]; P] {
    let mut sums = [[[simd.splat_f32s(0.0); N]; V]; P];
    for (column, first) in runs[0].iter().enumerate() {
        // All are of one length. Nothing here can panic: a way out of the loop would have every sum written down at each turn.
        let mut x = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            x[v] = simd.splat_f32s(xs[v].get(column).copied().unwrap_or_default());
        }
        for p in 0..P {
            let numbers = if p == 0 { first } else { runs[p].get(column).unwrap_or(first) };
            let numbers = numbers.split_at_checked(from).unwrap_or_default().1;
            // Elsewhere one by one: all of them and the sums are more than AVX2 can hold, which cost a third.
            let all = if HELPS { T::vectors::<S, N>(simd, numbers) } else { [simd.splat_f32s(0.0); N] };
            for (n, numbers) in numbers.chunks_exact(S::F32_LANES).take(N).enumerate() {
                let weights = if HELPS { all[n] } else { vector::<S, T>(numbers) };
                for v in 0..V {
                    sums[p][v][n] = simd.mul_add_e_f32s(weights, x[v], sums[p][v][n]);
                }
            }
        }
    }
    sums
}

/// Each row by itself.
#[inline(always)]
fn by_rows<S: Simd>(simd: S, numbers: Numbers<'_>, mut part: Part<'_>) {
    let mut decoded = vec![0.0; part.width];
    for (n, row) in part.rows.clone().enumerate() {
        let at = row * part.width..(row + 1) * part.width;
        let mut scales = None;
        match numbers {
            Numbers::F32(all) => decoded.copy_from_slice(&all[at]),
            Numbers::F16(all) => all[at].convert_to_f32_slice(&mut decoded),
            Numbers::Shifted(all) => widen(&all[at], &mut decoded),
            Numbers::Int8 { values, scales: of } => {
                i8::widen(&values[at], &mut decoded);
                scales = Some(of);
            }
        }
        for v in 0..part.vectors() {
            let [sum] = dots(simd, [&decoded], part.x(v));
            part.put(v, n, &[sum], scales);
        }
    }
}

/// Dot products of some vectors with one.
#[inline(always)]
pub fn dots<S: Simd, const R: usize>(simd: S, rows: [&[f32]; R], x: &[f32]) -> [f32; R] {
    let (blocks, rest) = S::as_simd_f32s(x);
    let mut vectors: [&[S::f32s]; R] = [&[]; R];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        *vector = &S::as_simd_f32s(row).0[..blocks.len()];
    }
    let mut sums = [simd.splat_f32s(0.0); R];
    for (n, x) in blocks.iter().enumerate() {
        for r in 0..R {
            sums[r] = simd.mul_add_e_f32s(vectors[r][n], *x, sums[r]);
        }
    }
    let mut y = [0.0; R];
    for r in 0..R {
        y[r] = sum::<S>(sums[r]);
        for (value, x) in S::as_simd_f32s(rows[r]).1.iter().zip(rest) {
            y[r] += value * x;
        }
    }
    y
}

/// The sum of a vector's lanes. (`reduce_sum_f32s` is made of calls, which took a third of a product's time.)
#[inline(always)]
pub fn sum<S: Simd>(lanes: S::f32s) -> f32 {
    let lanes = [lanes];
    let lanes: &[f32] = bytemuck::cast_slice(&lanes);
    let (fours, rest) = lanes.as_chunks::<4>();
    if fours.is_empty() {
        return rest.iter().sum();
    }
    let mut four = [0.0; 4];
    for more in fours {
        for (sum, lane) in four.iter_mut().zip(more) {
            *sum += lane;
        }
    }
    (four[0] + four[2]) + (four[1] + four[3])
}

#[cfg(test)]
mod tests;
