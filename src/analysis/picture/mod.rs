//! A person's picture file -> the square the tokenizer reads. Whatever is in the file, it ends as a picture or as one
//! sentence: sizes are refused before anything is decoded.

mod colour;
mod declared;
mod formats;
mod jpeg;
mod refusal;
mod square;

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use self::jpeg::{DecodedJpeg, JpegPixels};
pub use self::refusal::MAX_BYTES;
use self::refusal::{Refusal, is_within_limits};
pub use self::square::{Crop, square};
use crate::error::{Error, Result};

/// A picture that was read.
#[derive(Clone, Debug)]
pub struct PictureRead {
    /// Upright, its colours in sRGB.
    pub image: DynamicImage,
    /// What the person should know about it: sentences that begin with the file.
    pub notes: Vec<String>,
}

/// Decodes a picture file (PNG, JPEG, WebP, GIF, BMP), by its content; `name` is for messages.
///
/// The camera's orientation is respected, colour profiles are converted to sRGB, of an animation the first frame is taken.
/// A JPEG over the limits is read at a half, a quarter or an eighth of its size.
///
/// # Errors
/// [`Error::Image`].
pub fn read_picture(bytes: &[u8], name: &str) -> Result<PictureRead> {
    let bad = |problem: String| Error::Image { file: name.to_owned(), problem };
    if bytes.is_empty() {
        return Err(bad("is empty (0 bytes)".into()));
    }
    let mut notes = Vec::new();
    let image = decode(bytes, &mut notes).map_err(|refusal| bad(refusal.sentence()))?;
    let notes = notes.into_iter().map(|note| bad(note.into()).to_string()).collect();
    Ok(PictureRead { image, notes })
}

const PARTIAL: &str = "a part of the picture is missing: it is grey or blurred here";
const PROFILE: &str =
    "its colour profile is damaged or of an unknown kind and was left out: colours may be a little off";
const DECLARED: &str = "it says in a way that is not read that its colours are not sRGB (cICP or gAMA of a PNG, the profile of a BMP): they may be a \
     little off";

fn decode(bytes: &[u8], notes: &mut Vec<&'static str>) -> Result<DynamicImage, Refusal> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Refusal::LongFile);
    }
    // By content and not by name: a JPEG called .png is read, a text called .png is "not a picture".
    let (mut picture, orientation) = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes, notes)?,
        Ok(format @ (ImageFormat::Png | ImageFormat::WebP | ImageFormat::Gif | ImageFormat::Bmp)) => {
            decode_other(bytes, format, notes)?
        }
        _ => return Err(Refusal::Foreign(formats::recognise(bytes))),
    };
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn decode_jpeg(bytes: &[u8], notes: &mut Vec<&'static str>) -> Result<(DynamicImage, Orientation), Refusal> {
    let DecodedJpeg { pixels, profile, orientation, is_partial } = jpeg::decode(bytes)?;
    if is_partial {
        notes.push(PARTIAL);
    }
    let picture = match pixels {
        JpegPixels::Light(mut picture) => {
            manage(&mut picture, profile.as_deref(), notes);
            picture
        }
        JpegPixels::Inks(width, height, inks) => {
            let (rgb, managed) = colour::inks_to_srgb(inks, profile.as_deref());
            if managed.is_err() {
                notes.push(PROFILE);
            }
            let short = || Refusal::Broken("its size is not that of its pixels".into());
            RgbImage::from_raw(width, height, rgb).ok_or_else(short)?.into()
        }
    };
    Ok((picture, orientation))
}

fn decode_other(
    bytes: &[u8],
    format: ImageFormat,
    notes: &mut Vec<&'static str>,
) -> Result<(DynamicImage, Orientation), Refusal> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // For a PNG this is the room for its texts and its profile, which may be packed bombs.
    let apart = (6 << 20) + 2 * bytes.len() as u64;
    limits.max_alloc = Some(if format == ImageFormat::Png { apart } else { MAX_BYTES });
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if !is_within_limits(width, height) || decoder.total_bytes() > MAX_BYTES {
        return Err(Refusal::TooLarge(width, height));
    }
    if !can_hold(bytes, format, width, height) {
        return Err(Refusal::hollow(bytes.len(), width, height));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile();
    let mut picture = DynamicImage::from_decoder(decoder)?;
    if format == ImageFormat::Bmp {
        show_all_transparent(&mut picture);
    }
    let means_others = match format {
        ImageFormat::Png => declared::png_means_others(bytes),
        ImageFormat::Bmp => declared::bmp_has_profile(bytes),
        _ => false,
    };
    if means_others {
        notes.push(DECLARED);
    }
    match profile {
        // The PNG decoder says nothing about a profile that it cannot unpack.
        Ok(None) if format != ImageFormat::Png || !declared::png_has_profile(bytes) => {}
        Ok(profile) => manage(&mut picture, Some(profile.as_deref().unwrap_or_default()), notes),
        Err(_) => notes.push(PROFILE),
    }
    Ok((picture, orientation))
}

fn manage(picture: &mut DynamicImage, profile: Option<&[u8]>, notes: &mut Vec<&'static str>) {
    if profile.is_some_and(|profile| colour::to_srgb(picture, profile).is_err()) {
        notes.push(PROFILE);
    }
}

/// Programs that know no transparency leave the fourth byte of a BMP's pixels at 0, also under headers that call it
/// alpha: a picture of which nothing would be seen is meant to be seen.
fn show_all_transparent(picture: &mut DynamicImage) {
    if let DynamicImage::ImageRgba8(picture) = picture
        && picture.pixels().all(|p| p.0[3] == 0)
    {
        picture.pixels_mut().for_each(|p| p.0[3] = 255);
    }
}

/// Whether so many bytes can be so many pixels, where the format bounds that: what is set aside for a picture follows
/// from its header, which may be damaged. (GIF and WebP pack without a bound; of a WebP the parts must be there.)
fn can_hold(bytes: &[u8], format: ImageFormat, width: u32, height: u32) -> bool {
    let byte = |at: usize| bytes.get(at).map_or(0, |b| u64::from(*b));
    let (have, pixels) = (bytes.len() as u64, u64::from(width) * u64::from(height));
    match format {
        ImageFormat::Png => {
            let channels = match byte(25) {
                2 => 3,
                4 => 2,
                6 => 4,
                _ => 1,
            };
            // Deflate packs at most 1032 : 1.
            pixels * channels * byte(24) / 8 <= 1032 * have
        }
        ImageFormat::Bmp => {
            let old = byte(14) == 12; // the OS/2 header
            let bits = if old { byte(24) } else { byte(28) };
            let packed = !old && matches!(byte(30), 1 | 2);
            // Packed, two bytes are a run of at most 255.
            if packed { pixels <= 128 * have } else { pixels * bits / 8 <= have }
        }
        ImageFormat::WebP => webp_chunks_end_within(bytes),
        _ => true,
    }
}

/// The decoder sets aside what a chunk says it has.
fn webp_chunks_end_within(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let [_, _, _, _, l0, l1, l2, l3, body @ ..] = rest {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        if length > body.len() {
            return false;
        }
        // Padded to an even length.
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests;
