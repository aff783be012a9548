//! Real picture files.

use std::path::Path;

use dpar::analysis::read_picture;
use proptest::prelude::*;

use crate::{damage, damaged, most, peak};

const FILES: [&str; 18] = [
    "photo.jpg",
    "trailer-ffda.jpg",
    "half-then-end-marker.jpg",
    "display-p3.jpg",
    "jpeg-444.jpg",
    "jpeg-progressive.jpg",
    "jpeg-progressive-rows.jpg",
    "jpeg-grey.jpg",
    "cmyk.jpg",
    "cmyk-profile.jpg",
    "v5-bitfields-alpha0.bmp",
    "display-p3.png",
    "display-p3-16bit.png",
    "grey-1.8-alpha.png",
    "turned.png",
    "foreign.tiff",
    "display-p3.webp",
    "turned.webp",
];

/// Makes the checksums of a PNG's chunks right again, so that the damage is read.
fn mend_checksums(png: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = png.get(at..).and_then(|rest| rest.first_chunk()) {
        let end = at.saturating_add(8).saturating_add(u32::from_be_bytes(*length) as usize);
        let Some(body) = png.get(at + 4..end) else { return };
        let crc = !body.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
        });
        let Some(place) = png.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn damaged_files_take_four_times_their_size_and_a_little(
        name in proptest::sample::select(&FILES[..]),
        damages in proptest::collection::vec(damage(), 0..5),
        mended in any::<bool>(),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
        let mut file = damaged(std::fs::read(folder.join(name)).unwrap(), 700, &damages);
        if mended && name.ends_with("png") {
            mend_checksums(&mut file);
        }
        let (peak, read) = peak(|| read_picture(&file, name));
        let decoded = read.as_ref().map_or(0, |read| read.image.as_bytes().len());
        let most = most(file.len()) + decoded;
        // What a WebP packs so well that its header can be neither believed nor doubted is not counted.
        prop_assert!(name.ends_with("webp") || peak <= most, "{} bytes took {peak}, at most {most}: {:?}", file.len(), read.map(|r| r.notes));
        if let Ok(read) = read {
            prop_assert!(read.image.width() > 0 && read.image.height() > 0);
        }
    }
}
