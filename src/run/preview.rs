//! Pictures of what is drawn so far.

use image::RgbImage;

/// A picture of the tokens drawn so far.
#[derive(Clone, Debug)]
pub struct Preview {
    /// How many tokens it shows; the rest is a guess that viewers cover.
    pub tokens: usize,
    /// The decoded picture.
    pub image: RgbImage,
}

/// The first codes of a picture (raster order, `grid` a row) and a guess for the rest, `total` in all: undrawn codes
/// repeat the one above them (the newest one in the first row), so that the drawn part is decoded next to something like
/// itself. Viewers cover the guess.
pub fn fill_undrawn(mut codes: Vec<u32>, grid: usize, total: usize) -> Vec<u32> {
    while codes.len() < total {
        let at = codes.len();
        codes.push(if at >= grid { codes[at - grid] } else { codes.last().copied().unwrap_or(0) });
    }
    codes
}
