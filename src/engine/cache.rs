//! How the keys and values of past positions are kept.

use half::f16;

/// `--caches`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheFormat {
    /// 32 bits a number, as they were computed.
    #[default]
    F32,
    /// 16 bits a number, rounded: half of what a picture's caches take, and of what attention reads.
    F16,
}

impl CacheFormat {
    /// All, with their names.
    pub const NAMES: [(&'static str, Self); 2] = [("f32", Self::F32), ("f16", Self::F16)];

    /// Bytes a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// Words of so many numbers.
    pub fn words(self, numbers: usize) -> usize {
        (numbers * self.bytes()).div_ceil(4)
    }

    /// Puts numbers down, the first of them at `at`. What f16 cannot hold becomes the largest that it can.
    pub fn put(self, cache: &mut [u32], at: usize, numbers: &[f32]) {
        match self {
            Self::F32 => bytemuck::cast_slice_mut(cache)[at..][..numbers.len()].copy_from_slice(numbers),
            Self::F16 => {
                let most = f16::MAX.to_f32();
                let to = &mut bytemuck::cast_slice_mut::<u32, f16>(cache)[at..][..numbers.len()];
                for (to, number) in to.iter_mut().zip(numbers) {
                    *to = f16::from_f32(number.clamp(-most, most));
                }
            }
        }
    }

    /// Takes all numbers out.
    pub fn floats(self, cache: &[u32]) -> Vec<f32> {
        match self {
            Self::F32 => bytemuck::pod_collect_to_vec(cache),
            Self::F16 => bytemuck::cast_slice::<u32, f16>(cache).iter().map(|number| number.to_f32()).collect(),
        }
    }
}
