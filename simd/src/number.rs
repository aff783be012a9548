//! Numbers of weights and caches as floats.

use half::f16;
use pulp::Simd;

use crate::platform::{floats_of_bytes, floats_of_shifted};
use crate::shifted::{SHIFT, widen, widened};

/// A number of a run, or of a cache.
pub trait Number: Copy {
    /// What a widened one is to be multiplied with.
    const SCALE: f32;

    /// As floats.
    fn widen(from: &[Self], to: &mut [f32]);

    /// The first numbers as vectors, where the target has a way of its own ([`HELPS`]).
    #[inline(always)]
    fn vectors<S: Simd, const N: usize>(simd: S, numbers: &[Self]) -> [S::f32s; N] {
        let mut vectors = [simd.splat_f32s(0.0); N];
        for (to, from) in vectors.iter_mut().zip(numbers.chunks_exact(S::F32_LANES)) {
            *to = vector::<S, Self>(from);
        }
        vectors
    }
}

/// N vectors, M numbers at a time as `floats` has them; for targets of at most M lanes.
#[inline(always)]
fn by<S: Simd, T, const M: usize, const N: usize>(
    simd: S,
    numbers: &[T],
    floats: impl Fn(&[T; M]) -> [f32; M],
) -> [S::f32s; N] {
    let mut vectors = [simd.splat_f32s(0.0); N];
    for (to, from) in vectors.chunks_mut(M / S::F32_LANES).zip(numbers.as_chunks::<M>().0) {
        for (to, from) in to.iter_mut().zip(S::as_simd_f32s(&floats(from)).0) {
            *to = *from;
        }
    }
    vectors
}

impl Number for f32 {
    const SCALE: f32 = 1.0;

    #[inline(always)]
    fn widen(from: &[Self], to: &mut [f32]) {
        for (from, to) in from.iter().zip(to) {
            *to = *from;
        }
    }
}

impl Number for f16 {
    /// 2^112: f16's exponents count from 2^-15, those of f32 from 2^-127.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);

    #[inline(always)]
    fn widen(from: &[Self], to: &mut [f32]) {
        for (from, to) in from.iter().zip(to) {
            *to = widened(from.to_bits());
        }
    }
}

impl Number for u16 {
    const SCALE: f32 = SHIFT;

    #[inline(always)]
    fn widen(from: &[Self], to: &mut [f32]) {
        widen(from, to);
    }

    #[inline(always)]
    fn vectors<S: Simd, const N: usize>(simd: S, numbers: &[Self]) -> [S::f32s; N] {
        by(simd, numbers, floats_of_shifted)
    }
}

impl Number for i8 {
    const SCALE: f32 = 1.0;

    #[inline(always)]
    fn widen(from: &[Self], to: &mut [f32]) {
        for (from, to) in from.iter().zip(to) {
            *to = f32::from(*from);
        }
    }

    #[inline(always)]
    fn vectors<S: Simd, const N: usize>(simd: S, numbers: &[Self]) -> [S::f32s; N] {
        by(simd, numbers, floats_of_bytes)
    }
}

/// More lanes than any instruction set here has.
const LANES: usize = 16;

/// The first numbers as a vector.
#[inline(always)]
pub fn vector<S: Simd, T: Number>(numbers: &[T]) -> S::f32s {
    let mut floats = [0.0; LANES];
    T::widen(numbers, &mut floats[..S::F32_LANES]);
    S::as_simd_f32s(&floats[..S::F32_LANES]).0[0]
}
