//! What twins share around their arithmetic (`simd/`): packed matrices, staged inputs.

use dpar_simd::{Numbers, SHIFT, Weights, dot, row_of_runs, unshifted};
use half::f16;

use super::op::Flags;
use super::weights::Precision;

/// A packed matrix (`engine/weights.rs`) of so many rows of `width` values.
pub fn packed(words: &[u32], width: usize, precision: Precision, rows: usize) -> Weights<'_> {
    let numbers = match precision {
        Precision::F32 | Precision::F32Runs => Numbers::F32(bytemuck::cast_slice(words)),
        Precision::F16 => Numbers::F16(bytemuck::cast_slice(words)),
        Precision::ShiftedRuns => Numbers::Shifted(bytemuck::cast_slice(words)),
        Precision::Int8 | Precision::Int8Runs => {
            let (values, scales) = words.split_at(rows.next_multiple_of(precision.rows()) * width / 4);
            Numbers::Int8 { values: bytemuck::cast_slice(values), scales: bytemuck::cast_slice(scales) }
        }
    };
    if precision.in_runs() { Weights::Runs(numbers) } else { Weights::Rows(numbers) }
}

/// Row `r` of a packed matrix of so many rows of `width` values.
pub fn row(words: &[u32], width: usize, precision: Precision, rows: usize, r: usize) -> Vec<f32> {
    fn of<T: Copy>(all: &[T], width: usize, precision: Precision, r: usize) -> Vec<T> {
        if precision.in_runs() { row_of_runs(all, width, r) } else { all[r * width..(r + 1) * width].to_vec() }
    }
    let (Weights::Rows(numbers) | Weights::Runs(numbers)) = packed(words, width, precision, rows);
    match numbers {
        Numbers::F32(all) => of(all, width, precision, r),
        Numbers::F16(all) => of(all, width, precision, r).into_iter().map(f16::to_f32).collect(),
        Numbers::Shifted(all) => unshifted(&of(all, width, precision, r)),
        Numbers::Int8 { values, scales } => {
            of(values, width, precision, r).into_iter().map(|v| f32::from(v) * scales[r]).collect()
        }
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
    let shift = if flags.precision == Precision::ShiftedRuns { SHIFT } else { 1.0 };
    if flags.norm {
        for lane in staged.chunks_exact_mut(width) {
            let scale = 1.0 / (dot(lane, lane) / cols as f32 + eps).sqrt();
            for (v, g) in lane.iter_mut().zip(gain) {
                *v = *v * (g * scale) * shift;
            }
        }
    } else if flags.precision == Precision::ShiftedRuns {
        staged.iter_mut().for_each(|v| *v *= shift);
    }
    staged
}
