//! Packs checkpoint matrices for the engine: rows padded to 8 columns, as f16 pairs in u32 (read with
//! `unpack2x16float`, which needs no device feature), f32 bits, or int8 with a scale for each row behind all rows; in chunks that
//! fit a storage binding.

use std::ops::Range;

use dpar_simd::{RUN, in_runs, shifted};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::cache::CacheFormat;
use crate::checkpoint::stored::{StoredMatrix, fits_f16};

/// How to lay a model out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Guidance lanes, 1 or 2.
    pub lanes: u32,
    /// Pictures at once, 1 to [`super::state::MAX_PICTURES`].
    pub pictures: usize,
    /// How matrices of 16 bits a number are kept (in f32 where one does not fit it); F32 is for all.
    pub precision: Precision,
    /// Largest storage binding in bytes (WebGPU guarantees 128 MiB); larger matrices are split by rows.
    pub binding_limit: usize,
    /// Whether narrow models get ops that put their input together themselves: fewer dispatches, and more work. For hardware GPUs, which
    /// wait for each other's dispatches longer than they compute. Software adapters compute longer (one picture takes llvmpipe
    /// as long either way and SwiftShader 1.2 to 1.7 times as long, sixteen at once take llvmpipe 1.3 to 1.5 times as long), and the twins have no
    /// dispatches.
    pub fused: bool,
    /// How keys and values are kept. Ops that put their input together themselves keep f32, and are not taken with f16.
    pub caches: CacheFormat,
}

impl Layout {
    /// WebGPU's guaranteed `maxStorageBufferBindingSize`.
    pub const WEBGPU_BINDING: usize = 128 << 20;

    /// One picture, two lanes (guidance), weights as they are stored, default limits.
    pub const GPU: Self = Self {
        lanes: 2,
        pictures: 1,
        precision: Precision::F16,
        binding_limit: Self::WEBGPU_BINDING,
        fused: false,
        caches: CacheFormat::F32,
    };
    /// The same in fewer dispatches, see [`Layout::fused`].
    pub const FUSED: Self = Self { fused: true, ..Self::GPU };
    /// One picture, two lanes (guidance), halves where they are the checkpoint's own values: what the CPU twins read fastest.
    pub const CPU: Self = Self { precision: Precision::ShiftedRuns, ..Self::GPU };
}

/// How weights are kept on the device. Accumulation is in f32 either way.
///
/// GPUs read a matrix row by row; the CPU twins read it in runs of rows side by side ([`dpar_simd::Weights::Runs`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32 bits.
    F32,
    /// Two f16 in a u32: half the memory traffic. Checkpoints stored as f16 keep their values.
    F16,
    /// Four int8 in a u32; behind all rows (and one of zeros where they are odd in number) one f32 a row, its scale.
    Int8,
    /// In runs, f32 bits.
    F32Runs,
    /// In runs, the values of f16 as [`dpar_simd::shifted`] has them, two in a u32. Never a rounded value: a matrix that f16 does not
    /// hold exactly is kept as f32.
    ShiftedRuns,
    /// In runs, four int8 in a u32; behind all runs one f32 a row, its scale.
    Int8Runs,
}

impl Precision {
    /// Bytes a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::F32Runs => 4,
            Self::F16 | Self::ShiftedRuns => 2,
            Self::Int8 | Self::Int8Runs => 1,
        }
    }

    /// Whether it is the twins' order.
    pub fn in_runs(self) -> bool {
        matches!(self, Self::F32Runs | Self::ShiftedRuns | Self::Int8Runs)
    }

    /// So many rows belong together: what is missing at the end is filled up with zeros.
    pub fn rows(self) -> usize {
        if self.in_runs() { RUN } else { 2 }
    }
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
    /// The packed rows, filled up to whole pairs or runs ([`Precision::rows`]).
    pub words: Vec<u32>,
}

/// Packs a matrix, rows of `cols` numbers, so that no chunk exceeds `limit` bytes. `wanted` is for halves and says the order; what was
/// stored in other formats stays in them, unless all is wanted in f32.
pub fn pack(matrix: StoredMatrix, cols: usize, wanted: Precision, limit: usize) -> Vec<Chunk> {
    let order = |rows, runs| if wanted.in_runs() { runs } else { rows };
    let small = wanted != Precision::F32;
    match matrix {
        StoredMatrix::Int8 { values, scales } if small => {
            let precision = order(Precision::Int8, Precision::Int8Runs);
            chunks(&values, cols, precision, size_of::<f32>(), limit, |plain, rows| {
                let mut words: Vec<u32> = bytemuck::pod_collect_to_vec(&plain);
                words.extend(scales[rows.clone()].iter().map(|scale| scale.to_bits()));
                words.resize((plain.len() / 4 + rows.len()).next_multiple_of(4), 0);
                words
            })
        }
        StoredMatrix::Halves(values) if small && fits(&values, cols, wanted) => {
            chunks(&values, cols, wanted, 0, limit, |plain, _| match wanted {
                Precision::ShiftedRuns => {
                    let mut words = vec![0u32; plain.len() / 2];
                    for (to, value) in bytemuck::cast_slice_mut::<u32, u16>(&mut words).iter_mut().zip(&plain) {
                        *to = shifted(*value).unwrap_or_default(); // `fits` has looked
                    }
                    words
                }
                _ => {
                    let mut words = vec![0u32; plain.len() / 2];
                    bytemuck::cast_slice_mut::<u32, f16>(&mut words).convert_from_f32_slice(&plain);
                    words
                }
            })
        }
        other => {
            let precision = order(Precision::F32, Precision::F32Runs);
            chunks(&other.into_f32(), cols, precision, 0, limit, |plain, _| bytemuck::cast_vec(plain))
        }
    }
}

/// Cuts a matrix into chunks of whole runs (or pairs) of rows, `extra` bytes a row among what a chunk may have; `words` makes them of
/// rows that are filled up, in order.
fn chunks<T: Copy + Default>(
    values: &[T],
    cols: usize,
    precision: Precision,
    extra: usize,
    limit: usize,
    words: impl Fn(Vec<T>, Range<usize>) -> Vec<u32>,
) -> Vec<Chunk> {
    let (width, count, together) = (padded(cols), values.len() / cols, precision.rows());
    let most = (limit / (width * precision.bytes() + extra) / together * together).max(together);
    let chunk = |row0: usize| {
        let range = row0..(row0 + most).min(count);
        let mut plain = vec![T::default(); range.len().next_multiple_of(together) * width];
        let rows = values[range.start * cols..range.end * cols].chunks_exact(cols);
        for (to, from) in plain.chunks_exact_mut(width).zip(rows) {
            to[..cols].copy_from_slice(from);
        }
        let plain = if precision.in_runs() { in_runs(&plain, width) } else { plain };
        Chunk { row0, rows: range.len(), cols, precision, words: words(plain, range) }
    };
    (0..count).step_by(most).map(chunk).collect()
}

/// Whether halves, rows of `cols` values, can be kept like that.
fn fits(values: &[f32], cols: usize, precision: Precision) -> bool {
    match precision {
        Precision::F16 => fits_f16(values, cols),
        Precision::ShiftedRuns => values.iter().all(|value| shifted(*value).is_some()),
        Precision::F32 | Precision::Int8 | Precision::F32Runs | Precision::Int8Runs => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::stored::WeightFormat;
    use crate::engine::math::row;

    #[test]
    fn the_twins_keep_exact_halves_only() {
        assert!(fits(&[0.0, 2f32.powi(-24), -127.9375, 0.5], 2, Precision::ShiftedRuns));
        for value in [0.1, 128.0, 1e-9, f32::NAN] {
            assert!(!fits(&[1.0, value], 2, Precision::ShiftedRuns), "{value}");
        }
    }

    #[test]
    fn what_was_stored_in_f32_or_int8_stays_so() {
        let kept = |matrix: &StoredMatrix, wanted| pack(matrix.clone(), 4, wanted, 1 << 20)[0].precision;
        let third = vec![1.0 / 3.0; 8];
        let cases = [
            (StoredMatrix::Floats(vec![0.5; 8]), [Precision::F32, Precision::F32Runs]),
            (StoredMatrix::Halves(vec![0.5; 8]), [Precision::F16, Precision::ShiftedRuns]),
            (StoredMatrix::Halves(third.clone()), [Precision::F16, Precision::F32Runs]), // bf16 that is no f16
            (StoredMatrix::quantised(&third, 4), [Precision::Int8, Precision::Int8Runs]),
        ];
        for (matrix, expected) in cases {
            assert_eq!(
                [Precision::F16, Precision::ShiftedRuns].map(|wanted| kept(&matrix, wanted)),
                expected,
                "{matrix:?}"
            );
            assert_eq!(kept(&matrix, Precision::F32), Precision::F32);
        }
    }

    #[test]
    fn chunks_cover_all_rows_within_the_limit() {
        let (rows, cols) = (51, 12);
        let values: Vec<f32> = (0..rows * cols).map(|v| v as f32 / 8.0).collect();
        let halves = StoredMatrix::Halves(values.clone());
        let int8 = halves.clone().kept(cols, WeightFormat::Int8);
        let cases = [
            (&halves, Precision::F16, Precision::F16, 0),
            (&halves, Precision::F32, Precision::F32, 0),
            (&halves, Precision::ShiftedRuns, Precision::ShiftedRuns, 0),
            (&int8, Precision::F16, Precision::Int8, 4),
            (&int8, Precision::ShiftedRuns, Precision::Int8Runs, 4),
        ];
        for (matrix, wanted, precision, scale) in cases {
            let (exact, bytes) = (matrix.clone().into_f32(), 16 * precision.bytes());
            for limit in [100, 1000, 1 << 20] {
                let chunks = pack(matrix.clone(), cols, wanted, limit);
                assert_eq!(chunks.iter().map(|c| c.rows).sum::<usize>(), rows);
                for c in &chunks {
                    assert_eq!(c.precision, precision);
                    let rows = c.rows.next_multiple_of(precision.rows()) * bytes;
                    assert_eq!(c.words.len() * 4, (rows + scale * c.rows).next_multiple_of(16));
                    assert!(c.words.len() * 4 <= limit.max(precision.rows() * (bytes + scale)).next_multiple_of(16));
                    for r in [0, c.rows - 1] {
                        let found = row(&c.words, 16, precision, c.rows, r);
                        assert_eq!(found[..cols], exact[(c.row0 + r) * cols..][..cols]);
                        assert_eq!(found[cols..], [0.0; 4]);
                    }
                }
            }
        }
    }
}
