//! The square of a picture that the models read.

use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

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
    let opaque = on_white(part);
    if cut == side { opaque } else { imageops::resize(&opaque, side, side, FilterType::Lanczos3) }
}

fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8(); // as it is, where it is RGB
    }
    let rgba = picture.into_rgba8();
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
}
