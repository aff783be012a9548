//! Words on pictures, in the font that egui uses.

use std::borrow::Cow;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use super::palette::mix;
use crate::error::{Error, Result};

/// The font, ready to measure and draw.
pub struct Type {
    font: FontRef<'static>,
}

impl Type {
    /// Opens the built-in font.
    ///
    /// # Errors
    /// [`Error::Internal`]: the font is part of the program, only a damaged build can fail.
    pub fn new() -> Result<Self> {
        let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT)
            .map_err(|e| Error::Internal(format!("the built-in font cannot be read ({e})")))?;
        Ok(Self { font })
    }

    /// `text` with words where the font has no letters: a file's name may be in any script, and boxes say nothing.
    pub fn readable<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let has = |c: char| printable(c) == ' ' || self.font.glyph_id(c).0 != 0;
        if text.chars().all(has) {
            return Cow::Borrowed(text);
        }
        let mut plain = String::with_capacity(text.len());
        let mut missing: Option<&str> = None;
        for c in text.chars() {
            // Letters are told from emoji and signs, and what only joins or varies others is neither.
            let kind = if c.is_alphanumeric() { "(other letters)" } else { "(emoji)" };
            match (has(c), missing) {
                (true, _) => {
                    plain.push_str(missing.take().unwrap_or_default());
                    plain.push(c);
                }
                (false, None) => missing = Some(kind),
                (false, Some(_)) if c.is_alphanumeric() => missing = Some(kind),
                (false, Some(_)) => {}
            }
        }
        plain.push_str(missing.unwrap_or_default());
        Cow::Owned(plain)
    }

    /// Width of `text` at `size` pixels.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        let font = self.font.as_scaled(PxScale::from(size));
        let mut before = None;
        let mut width = 0.0;
        for c in text.chars() {
            let id = font.glyph_id(printable(c));
            width += before.map_or(0.0, |b| font.kern(b, id)) + font.h_advance(id);
            before = Some(id);
        }
        width
    }

    /// `text`, or as much of its beginning and end as fits `room` pixels, with an ellipsis between: class names differ
    /// at both ends, so neither may be lost.
    pub fn fit(&self, text: &str, size: f32, room: f32) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let shortened = |keep: usize| {
            let tail = keep / 3;
            let head: String = chars[..keep - tail].iter().collect();
            let end: String = chars[chars.len() - tail..].iter().collect();
            format!("{}…{}", head.trim_end(), end.trim_start())
        };
        // Width grows with `keep`, so the longest that fits can be searched by halving.
        let (mut fits, mut too_long) = (0, chars.len());
        while too_long - fits > 1 {
            let keep = usize::midpoint(fits, too_long);
            if self.width(&shortened(keep), size) <= room {
                fits = keep;
            } else {
                too_long = keep;
            }
        }
        shortened(fits)
    }

    /// Draws `text` with its left end at `x` and its line box (as tall as `size`) at `top`, all in pixels.
    pub fn draw(&self, image: &mut RgbImage, x: f32, top: f32, size: f32, colour: Rgb<u8>, text: &str) {
        let font = self.font.as_scaled(PxScale::from(size));
        let mut at = point(x, top + font.ascent());
        let mut before = None;
        for c in text.chars() {
            let id = font.glyph_id(printable(c));
            at.x += before.map_or(0.0, |b| font.kern(b, id));
            before = Some(id);
            let glyph = id.with_scale_and_position(PxScale::from(size), at);
            at.x += font.h_advance(id);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                let (px, py) = (corner.x + dx as f32, corner.y + dy as f32);
                if px < 0.0 || py < 0.0 {
                    return;
                }
                if let Some(pixel) = image.get_pixel_mut_checked(px as u32, py as u32) {
                    // The light cut of the font looks thin as a picture: lift the half-covered edges a little.
                    *pixel = mix(*pixel, colour, cover.powf(0.8));
                }
            });
        }
    }

    /// As [`Type::draw`], with the right end at `x`.
    pub fn draw_right(&self, image: &mut RgbImage, x: f32, top: f32, size: f32, colour: Rgb<u8>, text: &str) {
        self.draw(image, x - self.width(text, size), top, size, colour, text);
    }

    /// As [`Type::draw`], centred on `x` but kept between `low` and `high`.
    #[allow(clippy::too_many_arguments, reason = "a text call reads best as one flat line")]
    pub fn draw_centred(
        &self,
        image: &mut RgbImage,
        x: f32,
        (low, high): (f32, f32),
        top: f32,
        size: f32,
        colour: Rgb<u8>,
        text: &str,
    ) {
        let width = self.width(text, size);
        let left = (x - width / 2.0).min(high - width).max(low);
        self.draw(image, left, top, size, colour, text);
    }
}

/// Line breaks and tabs have no glyph; in a one-line label they are spaces.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn font_has_every_sign_the_sheets_use() {
        let t = Type::new().unwrap();
        for c in "abcXYZ0189 .,:;-–×…·>≤()/%=".chars() {
            assert_ne!(t.font.glyph_id(c).0, 0, "no glyph for {c:?}");
        }
    }

    #[test]
    fn what_the_font_cannot_write_is_said_in_words() {
        let t = Type::new().unwrap();
        for (text, readable) in [
            ("red apple, 1.5 naïve", "red apple, 1.5 naïve"),
            ("\u{5199}\u{771F}.jpg", "(other letters).jpg"),
            ("my \u{1F431}\u{FE0F}\u{200D}\u{1F4BB} cat.png", "my (emoji) cat.png"),
            ("\u{0645}\u{0631} \u{1F600}", "(other letters) (emoji)"),
        ] {
            assert_eq!(t.readable(text), readable);
        }
    }

    #[test]
    fn fit_keeps_short_text_and_shortens_long_text_to_the_room() {
        let t = Type::new().unwrap();
        assert_eq!(t.fit("cat", 20.0, 100.0), "cat");
        let long = "a-class-name-that-goes-on-".repeat(20);
        for room in [30.0, 100.0, 333.0] {
            let short = t.fit(&long, 20.0, room);
            assert!(t.width(&short, 20.0) <= room, "{short}");
            assert!(short.contains('…') && short.starts_with('a'), "{short}");
        }
    }

    #[test]
    fn drawing_past_the_edges_is_safe_and_draws_inside() {
        let t = Type::new().unwrap();
        let mut image = RgbImage::new(30, 20);
        t.draw(&mut image, -10.0, -5.0, 24.0, Rgb([255; 3]), "WWWWWW");
        assert!(image.pixels().any(|p| p.0[0] > 200));
        assert!(t.width("WWWWWW", 24.0) > t.width("WWW", 24.0));
    }
}
