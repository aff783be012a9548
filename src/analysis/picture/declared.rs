//! What files say of their colours otherwise than by a profile that is read.

/// Whether a PNG has a profile before its pixels.
pub(super) fn png_has_profile(bytes: &[u8]) -> bool {
    chunks_before_pixels(bytes).any(|(kind, _)| kind == b"iCCP")
}

/// Whether a PNG means other colours than sRGB and says so by numbers (PNG, third edition, 11.3.2): a code of ITU-T H.273, or, where
/// neither that nor a profile nor sRGB is named, an exponent.
pub(super) fn png_means_others(bytes: &[u8]) -> bool {
    let find = |wanted| chunks_before_pixels(bytes).find(|(kind, _)| *kind == wanted).map(|(_, body)| body);
    if let Some(code) = find(b"cICP") {
        // BT.709's primaries with the curve of sRGB, or the one of BT.709, which screens show alike.
        return !matches!(code, [1, 1 | 6 | 13 | 14 | 15, 0, 1]);
    }
    if find(b"sRGB").is_some() || find(b"iCCP").is_some() {
        return false;
    }
    let exponent = find(b"gAMA").and_then(|body| body.first_chunk()).map(|four| u32::from_be_bytes(*four));
    // In 100,000ths; 45,455 is sRGB's, programs round as they like.
    exponent.is_some_and(|exponent| !(43_000..=48_000).contains(&exponent))
}

/// Whether a BMP carries or names a profile (`PROFILE_EMBEDDED`, `PROFILE_LINKED` of its fifth header).
pub(super) fn bmp_has_profile(bytes: &[u8]) -> bool {
    let header = bytes.get(14..18).and_then(|four| four.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four));
    header >= 124 && matches!(bytes.get(70..74), Some(b"DEBM" | b"KNIL"))
}

/// Kind and content of each chunk of a PNG, as far as they are whole.
fn chunks_before_pixels(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let body = after.get(..u32::from_be_bytes(*length) as usize)?;
        // A checksum follows.
        rest = after.get(body.len() + 4..).unwrap_or_default();
        (kind != b"IDAT").then_some((kind, body))
    })
}
