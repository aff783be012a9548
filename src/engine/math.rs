//! What twins share around their arithmetic (`simd/`): packed matrices, staged inputs.

use dpar_simd::{SHIFT, Weights, dot};
use half::slice::HalfFloatSliceExt;

use super::op::Flags;
use super::weights::Precision;

/// Rows that are best multiplied together: threads share a matrix in runs of so many.
pub const ROWS: usize = 4;

/// A packed matrix (`engine/weights.rs`).
pub fn packed(words: &[u32], precision: Precision) -> Weights<'_> {
    match precision {
        Precision::F32 => Weights::F32(bytemuck::cast_slice(words)),
        Precision::F16 => Weights::F16(bytemuck::cast_slice(words)),
        Precision::Shifted => Weights::Shifted(bytemuck::cast_slice(words)),
    }
}

/// Row `r` of a packed matrix whose rows have `width` values.
pub fn row(words: &[u32], width: usize, precision: Precision, r: usize) -> Vec<f32> {
    let at = r * width..(r + 1) * width;
    match packed(words, precision) {
        Weights::F32(all) => all[at].to_vec(),
        Weights::F16(all) => {
            let mut values = vec![0.0; width];
            all[at].convert_to_f32_slice(&mut values);
            values
        }
        Weights::Shifted(all) => dpar_simd::unshifted(&all[at]),
    }
}

/// What becomes of the inputs of a projection (`shaders/shared/project.wgsl`).
#[derive(Clone, Copy, Debug)]
pub struct Staging {
    /// Lanes, RMSNorm, and how the weights are kept that they will meet.
    pub flags: Flags,
    /// Values a vector, padded.
    pub width: usize,
    /// ... and without the padding.
    pub cols: usize,
    /// RMSNorm's epsilon.
    pub eps: f32,
}

/// The inputs of a projection, some rows of `x`, normalised if asked, ready for [`dpar_simd::product`]. Returns (row, lane, width).
pub fn staged(x: &[f32], gain: &[f32], rows: impl Iterator<Item = usize>, staging: Staging) -> Vec<f32> {
    let Staging { flags, width, cols, eps } = staging;
    let size = flags.lanes as usize * width;
    let mut staged = Vec::new();
    for row in rows {
        staged.extend_from_slice(&x[row * size..][..size]);
    }
    let shift = if flags.precision == Precision::Shifted { SHIFT } else { 1.0 };
    if flags.norm {
        for lane in staged.chunks_exact_mut(width) {
            let scale = 1.0 / (dot(lane, lane) / cols as f32 + eps).sqrt();
            for (v, g) in lane.iter_mut().zip(gain) {
                *v = *v * (g * scale) * shift;
            }
        }
    } else if flags.precision == Precision::Shifted {
        staged.iter_mut().for_each(|v| *v *= shift);
    }
    staged
}
