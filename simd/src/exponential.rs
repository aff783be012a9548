//! Exponentials of many numbers at once.

use pulp::{Arch, Simd, WithSimd};

/// Numbers that are added up side by side.
const SIDE: usize = 8;

/// e^x, to 2 units in the last place, for x from -87 to 88; what lies outside counts as the nearest of these.
///
/// Straight-line code, which compilers turn into vectors. After Cephes' `expf` (Moshier).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    let x = x.clamp(-87.0, 88.0);
    let n = x * std::f32::consts::LOG2_E + ROUND;
    let power = f32::from_bits((n.to_bits() << 23).wrapping_add(127 << 23));
    let n = n - ROUND;
    // ln 2 in two parts, the first of few bits.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let series = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let p = series.into_iter().fold(0.0, |p, c| p * r + c);
    power * (1.0 + r + r * r * p)
}

/// `values = e^(values - top)`; returns their sum.
pub fn exps(values: &mut [f32], top: f32) -> f32 {
    struct Exps<'a>(&'a mut [f32], f32);
    impl WithSimd for Exps<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> f32 {
            all(self.0, self.1)
        }
    }
    Arch::new().dispatch(Exps(values, top))
}

/// As [`exps`], inside of code that is compiled for an instruction set already.
#[inline(always)]
pub fn all(values: &mut [f32], top: f32) -> f32 {
    let (eights, rest) = values.as_chunks_mut::<SIDE>();
    let mut sums = [0.0; SIDE];
    for eight in eights {
        for (value, sum) in eight.iter_mut().zip(&mut sums) {
            *value = exp(*value - top);
            *sum += *value;
        }
    }
    let mut sum = sums.iter().sum();
    for value in rest {
        *value = exp(*value - top);
        sum += *value;
    }
    sum
}

/// `gate = gate / (1 + e^-gate) * up`, SwiGLU's (Shazeer 2020).
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    struct SwiGlu<'a>(&'a mut [f32], &'a [f32]);
    impl WithSimd for SwiGlu<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for (gate, up) in self.0.iter_mut().zip(self.1) {
                *gate = *gate / (1.0 + exp(-*gate)) * up;
            }
        }
    }
    Arch::new().dispatch(SwiGlu(gate, up));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_two_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for n in -870_000..880_000 {
            let x = n as f32 / 10_000.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2.0 / 8_388_608.0, "{worst:e}");
        assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
        assert!(exp(f32::NEG_INFINITY) < 2e-38 && exp(f32::INFINITY) > 1e38 && exp(-3e38) < 2e-38);
    }

    #[test]
    fn sums_are_of_what_is_written() {
        let mut values: Vec<f32> = (0..37).map(|n| n as f32 / 7.0).collect();
        let before = values.clone();
        let sum = exps(&mut values, 5.0);
        for (value, x) in values.iter().zip(before) {
            assert!((value - (x - 5.0).exp()).abs() < 1e-6);
        }
        assert!((sum - values.iter().sum::<f32>()).abs() < 1e-5);
        let mut gate = [-100.0, -1.0, 0.0, 2.0, 100.0];
        swiglu(&mut gate, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        let exact = [0.0, -0.537_882_8, 0.0, 7.046_376, 500.0];
        assert!(gate.iter().zip(exact).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-5 * b.abs().max(1.0)), "{gate:?}");
    }
}
