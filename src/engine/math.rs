//! The arithmetic that twins share: rows of packed matrices, dot products, staged inputs.

use half::slice::HalfFloatSliceExt;
use wide::f32x8;

use super::op::Flags;

/// Rows of a packed weight matrix (`engine/weights.rs`), decoded one at a time.
pub struct Rows<'a> {
    words: &'a [u32],
    width: usize,
    f16: bool,
    scratch: Vec<f32>,
}

impl<'a> Rows<'a> {
    /// `words` hold rows of `width` values, as f16 pairs or f32 bits.
    pub fn new(words: &'a [u32], width: usize, f16: bool) -> Self {
        Self { words, width, f16, scratch: vec![0.0; if f16 { width } else { 0 }] }
    }

    /// Row `r`.
    pub fn row(&mut self, r: usize) -> &[f32] {
        if self.f16 {
            let at = r * self.width / 2;
            let halves: &[half::f16] = bytemuck::cast_slice(&self.words[at..at + self.width / 2]);
            halves.convert_to_f32_slice(&mut self.scratch);
            &self.scratch
        } else {
            bytemuck::cast_slice(&self.words[r * self.width..(r + 1) * self.width])
        }
    }
}

/// Dot product in f32 with eight running sums.
///
/// Written with vectors rather than left to the compiler: the page is built for size, where loops stay scalar.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a8, a), (b8, b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let tail: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    let sums = a8.iter().zip(b8).fold(f32x8::ZERO, |sums, (x, y)| sums + f32x8::new(*x) * f32x8::new(*y));
    sums.to_array().iter().sum::<f32>() + tail
}

/// The inputs of a projection, normalised if asked: one vector of `width` values a lane (`shaders/shared/project.wgsl`).
/// Returns (lane, width).
pub fn staged(x: &[f32], gain: &[f32], row: usize, flags: Flags, width: usize, cols: usize, eps: f32) -> Vec<f32> {
    let lanes = flags.lanes as usize;
    let mut staged = x[row * lanes * width..(row + 1) * lanes * width].to_vec();
    if flags.norm {
        for lane in staged.chunks_exact_mut(width) {
            let scale = 1.0 / (dot(lane, lane) / cols as f32 + eps).sqrt();
            for (v, g) in lane.iter_mut().zip(gain) {
                *v *= g * scale;
            }
        }
    }
    staged
}
