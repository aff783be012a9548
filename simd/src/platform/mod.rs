//! Small numbers as floats, in the way of the target where the compiler does not find it by itself.

#[cfg(not(target_arch = "wasm32"))]
mod any;
#[cfg(target_arch = "wasm32")]
mod simd128;

#[cfg(not(target_arch = "wasm32"))]
pub use any::*;
#[cfg(target_arch = "wasm32")]
pub use simd128::*;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shifted::widened;

    #[test]
    fn all_come_out_in_their_order() {
        for first in [i8::MIN, -9, 0, 112] {
            let bytes: [i8; 16] = std::array::from_fn(|n| first + n as i8);
            assert_eq!(floats_of_bytes(&bytes), bytes.map(f32::from));
        }
        for first in (0..u16::MAX).step_by(8) {
            let halves: [u16; 8] = std::array::from_fn(|n| first + n as u16);
            assert_eq!(floats_of_shifted(&halves).map(f32::to_bits), halves.map(|half| widened(half).to_bits()));
        }
    }
}
