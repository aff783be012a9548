//! How weights are stored, in a file and on a device.
//!
//! int8 is a convention of this project: the matrix NAME is an I8 tensor (rows, cols), and the F32 tensor NAME.scale (rows) holds
//! what the numbers of each row are multiplied with. Half the bytes of f16; what it costs the built-in model stands in its card.

use half::f16;

use super::specs::is_layer_matrix;

/// How the matrices of a model's layers are kept (`--weights`). Embeddings and norms are kept in f16 where that is `Int8`, and
/// the tokenizer always as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightFormat {
    /// 32 bits a number: what was stored in f32 stays exactly that.
    F32,
    /// 16 bits a number.
    F16,
    /// 8 bits a number, and a scale for each row.
    Int8,
}

impl WeightFormat {
    /// All, with their names.
    pub const NAMES: [(&'static str, Self); 3] = [("f32", Self::F32), ("f16", Self::F16), ("int8", Self::Int8)];

    /// What becomes of the tensor `name` where that is asked for.
    pub(super) fn of(self, name: &str, shape: &[usize]) -> Self {
        if self == Self::Int8 && !is_layer_matrix(name, shape) { Self::F16 } else { self }
    }
}

/// The numbers of a matrix (rows, cols), row after row, as they are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredMatrix {
    /// Of 32 bits.
    Floats(Vec<f32>),
    /// Of 16 bits: f16, or bf16.
    Halves(Vec<f32>),
    /// Of 8 bits, each to be multiplied by the scale of its row.
    Int8 {
        /// -127 to 127.
        values: Vec<i8>,
        /// One a row.
        scales: Vec<f32>,
    },
}

impl StoredMatrix {
    /// The numbers themselves.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::Floats(values) | Self::Halves(values) => values,
            Self::Int8 { values, scales } => {
                let cols = values.len() / scales.len().max(1);
                let rows = values.chunks_exact(cols.max(1)).zip(scales);
                rows.flat_map(|(row, scale)| row.iter().map(move |v| f32::from(*v) * scale)).collect()
            }
        }
    }

    /// The same, rows of `cols` numbers, kept as `format`.
    pub fn kept(self, cols: usize, format: WeightFormat) -> Self {
        match (format, self) {
            (WeightFormat::F32, stored) => Self::Floats(stored.into_f32()),
            (WeightFormat::F16, stored) => {
                let values = stored.into_f32();
                let fits = fits_f16(&values, cols);
                Self::Halves(if fits { values.into_iter().map(rounded).collect() } else { values })
            }
            (WeightFormat::Int8, stored @ Self::Int8 { .. }) => stored,
            (WeightFormat::Int8, stored) => Self::quantised(&stored.into_f32(), cols),
        }
    }

    /// Rows of `cols` numbers in int8: of each row the largest becomes 127 or -127, the others the nearest multiples of its 127th.
    pub fn quantised(values: &[f32], cols: usize) -> Self {
        let rows = values.chunks_exact(cols.max(1));
        let scales: Vec<f32> =
            rows.clone().map(|row| row.iter().fold(0.0f32, |most, v| most.max(v.abs())) / 127.0).collect();
        let nearest = |v: f32, scale: f32| if scale > 0.0 { (v / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 };
        let values = rows.zip(&scales).flat_map(|(row, scale)| row.iter().map(move |v| nearest(*v, *scale))).collect();
        Self::Int8 { values, scales }
    }

    /// Several of the same width, one below the other.
    pub fn stacked(parts: Vec<Self>) -> Self {
        if parts.iter().all(|part| matches!(part, Self::Int8 { .. })) {
            let (mut values, mut scales) = (Vec::new(), Vec::new());
            for part in parts {
                if let Self::Int8 { values: more, scales: theirs } = part {
                    values.extend(more);
                    scales.extend(theirs);
                }
            }
            return Self::Int8 { values, scales };
        }
        let halves = parts.iter().all(|part| matches!(part, Self::Halves(_)));
        let values = parts.into_iter().flat_map(Self::into_f32).collect();
        if halves { Self::Halves(values) } else { Self::Floats(values) }
    }

    /// Two of the same shape, rows of `cols` numbers, row by row: the first of one, the first of the other, the second of one..
    pub fn interleaved(self, other: Self, cols: usize) -> Self {
        fn woven<T: Copy>(a: &[T], b: &[T], cols: usize) -> Vec<T> {
            a.chunks_exact(cols).zip(b.chunks_exact(cols)).flat_map(|(a, b)| a.iter().chain(b)).copied().collect()
        }
        match (self, other) {
            (Self::Int8 { values: a, scales: s }, Self::Int8 { values: b, scales: t }) => {
                Self::Int8 { values: woven(&a, &b, cols), scales: woven(&s, &t, 1) }
            }
            (Self::Halves(a), Self::Halves(b)) => Self::Halves(woven(&a, &b, cols)),
            (a, b) => Self::Floats(woven(&a.into_f32(), &b.into_f32(), cols)),
        }
    }
}

/// The nearest f16.
fn rounded(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}

/// Whether a matrix, rows of `cols` values, keeps its meaning in f16. Each row is judged by itself, as each gives one
/// number of the result: its largest value is within range (65504), and far enough above the smallest normal number
/// (6e-5) that what f16 flushes or rounds coarsely is negligible beside it. Checkpoints in bf16 or f32 may hold either
/// extreme; what was stored as f16 fits, however small.
pub fn fits_f16(values: &[f32], cols: usize) -> bool {
    values.chunks(cols.max(1)).all(|row| {
        let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        largest == 0.0 || (1.0 / 256.0..=65_504.0).contains(&largest) || row.iter().all(|v| rounded(*v) == *v)
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
    fn int8_is_off_by_half_a_step_of_its_row_at_most_and_stays_as_it_is() {
        let values: Vec<f32> =
            (0..40).map(|n| ((n * 37 % 41) as f32 - 20.0) * [1e-6, 0.0, 1.0, 300.0][n / 10]).collect();
        let int8 = StoredMatrix::quantised(&values, 10);
        let back = int8.clone().into_f32();
        for (row, (exact, found)) in values.chunks(10).zip(back.chunks(10)).enumerate() {
            let most = exact.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            for (exact, found) in exact.iter().zip(found) {
                assert!((exact - found).abs() <= most / 254.0 * 1.0001, "row {row}: {exact} {found}");
            }
        }
        assert_eq!(int8.clone().kept(10, WeightFormat::Int8), int8);
        assert_eq!(int8.kept(10, WeightFormat::F32), StoredMatrix::Floats(back));
    }

    #[test]
    fn joining_keeps_the_format_and_every_number() {
        let numbers = |from: usize| (from..from + 12).map(|n| (n as f32 - 10.0) / 8.0).collect::<Vec<f32>>();
        let [a, b] = [numbers(0), numbers(5)];
        for format in [WeightFormat::F32, WeightFormat::F16, WeightFormat::Int8] {
            let kept = |values: &[f32]| StoredMatrix::Floats(values.to_vec()).kept(4, format);
            let (one, other) = (kept(&a), kept(&b));
            let apart = [one.clone().into_f32(), other.clone().into_f32()];
            let stacked = StoredMatrix::stacked(vec![one.clone(), other.clone()]);
            let woven = one.clone().interleaved(other, 4);
            for joined in [&stacked, &woven] {
                assert_eq!(std::mem::discriminant(joined), std::mem::discriminant(&one));
            }
            assert_eq!(stacked.into_f32(), apart.concat());
            let rows: Vec<f32> =
                (0..3).flat_map(|r| [&apart[0][4 * r..][..4], &apart[1][4 * r..][..4]].concat()).collect();
            assert_eq!(woven.into_f32(), rows);
        }
        // What cannot be had in one format comes in the widest.
        let mixed = StoredMatrix::stacked(vec![StoredMatrix::Halves(a.clone()), StoredMatrix::quantised(&b, 4)]);
        assert!(matches!(mixed, StoredMatrix::Floats(values) if values[..12] == a));
    }
}
