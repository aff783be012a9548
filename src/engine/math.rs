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

/// The inputs of a projection, normalised if asked: one vector of `width` values a lane (`shaders/shared/project.wgsl`), ready
/// for [`dpar_simd::product`]. Returns (lane, width).
pub fn staged(x: &[f32], gain: &[f32], row: usize, flags: Flags, width: usize, cols: usize, eps: f32) -> Vec<f32> {
    let lanes = flags.lanes as usize;
    let mut staged = x[row * lanes * width..(row + 1) * lanes * width].to_vec();
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
