//! A person's picture file -> the square the tokenizer reads. Whatever is in the file, it ends as a picture or as one
//! sentence: sizes are refused before anything is decoded.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use dpar::model::Tokenizer;
use dpar::model::pixels::rgb_to_tensor;
use dpar::{Error, Result};
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use pollster::block_on;

/// Most pixels a side.
const MAX_SIDE: u32 = 16_384;
/// Most pixels in all.
const MAX_PIXELS: u64 = 100_000_000;
/// Most bytes of a decoded picture: 100 megapixels of 16-bit colour would be more.
const MAX_BYTES: u64 = 512 << 20;

/// Reads a picture, cuts its middle square out and resizes it to `side` pixels.
///
/// The camera's orientation is respected, transparency is laid on white, of an animation the first frame is taken.
///
/// # Errors
/// [`Error::Image`].
pub fn read_square(path: &Path, side: usize) -> Result<RgbImage> {
    let file = path.display().to_string();
    let bad = |problem: String| Error::Image { file: file.clone(), problem };
    let found = path.metadata().map_err(|e| bad(format!("cannot be read ({e})")))?;
    if found.is_dir() {
        return Err(bad("is a folder, not a picture".into()));
    }
    if found.is_file() && found.len() == 0 {
        return Err(bad("is empty (0 bytes)".into()));
    }
    let picture = decode(path).map_err(|e| bad(explain(e)))?;
    Ok(square(picture, side as u32))
}

/// Its tokens, in raster order.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn encode(tokenizer: &Tokenizer, picture: &RgbImage, device: &burn::tensor::Device) -> Result<Vec<u32>> {
    let (width, height) = picture.dimensions();
    let pixels = rgb_to_tensor(picture.as_raw(), height as usize, width as usize, device)?;
    block_on(tokenizer.encode(pixels))
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

fn decode(path: &Path) -> Result<DynamicImage, Refusal> {
    // By content and not by name: a JPEG called .png is read, a text called .png is "not a picture".
    let file = File::open(path).map_err(ImageError::from)?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(ImageError::from)?;
    if reader.format() == Some(ImageFormat::Jpeg) && is_cut_jpeg(path).map_err(ImageError::from)? {
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
fn is_cut_jpeg(path: &Path) -> std::io::Result<bool> {
    if std::fs::metadata(path)?.len() > MAX_BYTES {
        return Ok(false); // the decoder refuses it for its size
    }
    let bytes = std::fs::read(path)?;
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|w| w == marker);
    Ok(last([0xff, 0xd9]) < last([0xff, 0xda]))
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

fn square(picture: DynamicImage, side: u32) -> RgbImage {
    let (width, height) = (picture.width(), picture.height());
    let cut = width.min(height);
    let middle = picture.crop_imm((width - cut) / 2, (height - cut) / 2, cut, cut);
    // On white before resizing: afterwards the hidden colours of transparent pixels would have bled into the rest.
    let opaque = on_white(&middle);
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
        let out = square(picture.into(), 4);
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
        let mut jpeg = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        // An EXIF segment after the first marker: one entry, orientation (0x112) = 3, half a turn.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
        let mut turned = vec![0xff, 0xd8, 0xff, 0xe1, 0, exif.len() as u8 + 2];
        turned.extend(exif);
        turned.extend(&jpeg.get_ref()[2..]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photo.png"); // the name is not believed
        std::fs::write(&path, turned).unwrap();
        let out = read_square(&path, 16).unwrap();
        assert!(out.get_pixel(8, 2).0[2] > 200 && out.get_pixel(8, 13).0[0] > 200, "{:?}", out.get_pixel(8, 2));
    }

    #[test]
    fn thin_pictures_are_enlarged() {
        let out = square(RgbaImage::from_pixel(300, 1, Rgba([9, 9, 9, 255])).into(), 16);
        assert_eq!((out.dimensions(), out.get_pixel(7, 7).0), ((16, 16), [9, 9, 9]));
    }
}
