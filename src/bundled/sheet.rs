//! Many small pictures of one size in one PNG: codebook looks, class thumbnails, the frames of a recording.

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, Limits, RgbImage, imageops};

use crate::error::{Error, Result};

/// Where the tiles of a sheet lie: in rows of `columns`, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetLayout {
    /// Pixels of a tile's side.
    pub side: u32,
    /// Tiles in a row.
    pub columns: u32,
    /// Tiles in all; places after the last one are black.
    pub count: u32,
}

impl SheetLayout {
    /// As many columns as rows, or one more.
    pub fn square(side: u32, count: u32) -> Self {
        Self { side, columns: f64::from(count).sqrt().ceil().max(1.0) as u32, count }
    }

    /// Width and height of the sheet in pixels.
    pub fn size(self) -> (u32, u32) {
        let columns = self.columns.max(1);
        (columns * self.side, self.count.div_ceil(columns).max(1) * self.side)
    }

    /// The upper left pixel of tile `n`.
    pub fn corner(self, n: u32) -> (u32, u32) {
        let columns = self.columns.max(1);
        (n % columns * self.side, n / columns * self.side)
    }
}

/// A sheet in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    layout: SheetLayout,
    pixels: RgbImage,
}

impl Sheet {
    /// Lays tiles out; larger ones are cut, smaller ones leave black.
    pub fn of(tiles: &[RgbImage], side: u32, columns: u32) -> Self {
        let layout = SheetLayout { side, columns: columns.max(1), count: tiles.len() as u32 };
        let (width, height) = layout.size();
        let mut pixels = RgbImage::new(width, height);
        for (n, tile) in (0u32..).zip(tiles) {
            let (x, y) = layout.corner(n);
            let tile = imageops::crop_imm(tile, 0, 0, side, side);
            imageops::replace(&mut pixels, &*tile, i64::from(x), i64::from(y));
        }
        Self { layout, pixels }
    }

    /// Reads a PNG that [`Sheet::png`] wrote. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are no PNG of exactly the size of `layout`.
    pub fn parse(png: &[u8], file: &str, layout: SheetLayout) -> Result<Self> {
        let bad = |problem: String| Error::Image { file: file.to_owned(), problem };
        let broken = |e| bad(format!("is not a whole PNG ({e}); copy or download it again"));
        let mut limits = Limits::default();
        limits.max_alloc = Some(256 << 20);
        let decoder = PngDecoder::with_limits(Cursor::new(png), limits).map_err(broken)?;
        let (found, expected) = (decoder.dimensions(), layout.size());
        if found != expected {
            return Err(bad(format!(
                "is {} x {} pixels, {} pictures of {} x {} in rows of {} are {} x {}: it belongs to another model",
                found.0, found.1, layout.count, layout.side, layout.side, layout.columns, expected.0, expected.1
            )));
        }
        let pixels = DynamicImage::from_decoder(decoder).map_err(broken)?.into_rgb8();
        Ok(Self { layout, pixels })
    }

    /// Where its tiles lie.
    pub fn layout(&self) -> SheetLayout {
        self.layout
    }

    /// All tiles side by side: what a GPU texture wants.
    pub fn pixels(&self) -> &RgbImage {
        &self.pixels
    }

    /// Tile `n`; `None` where the sheet has no such tile.
    pub fn tile(&self, n: usize) -> Option<RgbImage> {
        let n = u32::try_from(n).ok().filter(|n| *n < self.layout.count)?;
        let ((x, y), side) = (self.layout.corner(n), self.layout.side);
        Some(imageops::crop_imm(&self.pixels, x, y, side, side).to_image())
    }

    /// The sheet as a PNG file, as small as the encoder can: it is made once and loaded often.
    ///
    /// # Errors
    /// [`Error::Internal`]: pictures in memory can always be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = self.pixels.dimensions();
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(self.pixels.as_raw(), width, height, ExtendedColorType::Rgb8)
            .map_err(|e| Error::Internal(format!("a picture cannot be encoded as PNG ({e})")))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn tiles(count: u8, side: u32) -> Vec<RgbImage> {
        (0..count).map(|n| RgbImage::from_fn(side, side, |x, y| Rgb([n, x as u8, y as u8]))).collect()
    }

    #[test]
    fn tiles_come_back_as_they_were() {
        for (count, columns) in [(1, 1), (5, 2), (6, 3), (7, 8)] {
            let tiles = tiles(count, 4);
            let sheet = Sheet::of(&tiles, 4, columns);
            let read = Sheet::parse(&sheet.png().unwrap(), "s.png", sheet.layout()).unwrap();
            assert_eq!(read, sheet);
            for (n, tile) in tiles.iter().enumerate() {
                assert_eq!(read.tile(n).as_ref(), Some(tile));
            }
            assert_eq!(read.tile(tiles.len()), None);
            assert_eq!(read.tile(usize::MAX), None);
        }
        assert_eq!(SheetLayout::square(4, 1024).size(), (128, 128));
        assert_eq!(SheetLayout::square(4, 1025).size(), (132, 128));
        assert_eq!(Sheet::of(&[], 4, 0).pixels().dimensions(), (4, 4));
    }

    #[test]
    fn other_sizes_and_broken_files_are_refused() {
        let sheet = Sheet::of(&tiles(5, 4), 4, 2);
        let png = sheet.png().unwrap();
        let e = Sheet::parse(&png, "s.png", SheetLayout { count: 7, ..sheet.layout() }).unwrap_err().to_string();
        assert!(e.starts_with("s.png: is 8 x 12 pixels, 7 pictures of 4 x 4 in rows of 2 are 8 x 16"), "{e}");
        for broken in [&png[..0], &png[..20], &png[..png.len() / 2], b"not a picture"] {
            let e = Sheet::parse(broken, "s.png", sheet.layout()).unwrap_err();
            assert!(e.is_bad_input() && e.to_string().starts_with("s.png: is not a whole PNG"), "{e}");
        }
    }
}
