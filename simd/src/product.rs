//! Matrix times vectors: each weight is read once for all vectors.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};

/// A packed matrix, row after row.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// As they are.
    F32(&'a [f32]),
    /// IEEE half precision.
    F16(&'a [f16]),
    /// The same values with another exponent ([`shifted`]): half the bytes of f32, and floats again after three integer
    /// operations. What they are multiplied with is multiplied by [`SHIFT`] first.
    Shifted(&'a [u16]),
}

/// 2^102: what [`Weights::Shifted`] is short of.
pub const SHIFT: f32 = f32::from_bits((127 + 102) << 23);

/// Exponents of shifted halves count from 2^-25; those of f16 from 2^-15.
const BIAS: u32 = 25;

/// A half whose exponent field, moved to where f32 has it, is a normal number's also for f16's subnormal ones; or nothing for what
/// it cannot hold exactly: 128 and more, and values that are no f16.
///
/// The bits are f16's with 10 more in the exponent: 2^-24 (the smallest f16) has the field 1, 64 the field 31.
pub fn shifted(value: f32) -> Option<u16> {
    if f16::from_f32(value).to_f32() != value || value.abs() >= 128.0 {
        return None;
    }
    if value == 0.0 {
        return Some(0);
    }
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 0xff) - (127 - BIAS);
    Some((bits >> 16 & 0x8000 | exponent << 10 | bits >> 13 & 0x3ff) as u16)
}

/// What [`shifted`] has been given.
pub fn unshifted(halves: &[u16]) -> Vec<f32> {
    let mut values = vec![0.0; halves.len()];
    widen(halves, &mut values);
    values.iter_mut().for_each(|value| *value *= SHIFT);
    values
}

/// `y[row][v] = W[row] . x[v]` for some rows of W, into `out` (rows, vectors).
///
/// `xs` holds vectors of `width` values, as long as a row. For [`Weights::Shifted`] they have been multiplied by [`SHIFT`].
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

/// Rows that are multiplied at once.
const ROWS: usize = 4;

/// Up to so many vectors, halves are decoded where they are multiplied; for more, once and before.
const FEW: usize = 2;

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { weights, width, rows, xs, out } = self;
        let vectors = xs.len() / width;
        let mut decoded = vec![0.0; if matches!(weights, Weights::F32(_)) { 0 } else { ROWS * width }];
        let end = rows.end;
        for (n, first) in rows.step_by(ROWS).enumerate() {
            let count = ROWS.min(end - first);
            let values = first * width..(first + count) * width;
            let out = &mut out[n * ROWS * vectors..][..count * vectors];
            let some: &[f32] = match weights {
                Weights::F32(all) => &all[values],
                Weights::F16(all) => {
                    let to = &mut decoded[..values.len()];
                    all[values].convert_to_f32_slice(to);
                    to
                }
                Weights::Shifted(all) if vectors <= FEW => {
                    tiles(simd, Halves(&all[values]), width, xs, out);
                    continue;
                }
                Weights::Shifted(all) => {
                    let to = &mut decoded[..values.len()];
                    widen(&all[values], to);
                    to
                }
            };
            tiles(simd, Floats(some), width, xs, out);
        }
    }
}

/// Floats of shifted halves, each 2^-102 of what is meant.
#[inline(always)]
fn widen(from: &[u16], to: &mut [f32]) {
    for (from, to) in from.iter().zip(to) {
        // The sign stays at the top, exponent and fraction come to where f32 has them.
        *to = f32::from_bits((i32::from(*from as i16) << 13) as u32 & 0x8fff_e000);
    }
}

/// Values that come in vectors, and those at the end that do not fill one.
trait Values<S: Simd>: Copy {
    fn part(self, from: usize, to: usize) -> Self;
    /// The `n`th vector.
    fn vector(self, n: usize) -> S::f32s;
    fn rest(self) -> impl Iterator<Item = f32>;
}

#[derive(Clone, Copy)]
struct Floats<'a>(&'a [f32]);

impl<S: Simd> Values<S> for Floats<'_> {
    #[inline(always)]
    fn part(self, from: usize, to: usize) -> Self {
        Self(&self.0[from..to])
    }

    #[inline(always)]
    fn vector(self, n: usize) -> S::f32s {
        S::as_simd_f32s(self.0).0[n]
    }

    #[inline(always)]
    fn rest(self) -> impl Iterator<Item = f32> {
        S::as_simd_f32s(self.0).1.iter().copied()
    }
}

#[derive(Clone, Copy)]
struct Halves<'a>(&'a [u16]);

/// More lanes than any instruction set here has.
const LANES: usize = 16;

impl<S: Simd> Values<S> for Halves<'_> {
    #[inline(always)]
    fn part(self, from: usize, to: usize) -> Self {
        Self(&self.0[from..to])
    }

    #[inline(always)]
    fn vector(self, n: usize) -> S::f32s {
        let mut floats = [0.0; LANES];
        widen(&self.0[n * S::F32_LANES..][..S::F32_LANES], &mut floats);
        S::as_simd_f32s(&floats[..S::F32_LANES]).0[0]
    }

    #[inline(always)]
    fn rest(self) -> impl Iterator<Item = f32> {
        let whole = self.0.len() / S::F32_LANES * S::F32_LANES;
        self.0[whole..].iter().map(|half| {
            let mut float = [0.0];
            widen(&[*half], &mut float);
            float[0]
        })
    }
}

/// Up to four rows times all vectors, into `out` (rows, vectors).
#[inline(always)]
fn tiles<S: Simd>(simd: S, rows: impl Values<S>, width: usize, xs: &[f32], out: &mut [f32]) {
    let vectors = xs.len() / width;
    let row = |r: usize| rows.part(r * width, (r + 1) * width);
    if out.len() == ROWS * vectors {
        across(simd, std::array::from_fn::<_, ROWS, _>(row), xs, out);
    } else {
        for (r, out) in out.chunks_exact_mut(vectors).enumerate() {
            across(simd, [row(r)], xs, out);
        }
    }
}

#[inline(always)]
fn across<S: Simd, const R: usize>(simd: S, rows: [impl Values<S>; R], xs: &[f32], out: &mut [f32]) {
    let vectors = out.len() / R;
    let width = xs.len() / vectors;
    let x = |v: usize| &xs[v * width..][..width];
    let mut v = 0;
    while v + 3 <= vectors {
        put(multiplied(simd, rows, [x(v), x(v + 1), x(v + 2)]), v, vectors, out);
        v += 3;
    }
    match vectors - v {
        2 => put(multiplied(simd, rows, [x(v), x(v + 1)]), v, vectors, out),
        1 => put(multiplied(simd, rows, [x(v)]), v, vectors, out),
        _ => {}
    }
}

#[inline(always)]
fn put<const R: usize, const V: usize>(y: [[f32; V]; R], v: usize, vectors: usize, out: &mut [f32]) {
    for (r, y) in y.iter().enumerate() {
        out[r * vectors + v..][..V].copy_from_slice(y);
    }
}

/// Each row times each vector.
#[inline(always)]
pub fn tile<S: Simd, const R: usize, const V: usize>(simd: S, rows: [&[f32]; R], xs: [&[f32]; V]) -> [[f32; V]; R] {
    multiplied(simd, rows.map(Floats), xs)
}

#[inline(always)]
fn multiplied<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: [impl Values<S>; R],
    xs: [&[f32]; V],
) -> [[f32; V]; R] {
    let width = xs[0].len();
    let blocks = width / S::F32_LANES;
    // Loops and not `map`: what it calls is not always inlined, and then compiled for no instruction set.
    let mut whole = rows;
    for row in &mut whole {
        *row = row.part(0, blocks * S::F32_LANES);
    }
    let mut vectors: [&[S::f32s]; V] = [&[]; V];
    for (vector, x) in vectors.iter_mut().zip(xs) {
        *vector = &S::as_simd_f32s(x).0[..blocks];
    }
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for block in 0..blocks {
        for r in 0..R {
            let weight = whole[r].vector(block);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(weight, vectors[v][block], sums[r][v]);
            }
        }
    }
    let mut y = [[0.0; V]; R];
    for r in 0..R {
        for v in 0..V {
            y[r][v] = sum::<S>(sums[r][v]);
            for (weight, x) in rows[r].rest().zip(S::as_simd_f32s(xs[v]).1) {
                y[r][v] += weight * x;
            }
        }
    }
    y
}

/// The sum of a vector's lanes. (`reduce_sum_f32s` is made of calls, which took a third of a product's time.)
#[inline(always)]
fn sum<S: Simd>(lanes: S::f32s) -> f32 {
    let lanes = [lanes];
    let lanes: &[f32] = pulp::bytemuck::cast_slice(&lanes);
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
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let next = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 8) as f32 / 8_388_608.0 - 1.0)
        };
        (0..count).scan(seed, |state, _| next(state)).collect()
    }

    #[test]
    fn every_half_below_128_is_held_exactly() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits).to_f32();
            let Some(held) = shifted(value) else {
                assert!(value.is_nan() || value.abs() >= 128.0, "{value}");
                continue;
            };
            let mut back = [0.0];
            widen(&[held], &mut back);
            assert_eq!(back[0] * SHIFT, value, "{bits:#x}");
            assert!(back[0] == 0.0 || back[0].is_normal(), "{value}: {}", back[0]);
        }
        assert_eq!((shifted(0.1), shifted(128.0), shifted(f32::NAN), shifted(1e-9)), (None, None, None, None));
    }

    #[test]
    fn products_are_sums_of_products_in_every_shape() {
        for (width, count, vectors) in
            [(8, 4, 1), (192, 9, 2), (200, 6, 3), (64, 1, 5), (56, 11, 32), (192, 17, 22), (20, 8, 9)]
        {
            let weights: Vec<f32> = numbers(count * width, 1).into_iter().map(|w| f16::from_f32(w).to_f32()).collect();
            let xs = numbers(vectors * width, 2);
            let halves: Vec<f16> = weights.iter().map(|w| f16::from_f32(*w)).collect();
            let moved: Vec<u16> = weights.iter().map(|w| shifted(*w).unwrap()).collect();
            let scaled: Vec<f32> = xs.iter().map(|x| x * SHIFT).collect();
            let mut found = vec![vec![f32::NAN; count * vectors]; 3];
            product(Weights::F32(&weights), width, 0..count, &xs, &mut found[0]);
            product(Weights::F16(&halves), width, 0..count, &xs, &mut found[1]);
            product(Weights::Shifted(&moved), width, 0..count, &scaled, &mut found[2]);
            assert_eq!(found[0], found[1]);
            assert_eq!(found[0], found[2], "a power of two changes no sum");
            for (row, w) in weights.chunks_exact(width).enumerate() {
                for (v, x) in xs.chunks_exact(width).enumerate() {
                    let exact: f64 = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    assert!((f64::from(found[0][row * vectors + v]) - exact).abs() < 1e-5);
                }
            }
            // Whatever comes together: each row and each vector by itself, to the bit.
            for row in 0..count {
                for (v, x) in xs.chunks_exact(width).enumerate() {
                    let mut one = [0.0];
                    product(Weights::F32(&weights), width, row..row + 1, x, &mut one);
                    assert_eq!(one[0], found[0][row * vectors + v]);
                }
            }
        }
    }
}
