//! Pictures as files.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::error::{Error, Result};

/// A picture as a PNG file.
///
/// # Errors
/// [`Error::Internal`]: pictures in memory can always be encoded.
pub fn png_bytes(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::Internal(format!("a picture cannot be encoded as PNG ({e})")))?;
    Ok(png.into_inner())
}
