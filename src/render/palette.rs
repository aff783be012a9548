//! Colours: the entropy ramp, the tint of a patch by its length, and the sheet's own few.

use image::Rgb;

/// Behind everything: egui's dark panel.
pub const BACKGROUND: Rgb<u8> = Rgb([27, 27, 31]);
/// Titles and numbers.
pub const TEXT: Rgb<u8> = Rgb([236, 236, 240]);
/// Explanations, ticks.
pub const MUTED: Rgb<u8> = Rgb([160, 160, 170]);
/// Frames, and the lines of the hatching.
pub const LINE: Rgb<u8> = Rgb([84, 84, 94]);
/// The dark half of two-tone marks: readable on light pictures.
pub const DARK: Rgb<u8> = Rgb([16, 16, 18]);
/// The light half of two-tone marks: readable on dark pictures.
pub const LIGHT: Rgb<u8> = Rgb([255, 255, 255]);

/// "inferno" by Stefan van der Walt and Nathaniel Smith (matplotlib, CC0): every 16th of its 256 colours, as listed in
/// d3-scale-chromatic 3.1.0. Perceptually uniform: equal steps in nats look like equal steps in brightness.
const INFERNO: [u32; 17] = [
    0x000004, 0x0b0724, 0x210c4a, 0x3d0965, 0x57106e, 0x71196e, 0x8a226a, 0xa32c61, 0xbc3754, 0xd04545, 0xe35933,
    0xf1711f, 0xf98c0a, 0xfcaa0f, 0xf9c932, 0xf2e865, 0xfcffa4,
];

/// Patch lengths from warm (short: much work for few pixels) to cool (long).
const LENGTHS: [u32; 8] = [0xe8590c, 0xf9b234, 0xb9cc3a, 0x2fbf8f, 0x36b5e6, 0x3d7be9, 0x8a5cea, 0xd05bc8];

/// Which of them serve where four are enough: far apart in hue and in brightness, for colour-blind eyes too.
const FEW: [usize; 4] = [0, 1, 3, 5];

const fn rgb(hex: u32) -> Rgb<u8> {
    Rgb([(hex >> 16) as u8, (hex >> 8) as u8, hex as u8])
}

/// The entropy ramp at `t` from 0 (no surprise) to 1 (ln V: every token equally likely); clamped, NaN is 0.
pub fn heat(t: f32) -> Rgb<u8> {
    let steps = (INFERNO.len() - 1) as f32;
    let at = if t > 0.0 { t.min(1.0) * steps } else { 0.0 };
    let low = (at as usize).min(INFERNO.len() - 2);
    mix(rgb(INFERNO[low]), rgb(INFERNO[low + 1]), at - low as f32)
}

/// Patch lengths that share a colour, in order, as (shortest, longest). One each up to 8 where P_max allows no more;
/// doubling ranges otherwise, so that any length on any grid finds one of at most 8 colours.
pub fn length_classes(longest: usize) -> Vec<(usize, usize)> {
    if longest <= LENGTHS.len() {
        return (1..=longest.max(1)).map(|n| (n, n)).collect();
    }
    vec![(1, 1), (2, 2), (3, 3), (4, 4), (5, 8), (9, 16), (17, 32), (33, longest.max(33))]
        .into_iter()
        .filter(|c| c.0 <= longest)
        .map(|(low, high)| (low, high.min(longest)))
        .collect()
}

/// The colour of a patch of `len` tokens, given the classes of [`length_classes`].
pub fn length_colour(len: usize, classes: &[(usize, usize)]) -> Rgb<u8> {
    let class = classes.iter().position(|c| len <= c.1).unwrap_or(classes.len().saturating_sub(1));
    let of_few = if classes.len() <= FEW.len() { FEW.get(class).copied() } else { None };
    rgb(LENGTHS[of_few.unwrap_or(class).min(LENGTHS.len() - 1)])
}

/// `a` at t = 0, `b` at t = 1, straight in between (on stored sRGB values, as egui blends).
pub fn mix(a: Rgb<u8>, b: Rgb<u8>, t: f32) -> Rgb<u8> {
    let t = t.clamp(0.0, 1.0);
    Rgb(std::array::from_fn(|i| (f32::from(a.0[i]) * (1.0 - t) + f32::from(b.0[i]) * t).round() as u8))
}

/// Brightness of a stored colour, 0 to 255 (Rec. 709 weights).
pub fn luma(c: Rgb<u8>) -> f32 {
    0.2126 * f32::from(c.0[0]) + 0.7152 * f32::from(c.0[1]) + 0.0722 * f32::from(c.0[2])
}

/// `c` with the share `t` of its colour taken out.
pub fn desaturate(c: Rgb<u8>, t: f32) -> Rgb<u8> {
    let grey = luma(c).round() as u8;
    mix(c, Rgb([grey; 3]), t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_only_gets_brighter() {
        let lumas: Vec<f32> = (0..=200).map(|i| luma(heat(i as f32 / 200.0))).collect();
        assert!(lumas.windows(2).all(|w| w[1] >= w[0]), "{lumas:?}");
        assert!(lumas[0] < 5.0 && lumas[200] > 240.0);
    }

    #[test]
    fn heat_takes_any_number() {
        assert_eq!(heat(f32::NAN), heat(0.0));
        assert_eq!(heat(-3.0), rgb(INFERNO[0]));
        assert_eq!(heat(f32::INFINITY), rgb(INFERNO[16]));
        assert_eq!(heat(0.5), rgb(INFERNO[8]));
    }

    #[test]
    fn every_length_has_one_class() {
        for longest in [1, 2, 4, 8, 9, 16, 33, 64, 4096] {
            let classes = length_classes(longest);
            assert!(classes.len() <= LENGTHS.len());
            assert_eq!((classes[0].0, classes[classes.len() - 1].1), (1, longest));
            assert!(classes.windows(2).all(|w| w[0].1 + 1 == w[1].0), "{longest}: {classes:?}");
        }
        let classes = length_classes(4);
        let colours: std::collections::BTreeSet<_> = (1..=4).map(|n| length_colour(n, &classes).0).collect();
        assert_eq!(colours.len(), 4);
    }
}
