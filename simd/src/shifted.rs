//! Halves with another exponent: floats again after three integer operations.

use half::f16;

/// 2^102: what a shifted half is short of.
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

/// Floats of shifted halves, each 2^-102 of what is meant.
#[inline(always)]
pub fn widen(from: &[u16], to: &mut [f32]) {
    for (from, to) in from.iter().zip(to) {
        *to = widened(*from);
    }
}

/// The sign stays at the top, exponent and fraction come to where f32 has them.
#[inline(always)]
pub fn widened(half: u16) -> f32 {
    f32::from_bits((i32::from(half as i16) << 13) as u32 & 0x8fff_e000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    #[test]
    fn halves_are_widened_exactly() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            let mut wide = [0.0];
            f16::widen(&[half], &mut wide);
            assert!(wide[0] * f16::SCALE == half.to_f32() || !half.is_finite(), "{half}: {}", wide[0]);
        }
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
}
