//! A person's picture file -> the square the tokenizer reads. Whatever is in the file, it ends as a picture or as one
//! sentence: sizes are refused before anything is decoded.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::error::{Error, Result};

/// Most pixels a side.
const MAX_SIDE: u32 = 16_384;
/// Most pixels in all.
const MAX_PIXELS: u64 = 100_000_000;
/// Most bytes of a decoded picture (100 megapixels of 16-bit colour would be more), and the most of a file that callers
/// need to read: what is longer is refused.
pub const MAX_BYTES: u64 = 512 << 20;

/// Decodes a picture file (PNG, JPEG, WebP, GIF, BMP), by its content; `name` is for messages.
///
/// The camera's orientation is respected, of an animation the first frame is taken.
///
/// # Errors
/// [`Error::Image`].
pub fn read_picture(bytes: &[u8], name: &str) -> Result<DynamicImage> {
    let bad = |problem: String| Error::Image { file: name.to_owned(), problem };
    if bytes.is_empty() {
        return Err(bad("is empty (0 bytes)".into()));
    }
    decode(bytes).map_err(|e| bad(explain(e)))
}

/// Why a picture was not read.
enum Refusal {
    TooLarge(u32, u32),
    Broken(ImageError),
}

impl From<ImageError> for Refusal {
    fn from(e: ImageError) -> Self {
        Self::Broken(e)
    }
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, Refusal> {
    // By content and not by name: a JPEG called .png is read, a text called .png is "not a picture".
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(ImageError::from)?;
    if reader.format() == Some(ImageFormat::Jpeg) && is_cut_jpeg(bytes) {
        let end = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the end of the picture is missing");
        return Err(Refusal::Broken(ImageError::from(end)));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS || decoder.total_bytes() > MAX_BYTES {
        return Err(Refusal::TooLarge(width, height));
    }
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// The JPEG decoder fills what is missing with grey and says nothing. A whole file has an end marker after its last
/// scan; inside a scan neither marker can occur (a thumbnail's lie before it).
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    if bytes.len() as u64 > MAX_BYTES {
        return false; // the decoder refuses it for its size
    }
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|w| w == marker);
    last([0xff, 0xd9]) < last([0xff, 0xda])
}

fn explain(refusal: Refusal) -> String {
    let most = format!("at most {MAX_SIDE} a side and {} megapixels are read", MAX_PIXELS / 1_000_000);
    match refusal {
        Refusal::TooLarge(width, height) => format!("is {width} x {height} pixels: {most}"),
        Refusal::Broken(ImageError::Limits(_)) => format!("is too large to decode: {most}"),
        Refusal::Broken(ImageError::Unsupported(_)) => {
            "is not a picture this program reads (PNG, JPEG, WebP, GIF, BMP)".to_owned()
        }
        Refusal::Broken(e) => format!("is damaged or cut short ({e})"),
    }
}

/// A square of a picture, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Length of a side.
    pub side: u32,
}

impl Crop {
    /// The largest square in the middle of a picture of `width` x `height` pixels.
    pub fn middle(width: u32, height: u32) -> Self {
        Self::around(width, height, [0.5, 0.5], 1.0)
    }

    /// The square around `center` (fractions of width and height), as large as the picture allows divided by `zoom`
    /// (1 or more), moved into the picture where it would leave it.
    pub fn around(width: u32, height: u32, center: [f32; 2], zoom: f32) -> Self {
        let largest = width.min(height);
        let side = (f64::from(largest) / f64::from(zoom.max(1.0))).round() as u32;
        let side = side.clamp(1, largest.max(1));
        let start = |length: u32, center: f32| {
            let start = f64::from(center.clamp(0.0, 1.0)) * f64::from(length) - f64::from(side) / 2.0;
            start.clamp(0.0, f64::from(length.saturating_sub(side))) as u32
        };
        Self { x: start(width, center[0]), y: start(height, center[1]), side }
    }

    /// The same square, made to lie within a picture of `width` x `height` pixels.
    fn within(self, width: u32, height: u32) -> Self {
        let side = self.side.clamp(1, width.min(height).max(1));
        Self { x: self.x.min(width.saturating_sub(side)), y: self.y.min(height.saturating_sub(side)), side }
    }
}

/// Cuts a square out (the middle if none is given; one that leaves the picture is moved in) and resizes it to `side`
/// pixels. Transparency is laid on white.
pub fn square(picture: &DynamicImage, crop: Option<Crop>, side: u32) -> RgbImage {
    let (width, height) = (picture.width(), picture.height());
    let Crop { x, y, side: cut } = crop.map_or_else(|| Crop::middle(width, height), |c| c.within(width, height));
    let part = picture.crop_imm(x, y, cut, cut);
    // On white before resizing: afterwards the hidden colours of transparent pixels would have bled into the rest.
    let opaque = on_white(&part);
    if cut == side { opaque } else { imageops::resize(&opaque, side, side, FilterType::Lanczos3) }
}

fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let rgba = picture.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, a] = rgba.get_pixel(x, y).0.map(u32::from);
        let over = |c: u32| ((c * a + 255 * (255 - a) + 127) / 255) as u8;
        image::Rgb([over(r), over(g), over(b)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgba, RgbaImage};

    #[test]
    fn the_middle_is_cut_out_and_transparency_is_white() {
        let mut picture = RgbaImage::from_pixel(8, 4, Rgba([255, 0, 0, 255]));
        for (x, y) in [(2, 0), (3, 1), (5, 3)] {
            picture.put_pixel(x, y, Rgba([0, 0, 0, 0]));
        }
        picture.put_pixel(4, 0, Rgba([0, 0, 0, 128]));
        let out = square(&picture.into(), None, 4);
        assert_eq!(out.dimensions(), (4, 4));
        for (x, y) in [(0, 0), (1, 1), (3, 3)] {
            assert_eq!(out.get_pixel(x, y).0, [255, 255, 255]);
        }
        assert_eq!(out.get_pixel(2, 0).0, [127, 127, 127]);
        assert_eq!(out.get_pixel(0, 3).0, [255, 0, 0]);
    }

    #[test]
    fn a_camera_held_upside_down_is_put_right() {
        let picture = RgbImage::from_fn(16, 16, |_, y| image::Rgb(if y < 8 { [255, 0, 0] } else { [0, 0, 255] }));
        let mut jpeg = Cursor::new(Vec::new());
        picture.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        // An EXIF segment after the first marker: one entry, orientation (0x112) = 3, half a turn.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
        let mut turned = vec![0xff, 0xd8, 0xff, 0xe1, 0, exif.len() as u8 + 2];
        turned.extend(exif);
        turned.extend(&jpeg.get_ref()[2..]);
        let out = square(&read_picture(&turned, "photo.png").unwrap(), None, 16); // the name is not believed
        assert!(out.get_pixel(8, 2).0[2] > 200 && out.get_pixel(8, 13).0[0] > 200, "{:?}", out.get_pixel(8, 2));
        // Without its end it is no picture any more.
        let e = read_picture(&turned[..turned.len() - 2], "photo.png").unwrap_err().to_string();
        assert_eq!(e, "photo.png: is damaged or cut short (the end of the picture is missing)");
    }

    #[test]
    fn thin_pictures_are_enlarged() {
        let out = square(&RgbaImage::from_pixel(300, 1, Rgba([9, 9, 9, 255])).into(), None, 16);
        assert_eq!((out.dimensions(), out.get_pixel(7, 7).0), ((16, 16), [9, 9, 9]));
    }

    #[test]
    fn crops_stay_inside() {
        assert_eq!(Crop::middle(9, 4), Crop { x: 2, y: 0, side: 4 });
        assert_eq!(Crop::around(100, 50, [1.0, 0.0], 2.0), Crop { x: 75, y: 0, side: 25 });
        assert_eq!(Crop::around(100, 50, [0.5, 0.5], 1e9), Crop { x: 49, y: 24, side: 1 });
        assert_eq!(Crop::around(100, 50, [0.25, 0.5], 0.1), Crop { x: 0, y: 0, side: 50 });
        let picture = RgbImage::from_fn(6, 4, |x, y| image::Rgb([x as u8, y as u8, 0])).into();
        let out = square(&picture, Some(Crop { x: 4, y: 1, side: 2 }), 2);
        assert_eq!((out.get_pixel(0, 0).0, out.get_pixel(1, 1).0), ([4, 1, 0], [5, 2, 0]));
        let out = square(&picture, Some(Crop { x: 90, y: 90, side: 90 }), 4);
        assert_eq!(out.get_pixel(0, 0).0, [2, 0, 0]);
    }

    #[test]
    fn what_is_no_picture_is_one_sentence() {
        for (bytes, says) in
            [(&b""[..], "a.png: is empty (0 bytes)"), (b"words", "a.png: is not a picture this program reads")]
        {
            let e = read_picture(bytes, "a.png").unwrap_err();
            assert!(e.is_bad_input() && e.to_string().starts_with(says), "{e}");
        }
    }
}
