//! For targets whose compiler does.

use crate::shifted::widened;

/// Whether the functions here are faster than a loop.
pub const HELPS: bool = false;

/// Bytes as floats.
#[inline(always)]
pub fn floats_of_bytes(bytes: &[i8; 16]) -> [f32; 16] {
    bytes.map(f32::from)
}

/// [`crate::shifted()`] halves as floats, each 2^-102 of what is meant.
#[inline(always)]
pub fn floats_of_shifted(halves: &[u16; 8]) -> [f32; 8] {
    halves.map(widened)
}
