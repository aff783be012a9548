//! Somebody's picture file: PNG, JPEG, WebP, GIF, BMP, or anything.
#![no_main]

use dpar::analysis::{Crop, read_picture, square};
use dpar_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(read) = accepted(read_picture(bytes, "picture")) else { return };
    let picture = read.image;
    let (width, height) = (picture.width(), picture.height());
    assert!(width > 0 && height > 0, "a picture of nothing");
    // Megapixels take their time and cut nothing else.
    if u64::from(width) * u64::from(height) < 1 << 16 {
        assert_eq!(square(&picture, None, 16).dimensions(), (16, 16));
        assert_eq!(square(&picture, Some(Crop::around(width, height, [0.9, 0.1], 3.0)), 16).dimensions(), (16, 16));
    }
});
