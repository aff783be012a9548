//! Packs checkpoint matrices for the engine: rows padded to 8 columns, as f16 pairs in u32 (read with
//! `unpack2x16float`, which needs no device feature) or f32 bits, in chunks that fit a storage binding.

use dpar_simd::shifted;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// How to lay a model out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Guidance lanes, 1 or 2.
    pub lanes: u32,
    /// Pictures at once, 1 to [`super::state::MAX_PICTURES`].
    pub pictures: usize,
    /// Storage of matrices (f32 is used where a matrix does not fit it).
    pub precision: Precision,
    /// Largest storage binding in bytes (WebGPU guarantees 128 MiB); larger matrices are split by rows.
    pub binding_limit: usize,
}

impl Layout {
    /// WebGPU's guaranteed `maxStorageBufferBindingSize`.
    pub const WEBGPU_BINDING: usize = 128 << 20;

    /// One picture, two lanes (guidance), f16 weights, default limits.
    pub const GPU: Self =
        Self { lanes: 2, pictures: 1, precision: Precision::F16, binding_limit: Self::WEBGPU_BINDING };
    /// One picture, two lanes (guidance), halves where they are the checkpoint's own values: what the CPU twins read fastest.
    pub const CPU: Self =
        Self { lanes: 2, pictures: 1, precision: Precision::Shifted, binding_limit: Self::WEBGPU_BINDING };
}

/// How weights are kept on the device. Accumulation is in f32 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Two f16 in a u32: half the memory traffic. Checkpoints stored as f16 keep their values.
    F16,
    /// f32 bits.
    F32,
    /// For the CPU twins: the values of f16 as [`dpar_simd::shifted`] has them, two in a u32. Never a rounded value: a matrix that
    /// f16 does not hold exactly is kept as f32.
    Shifted,
}

/// Rows are padded to this many columns: one 16-byte load of f16 pairs.
pub const ALIGN: usize = 8;

/// A width padded to whole loads.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(ALIGN)
}

/// A run of rows of a matrix, ready to upload.
#[derive(Debug)]
pub struct Chunk {
    /// First row, counted in the whole matrix.
    pub row0: usize,
    /// Rows here.
    pub rows: usize,
    /// Columns, without the padding.
    pub cols: usize,
    /// How the words are to be read.
    pub precision: Precision,
    /// The packed rows; an odd number of rows is followed by one of zeros, as rows are read in pairs.
    pub words: Vec<u32>,
}

/// Packs `values` (rows, cols) so that no chunk exceeds `limit` bytes.
pub fn pack(values: &[f32], cols: usize, precision: Precision, limit: usize) -> Vec<Chunk> {
    let width = padded(cols);
    let row_bytes = width * if precision == Precision::F32 { 4 } else { 2 };
    let per_chunk = (limit / row_bytes / 2 * 2).max(2);
    let total = values.len() / cols;
    let mut chunks = Vec::new();
    for row0 in (0..total).step_by(per_chunk) {
        let rows = per_chunk.min(total - row0);
        let mut plain = vec![0.0f32; rows.next_multiple_of(2) * width];
        for (to, from) in plain.chunks_exact_mut(width).zip(values[row0 * cols..].chunks_exact(cols)).take(rows) {
            to[..cols].copy_from_slice(from);
        }
        let words = match precision {
            Precision::F32 => bytemuck::cast_vec(plain),
            Precision::F16 => {
                let mut words = vec![0u32; plain.len() / 2];
                bytemuck::cast_slice_mut::<u32, f16>(&mut words).convert_from_f32_slice(&plain);
                words
            }
            Precision::Shifted => {
                let mut words = vec![0u32; plain.len() / 2];
                for (to, value) in bytemuck::cast_slice_mut::<u32, u16>(&mut words).iter_mut().zip(&plain) {
                    *to = shifted(*value).unwrap_or_default(); // `fits` has looked
                }
                words
            }
        };
        chunks.push(Chunk { row0, rows, cols, precision, words });
    }
    chunks
}

/// Whether a matrix, rows of `cols` values, can be kept like that.
pub fn fits(values: &[f32], cols: usize, precision: Precision) -> bool {
    match precision {
        Precision::F32 => true,
        Precision::F16 => fits_f16(values, cols),
        Precision::Shifted => values.iter().all(|value| shifted(*value).is_some()),
    }
}

/// Whether a matrix, rows of `cols` values, keeps its meaning in f16. Each row is judged by itself, as each gives one
/// number of the result: its largest value is within range (65504), and far enough above the smallest normal number
/// (6e-5) that what f16 flushes or rounds coarsely is negligible beside it. Checkpoints in bf16 or f32 may hold either
/// extreme; what was stored as f16 fits, however small.
fn fits_f16(values: &[f32], cols: usize) -> bool {
    values.chunks(cols.max(1)).all(|row| {
        let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        largest == 0.0
            || (1.0 / 256.0..=65_504.0).contains(&largest)
            || row.iter().all(|v| f16::from_f32(*v).to_f32() == *v)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_f16_cannot_hold_stays_f32() {
        assert!(fits_f16(&[0.0, 0.0], 2) && fits_f16(&[1e-9, -0.3], 2) && fits_f16(&[65_504.0], 1));
        assert!(!fits_f16(&[1e-9, 3e-8], 2) && !fits_f16(&[1.0, -7e4], 2));
    }

    #[test]
    fn the_twins_keep_exact_halves_only() {
        assert!(fits(&[0.0, 2f32.powi(-24), -127.9375, 0.5], 2, Precision::Shifted));
        for value in [0.1, 128.0, 1e-9, f32::NAN] {
            assert!(!fits(&[1.0, value], 2, Precision::Shifted), "{value}");
        }
    }

    #[test]
    fn rows_are_judged_one_by_one() {
        // 7 rows of 1e-5, and one with an outlier: in f16 the 1e-5 would be subnormal, 0.3 % off (168 of 2^-24).
        let mut values = vec![1e-5f32; 64];
        values[63] = 1.0;
        assert!((f16::from_f32(1e-5).to_f32() / 1e-5 - 1.0).abs() > 1e-3);
        assert!(!fits_f16(&values, 8));
        // As one row the 1e-5 are negligible beside the 1.0.
        assert!(fits_f16(&values, 64));
        // Empty rows, and small ones that f16 holds as they are, force nothing.
        let mut values = vec![0.0; 24];
        values[8..16].fill(f16::from_bits(3).to_f32());
        values[20] = 0.5;
        assert!(fits_f16(&values, 8));
    }

    #[test]
    fn chunks_cover_all_rows_within_the_limit() {
        let (rows, cols) = (51, 12);
        let values: Vec<f32> = (0..rows * cols).map(|v| v as f32 / 8.0).collect();
        for precision in [Precision::F16, Precision::F32, Precision::Shifted] {
            assert!(fits(&values, cols, precision));
            for limit in [100, 1000, 1 << 20] {
                let chunks = pack(&values, cols, precision, limit);
                assert_eq!(chunks.iter().map(|c| c.rows).sum::<usize>(), rows);
                for c in &chunks {
                    let bytes = if precision == Precision::F32 { 4 } else { 2 } * 16;
                    assert_eq!(c.words.len() * 4, c.rows.next_multiple_of(2) * bytes);
                    assert!(c.words.len() * 4 <= limit.max(2 * bytes));
                    let row = crate::engine::math::row(&c.words, 16, precision, 0);
                    assert_eq!(row[..cols], values[c.row0 * cols..][..cols]);
                    assert_eq!(row[cols..], [0.0; 4]);
                }
            }
        }
    }
}
