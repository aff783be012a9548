//! Pictures, and what else people have among their pictures, that is not read but can be named.

/// What a file is by its first bytes, as part of a sentence: "is ..., which is not read".
pub(super) fn recognise(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(of_brands(bytes));
    }
    let found = SIGNATURES.iter().find(|(at, signature, _)| bytes.get(*at..).is_some_and(|b| b.starts_with(signature)));
    match found {
        Some((_, _, what)) if *what == TIFF && is_dng(bytes) => Some("a camera's raw picture (DNG)"),
        Some((_, _, what)) => Some(what),
        None => of_text(bytes),
    }
}

const TIFF: &str = "a TIFF or a camera's raw picture";
const JPEG_XL: &str = "a JPEG XL picture";
const JPEG_2000: &str = "a JPEG 2000 picture";
const MATROSKA: &str = "a video (Matroska or WebM)";
const QUICKTIME: &str = "a video (QuickTime)";
const META: &str = "a Windows metafile (WMF or EMF)";
const PNM: &str = "a PNM picture";

/// Offset, bytes, name; what stands first is said.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (8, b"CR\x02\0", "a camera's raw picture (CR2)"),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
    (0, b"IIRO", "a camera's raw picture (ORF)"),
    (0, b"IIRS", "a camera's raw picture (ORF)"),
    (0, b"MMOR", "a camera's raw picture (ORF)"),
    (0, b"IIU\0", "a camera's raw picture (RW2)"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw picture (RAF)"),
    (0, b"\0MRM", "a camera's raw picture (MRW)"),
    (0, b"FOVb", "a camera's raw picture (X3F)"),
    (6, b"HEAPCCDR", "a camera's raw picture (CRW)"),
    (0, b"\xff\x0a", JPEG_XL),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
    (0, b"\xff\x4f\xff\x51", JPEG_2000),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"qoif", "a QOI picture"),
    (0, b"v/1\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"farbfeld", "a farbfeld picture"),
    (0, b"\0\0\x01\0", "an icon (ICO)"),
    (0, b"\0\0\x02\0", "a mouse pointer (CUR)"),
    (0, b"icns", "an icon (ICNS)"),
    (0, b"\xd7\xcd\xc6\x9a", META),
    (40, b" EMF", META),
    (0, b"P1\n", PNM),
    (0, b"P2\n", PNM),
    (0, b"P3\n", PNM),
    (0, b"P4\n", PNM),
    (0, b"P5\n", PNM),
    (0, b"P6\n", PNM),
    (0, b"P7\n", PNM),
    (0, b"\x1aE\xdf\xa3", MATROSKA),
    (4, b"moov", QUICKTIME),
    (4, b"mdat", QUICKTIME),
    (4, b"wide", QUICKTIME),
    (8, b"AVI ", "a video (AVI)"),
    (8, b"WAVE", "a sound (WAV)"),
    (0, b"FLV\x01", "a video (Flash)"),
    (0, b"\0\0\x01\xba", "a video (MPEG)"),
    (0, b"\0\0\x01\xb3", "a video (MPEG)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a video (WMV)"),
    (0, b"OggS", "a sound or a video (Ogg)"),
    (0, b"ID3", "a sound (MP3)"),
    (0, b"PK\x03\x04", "an archive (ZIP) or a document"),
    (0, b"Rar!", "an archive (RAR)"),
    (0, b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (0, b"\x1f\x8b", "a compressed file (gzip)"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
];

/// ISO media files say what they are by four letters: the main one, then those they are compatible with.
fn of_brands(bytes: &[u8]) -> &'static str {
    let size = bytes.first_chunk().map_or(0, |size| u32::from_be_bytes(*size)) as usize;
    let brands = bytes.get(8..size.clamp(12, 256).min(bytes.len())).unwrap_or_default();
    // The second four bytes are a version.
    let mut brands = brands.chunks_exact(4).enumerate().filter(|(i, _)| *i != 1).map(|(_, brand)| brand);
    let known = |brand: &[u8]| match brand {
        b"avif" | b"avis" => Some("an AVIF picture"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some("a HEIC picture"),
        b"crx " => Some("a camera's raw picture (CR3)"),
        b"jxl " => Some(JPEG_XL),
        b"jp2 " => Some(JPEG_2000),
        b"qt  " => Some(QUICKTIME),
        b"isom" | b"iso2" | b"mp41" | b"mp42" | b"avc1" | b"M4V " | b"MSNV" | b"dash" => Some("a video (MP4)"),
        b"M4A " | b"M4B " => Some("a sound (M4A)"),
        [b'3', b'g', ..] => Some("a video (3GP)"),
        _ => None,
    };
    // `mif1` and `msf1` say no more than that it is one of that family; what follows them says which.
    let family = brands.clone().any(|brand| brand == b"mif1" || brand == b"msf1");
    brands.find_map(known).unwrap_or(if family { "a HEIF picture" } else { "a video or a picture (ISO media)" })
}

/// Whether the first directory of a TIFF has the tag that makes it a DNG.
fn is_dng(bytes: &[u8]) -> bool {
    const DNG_VERSION: u16 = 0xc612;
    let little = bytes.starts_with(b"II");
    let two = |at: usize| {
        let pair = *bytes.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let first = bytes
        .get(4..)
        .and_then(|b| b.first_chunk())
        .map(|four| if little { u32::from_le_bytes(*four) } else { u32::from_be_bytes(*four) });
    let Some(directory) = first.map(|at| at as usize) else { return false };
    let count = two(directory).unwrap_or(0);
    let tag = |i: u16| directory.checked_add(2 + 12 * usize::from(i)).and_then(two);
    (0..count).map_while(tag).any(|tag| tag == DNG_VERSION)
}

fn of_text(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(&text[..text.len().min(1024)]).to_ascii_lowercase();
    let text = text.trim_start();
    if text.starts_with('<') && text.contains("<svg") && !text.contains("<html") {
        return Some("an SVG drawing");
    }
    ["<!doctype html", "<html"].iter().any(|tag| text.starts_with(tag)).then_some("a web page (HTML)")
}
