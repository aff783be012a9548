//! What people bring, by the files of `tests/fixtures/pictures` (its `make.py` says how they were made).

use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageFormat, Rgb, RgbImage};

use super::*;

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
    std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The picture of a file about which there is nothing to say.
fn image(name: &str) -> DynamicImage {
    let read = read_picture(&file(name), name).unwrap();
    assert!(read.notes.is_empty(), "{:?}", read.notes);
    read.image
}

fn rgb(name: &str) -> RgbImage {
    image(name).to_rgb8()
}

/// What is said about a file that is not read.
fn refusal(bytes: &[u8]) -> String {
    let e = read_picture(bytes, "x").unwrap_err();
    assert!(e.is_bad_input());
    e.to_string()
}

/// The largest difference of two pictures, in levels.
fn apart(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

const WHOLE_JPEGS: [&str; 15] = [
    "photo.jpg",
    "display-p3.jpg",
    "turned.jpg",
    "jpeg-420.jpg",
    "jpeg-422.jpg",
    "jpeg-444.jpg",
    "jpeg-rows.jpg",
    "jpeg-progressive.jpg",
    "jpeg-progressive-rows.jpg",
    "jpeg-grey.jpg",
    "jpeg-grey-progressive.jpg",
    "jpeg-flat.jpg",
    "jpeg-block.jpg",
    "cmyk.jpg",
    "cmyk-profile.jpg",
];

#[test]
fn a_motion_photo_is_its_photo() {
    let photo = rgb("photo.jpg");
    assert_eq!(rgb("trailer-ffda.jpg"), photo);
    // A video with every marker there is behind the picture, and a second picture.
    let trailer: Vec<u8> = (0..=255).flat_map(|kind| [0xff, kind, 0, 7]).collect();
    for trailer in [trailer, file("half-then-end-marker.jpg"), vec![0xff]] {
        let read = read_picture(&[file("photo.jpg"), trailer].concat(), "motion.jpg").unwrap();
        assert_eq!((read.image.to_rgb8(), read.notes), (photo.clone(), vec![]));
    }
}

#[test]
fn half_a_jpeg_with_an_end_marker_is_said_to_be_half() {
    let read = read_picture(&file("half-then-end-marker.jpg"), "half.jpg").unwrap();
    assert_eq!(read.notes, ["half.jpg: a part of the picture is missing: it is grey or blurred here"]);
    // 64 x 64 in 4:2:0, rows of 16 pixels: the first is there, the last is grey.
    let (half, whole) = (read.image.to_rgb8(), rgb("photo.jpg"));
    assert!((0..64).all(|x| half.get_pixel(x, 8) == whole.get_pixel(x, 8)));
    assert!((0..64).all(|x| half.get_pixel(x, 63).0 == [128; 3]));
    // Without its end it is no picture.
    let photo = file("photo.jpg");
    for end in [photo.len() - 2, photo.len() / 2, 200, 4] {
        assert_eq!(refusal(&photo[..end]), "x: is damaged or cut short (the end of the picture is missing)");
    }
}

#[test]
fn a_whole_jpeg_is_never_said_to_be_cut_and_a_cut_one_always() {
    for name in WHOLE_JPEGS {
        let bytes = file(name);
        let read = read_picture(&bytes, name).unwrap();
        assert!(read.notes.is_empty(), "{:?}", read.notes);
        let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap() + 14;
        let mut silent = 0;
        for end in (scan..bytes.len() - 2).step_by(3) {
            let cut = [&bytes[..end], &[0xff, 0xd9]].concat();
            let Ok(found) = read_picture(&cut, name) else { continue };
            if found.notes.is_empty() && found.image != read.image {
                silent += 1;
                println!("{name} cut at {end} of {}", bytes.len());
            }
        }
        assert_eq!(silent, 0, "{name}");
    }
}

#[test]
fn a_bitmap_whose_alpha_is_empty_is_seen() {
    assert_eq!(rgb("v5-bitfields-alpha0.bmp"), rgb("plain.png"));
    assert_eq!(square(&image("v5-bitfields-alpha0.bmp"), None, 64), rgb("plain.png"));
    // One pixel that has alpha makes the others transparent.
    let mut bytes = file("v5-bitfields-alpha0.bmp");
    *bytes.last_mut().unwrap() = 255;
    let picture = read_picture(&bytes, "x.bmp").unwrap().image.to_rgba8();
    assert_eq!(picture.pixels().filter(|p| p.0[3] == 255).count(), 1);
}

/// Expected values by LittleCMS (`make.py`), which rounds elsewhere.
#[test]
fn wide_colours_become_srgb() {
    let expected = rgb("display-p3-as-srgb.png");
    // Left out, the profile would be up to 76 levels off.
    let raw = image::load_from_memory(&file("display-p3.png")).unwrap().to_rgb8();
    assert_eq!(apart(&raw, &expected), 76);
    for name in ["display-p3.png", "display-p3.webp", "display-p3-16bit.png", "display-p3-alpha.png"] {
        let off = apart(&rgb(name), &expected);
        assert!(off <= 1, "{name}: {off}");
    }
    let off = apart(&rgb("display-p3.jpg"), &rgb("display-p3-jpg-as-srgb.png"));
    assert!(off <= 4, "{off}"); // two JPEG decoders
    // Alpha is not a colour: x * 1024 of 65535, x * 4 of 255.
    let deep = image("display-p3-16bit.png");
    let deep = deep.as_rgba16().unwrap();
    assert!(deep.enumerate_pixels().all(|(x, _, p)| u32::from(p.0[3]) == x * 1024));
    let picture = image("display-p3-alpha.png");
    assert!(picture.as_rgba8().unwrap().enumerate_pixels().all(|(x, _, p)| u32::from(p.0[3]) == x * 4));
}

#[test]
fn greys_with_a_gamma_become_srgb() {
    // The light of grey g is (g / 255)^1.8; sRGB's number for light l is 1.055 l^(1 / 2.4) - 0.055 (12.92 l near black).
    let by_hand = |g: u32| {
        let light = (f64::from(g) / 255.0).powf(1.8);
        255.0 * if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
    };
    assert!((by_hand(128) - 146.4).abs() < 0.1);
    for (name, has_alpha) in [("grey-1.8.png", false), ("grey-1.8-alpha.png", true)] {
        let picture = image(name).to_luma_alpha8();
        for (i, p) in (0..).zip(picture.pixels()) {
            assert!((f64::from(p.0[0]) - by_hand(i)).abs() <= 1.0, "{name}: {i} is {}", p.0[0]);
            assert_eq!(u32::from(p.0[1]), if has_alpha { 255 - i } else { 255 });
        }
    }
}

#[test]
fn an_srgb_profile_changes_nothing() {
    assert_eq!(rgb("srgb.png"), rgb("plain.png"));
}

#[test]
fn profiles_that_are_not_understood_are_left_out_and_said() {
    for name in ["profile-is-noise.png", "profile-does-not-unpack.png", "profile-of-greys-on-colours.png"] {
        let read = read_picture(&file(name), name).unwrap();
        assert_eq!(read.image.to_rgb8(), rgb("plain.png"), "{name}");
        assert_eq!(read.notes, [format!("{name}: {PROFILE}")]);
    }
}

#[test]
fn colours_that_are_told_in_other_ways_are_left_as_they_are_and_said() {
    let plain = rgb("plain.png");
    let with = |kind: &[u8; 4], body: &[u8]| {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, plain.width(), plain.height());
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_chunk(png::chunk::ChunkType(*kind), body).unwrap();
        writer.write_image_data(plain.as_raw()).unwrap();
        writer.finish().unwrap();
        file
    };
    let srgb = (*b"sRGB", vec![0]);
    let gamma = |exponent: u32| (*b"gAMA", exponent.to_be_bytes().to_vec());
    let cases = [
        ((*b"cICP", vec![1, 13, 0, 1]), false),
        ((*b"cICP", vec![12, 13, 0, 1]), true),
        ((*b"cICP", vec![9, 16, 0, 1]), true),
        (srgb, false),
        (gamma(45_455), false),
        (gamma(100_000), true),
        (gamma(0), true),
    ];
    for ((kind, body), said) in cases {
        let read = read_picture(&with(&kind, &body), "x.png").unwrap();
        assert_eq!(read.image.to_rgb8(), plain, "{kind:?} {body:?}");
        assert_eq!(!read.notes.is_empty(), said, "{kind:?} {body:?}");
    }
    let mut bitmap = file("v5-bitfields-alpha0.bmp");
    assert_eq!(&bitmap[70..74], b"BGRs", "`sRGB`, the low byte first");
    bitmap[70..74].copy_from_slice(b"DEBM");
    let read = read_picture(&bitmap, "x.bmp").unwrap();
    assert_eq!((read.image.to_rgb8(), read.notes), (plain, vec![format!("x.bmp: {DECLARED}")]));
}

/// Expected values by Pillow and LittleCMS.
#[test]
fn inks_become_light() {
    let off = apart(&rgb("cmyk-profile.jpg"), &rgb("cmyk-profile-as-srgb.png"));
    assert!(off <= 12, "{off}");
    let plain = rgb("cmyk.jpg");
    for ((x, y), expected) in INKS {
        let found = plain.get_pixel(x, y).0;
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3), "{x} {y}: {found:?}");
    }
}

/// `Image.open("cmyk.jpg").convert("RGB").getpixel(..)`.
const INKS: [((u32, u32), [u8; 3]); 4] =
    [((0, 0), [255, 255, 255]), ((63, 0), [3, 255, 129]), ((10, 20), [215, 155, 195]), ((32, 40), [81, 35, 71])];

#[test]
fn cameras_held_upright_are_put_right() {
    // Red, green / blue, white as it lies; turned a quarter to the right, blue comes to the upper left.
    for name in ["turned.jpg", "turned.png", "turned.webp"] {
        let picture = rgb(name);
        assert_eq!(picture.dimensions(), (32, 16), "{name}");
        let corners = [(4, 4), (28, 4), (4, 12), (28, 12)].map(|(x, y)| picture.get_pixel(x, y).0.map(|c| c > 127));
        let [red, green, blue] = [0, 1, 2].map(|on| [0, 1, 2].map(|c| c == on));
        assert_eq!(corners, [blue, red, [true; 3], green], "{name}");
    }
}

#[test]
fn what_is_no_picture_is_one_sentence() {
    assert_eq!(refusal(b""), "x: is empty (0 bytes)");
    assert_eq!(refusal(b"words"), "x: is not a picture this program reads (PNG, JPEG, WebP, GIF, BMP)");
}

#[test]
fn intact_files_of_other_kinds_are_called_by_their_name() {
    let said = |what: &str| format!("x: is {what}, which is not read: convert it to PNG or JPEG");
    for (name, what) in [
        ("heic-named.jpg", "a HEIC picture"),
        ("foreign.avif", "an AVIF picture"),
        ("foreign.tiff", "a TIFF or a camera's raw picture"),
        ("foreign.jp2", "a JPEG 2000 picture"),
        ("foreign.ico", "an icon (ICO)"),
    ] {
        assert_eq!(refusal(&file(name)), said(what), "{name}");
    }
    // One entry in the first directory: DNGVersion.
    let dng = b"II*\0\x08\0\0\0\x01\0\x12\xc6\x01\0\x04\0\0\0\x01\x04\0\0\0\0\0\0";
    let camera = b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom";
    let video = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42";
    let mif1 = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic";
    for (bytes, what) in [
        (&dng[..], "a camera's raw picture (DNG)"),
        (camera, "a camera's raw picture (CR3)"),
        (mif1, "a HEIC picture"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera's raw picture (CR2)"),
        (video, "a video (MP4)"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video (QuickTime)"),
        (b"\0\0\0\x0cftypabcd", "a video or a picture (ISO media)"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html><body><svg/></body></html>", "a web page (HTML)"),
        (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
        (b"RIFF\0\0\0\0AVI LIST", "a video (AVI)"),
    ] {
        assert_eq!(refusal(bytes), said(what));
    }
}

#[test]
fn intact_jpegs_of_rare_kinds_are_called_by_their_name() {
    let said = |what: &str| format!("x: is {what}, which is not read: convert it to PNG or an ordinary JPEG");
    assert_eq!(refusal(&file("arithmetic.jpg")), said("a JPEG with arithmetic coding"));
    // The others differ from a photo in their frame header.
    let photo = file("photo.jpg");
    let at = photo.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let with = |offset: usize, byte: u8| {
        let mut photo = photo.clone();
        photo[at + offset] = byte;
        photo
    };
    assert_eq!(refusal(&with(4, 12)), said("a JPEG with 12 bits a sample"));
    assert_eq!(refusal(&with(1, 0xc3)), said("a lossless JPEG"));
    assert_eq!(refusal(&with(1, 0xf7)), said("a JPEG-LS picture"));
    assert_eq!(refusal(&with(1, 0xc5)), said("a hierarchical JPEG"));
    assert_eq!(refusal(&with(6, 0)), said("a JPEG that says its height at its end"));
}

/// 108 megapixels, the left half bright; the camera was held upside down.
#[test]
fn a_jpeg_over_the_limits_is_read_smaller() {
    let (width, height) = (12_000, 9_000);
    let mut bytes = Vec::new();
    let large = GrayImage::from_fn(width, height, |x, _| image::Luma([if x < 3_000 { 210 } else { 40 }]));
    JpegEncoder::new_with_quality(&mut bytes, 50).encode_image(&large).unwrap();
    drop(large);
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
    bytes.splice(2..2, [&[0xff, 0xe1, 0, exif.len() as u8 + 2], &exif[..]].concat());
    let read = read_picture(&bytes, "large.jpg").unwrap();
    assert!(read.notes.is_empty());
    assert_eq!((read.image.width(), read.image.height()), (6_000, 4_500));
    let grey = read.image.to_luma8();
    for (x, level) in [(10, 40u8), (4_400, 40), (4_600, 210), (5_990, 210)] {
        assert!(grey.get_pixel(x, 2_000).0[0].abs_diff(level) <= 3, "{x}");
    }
    // A file too short for what it says, and one that says too much.
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap() + 5;
    bytes[frame..frame + 4].copy_from_slice(&[0x4e, 0x20, 0x4e, 0x20]); // 20,000 x 20,000
    bytes.drain(bytes.len() - 500_000..bytes.len() - 2);
    let end = bytes.len() - 2;
    assert_eq!(refusal(&bytes), format!("x: is damaged or cut short ({end} bytes cannot hold 20000 x 20000 pixels)"));
    bytes[frame + 2..frame + 4].copy_from_slice(&[0x4e, 0x21]);
    assert_eq!(
        refusal(&bytes),
        "x: is 20001 x 20000 pixels: at most 16384 a side and 100 megapixels are read (400 of a JPEG, which is read \
         smaller)"
    );
}

#[test]
fn a_jpeg_is_halved_until_it_is_within_the_limits() {
    let by = |width, height| refusal::jpeg_divisor(width, height).ok();
    assert_eq!(by(10_000, 10_000), Some(1));
    assert_eq!(by(10_000, 10_001), Some(2));
    assert_eq!(by(16_384, 100), Some(1));
    assert_eq!(by(16_385, 100), Some(2));
    assert_eq!(by(65_535, 100), Some(4));
    assert_eq!(by(16_320, 12_240), Some(2)); // a phone's 200 megapixels
    assert_eq!(by(20_001, 20_000), None);
}

#[test]
fn a_camera_held_upside_down_is_put_right() {
    let picture = RgbImage::from_fn(16, 16, |_, y| Rgb(if y < 8 { [255, 0, 0] } else { [0, 0, 255] }));
    let mut jpeg = Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    // An EXIF segment after the first marker: one entry, orientation (0x112) = 3, half a turn.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
    let mut turned = vec![0xff, 0xd8, 0xff, 0xe1, 0, exif.len() as u8 + 2];
    turned.extend(exif);
    turned.extend(&jpeg.get_ref()[2..]);
    let out = square(&read_picture(&turned, "photo.png").unwrap().image, None, 16); // the name is not believed
    assert!(out.get_pixel(8, 2).0[2] > 200 && out.get_pixel(8, 13).0[0] > 200, "{:?}", out.get_pixel(8, 2));
}
