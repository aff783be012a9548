//! For browsers: left to itself the compiler converts number by number there, which takes three times as long.

use core::arch::wasm32::{
    f32x4_convert_i32x4, i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_extend_high_i16x8,
    i32x4_extend_low_i16x8, i32x4_shl, i32x4_splat, v128, v128_and,
};

use bytemuck::cast;

/// Whether the functions here are faster than a loop.
pub const HELPS: bool = true;

/// Bytes as floats.
#[inline(always)]
pub fn floats_of_bytes(bytes: &[i8; 16]) -> [f32; 16] {
    let bytes: v128 = cast(*bytes);
    let (low, high) = (i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes));
    cast([
        f32x4_convert_i32x4(i32x4_extend_low_i16x8(low)),
        f32x4_convert_i32x4(i32x4_extend_high_i16x8(low)),
        f32x4_convert_i32x4(i32x4_extend_low_i16x8(high)),
        f32x4_convert_i32x4(i32x4_extend_high_i16x8(high)),
    ])
}

/// [`crate::shifted()`] halves as floats, each 2^-102 of what is meant (`widened` four at a time).
#[inline(always)]
pub fn floats_of_shifted(halves: &[u16; 8]) -> [f32; 8] {
    let halves: v128 = cast(*halves);
    let kept = i32x4_splat(0x8fff_e000_u32 as i32);
    let wide = [i32x4_extend_low_i16x8(halves), i32x4_extend_high_i16x8(halves)];
    cast(wide.map(|four| v128_and(i32x4_shl(four, 13), kept)))
}
