//! The three panels of an overlay: the picture, the patches on it, the entropy of its tokens.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::palette::{BACKGROUND, DARK, LIGHT, LINE, desaturate, heat, length_colour, mix};
use crate::patching::{Mode, Patch, PatchRule};

/// The largest grid a panel can show; the models end at 64.
pub(super) const MAX_GRID: u32 = 256;

/// A panel's least side in pixels.
const MIN_SIDE: u32 = 768;

/// How much of the entropy colour covers the (grey) picture: enough to read a value, little enough to see the shape.
const HEAT_COVER: f32 = 0.82;
/// How much of the picture's contrast is left below the entropy colours: with all of it, the same entropy would look
/// like two values on a white and on a black background.
const HEAT_CONTRAST: f32 = 0.5;
const MID_GREY: Rgb<u8> = Rgb([128; 3]);
/// How much of a patch's colour covers the picture on an overlay.
const TINT_COVER: f32 = 0.30;

/// Where tokens lie on a panel.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    /// Grid side g.
    pub grid: u32,
    /// Pixels of a cell's side; a panel is `grid * size` wide.
    pub size: u32,
}

impl Cells {
    /// For a picture `side` pixels wide. A cell is a whole multiple of a token's pixels, so that every pixel of the
    /// picture becomes the same whole number of pixels on the panel; a picture too large for that is resampled.
    pub fn new(grid: u32, side: u32) -> Self {
        let least = MIN_SIDE.div_ceil(grid);
        let whole = least.next_multiple_of((side / grid).max(1));
        Self { grid, size: if whole <= 2 * least { whole } else { least } }
    }

    /// The panel's side in pixels.
    pub fn side(self) -> u32 {
        self.grid * self.size
    }

    /// The token under a panel pixel.
    fn token(self, x: u32, y: u32) -> usize {
        (y / self.size * self.grid + x / self.size) as usize
    }

    /// Thickness in pixels of each of an outline's two tones.
    pub fn stroke(self) -> u32 {
        self.size.div_ceil(24).clamp(1, 3)
    }
}

/// The picture on a panel: pixels stay pixels when they fit a whole number of times, else it is resampled.
pub fn picture(picture: &RgbImage, cells: Cells) -> RgbImage {
    let side = cells.side();
    let whole = side.is_multiple_of(picture.width().max(1)) && side.is_multiple_of(picture.height().max(1));
    let filter = if whole { FilterType::Nearest } else { FilterType::CatmullRom };
    imageops::resize(picture, side, side, filter)
}

/// Replaces every token from `drawn` on by diagonal lines: nothing there is a picture yet.
pub fn hatch_undrawn(panel: &mut RgbImage, cells: Cells, drawn: usize) {
    for (x, y, pixel) in panel.enumerate_pixels_mut() {
        if cells.token(x, y) >= drawn {
            *pixel = if (x + y) % 16 < 3 { LINE } else { mix(BACKGROUND, LINE, 0.15) };
        }
    }
}

/// How patches are drawn over a picture.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    /// How much of a patch's colour covers the picture.
    pub cover: f32,
    /// Thickness in pixels of each of an outline's two tones.
    pub stroke: u32,
}

impl Pen {
    /// An overlay's: colours that can be told apart at a glance.
    pub fn of(cells: Cells) -> Self {
        Self { cover: TINT_COVER, stroke: cells.stroke() }
    }
}

/// Tints and outlines every patch. A patch that wraps over row ends is drawn as several pieces, open at the breaks.
pub fn patches(panel: &mut RgbImage, cells: Cells, patches: &[Patch], classes: &[(usize, usize)], pen: Pen) {
    for patch in patches {
        let colour = length_colour(patch.len, classes);
        for piece in pieces(patch, cells.grid) {
            outline(panel, cells, &piece, colour, pen);
        }
    }
}

/// Outlines one patch in `colour`, over whatever outline it has.
pub fn mark(panel: &mut RgbImage, cells: Cells, patch: &Patch, colour: Rgb<u8>, pen: Pen) {
    for piece in pieces(patch, cells.grid) {
        outline(panel, cells, &piece, colour, Pen { cover: 0.0, ..pen });
    }
}

/// The part of a patch that lies in one row: columns `from..to`.
#[derive(Debug, PartialEq)]
pub struct Piece {
    row: u32,
    from: u32,
    to: u32,
    /// Whether the patch begins (ends) here; where not, that side stays open.
    begins: bool,
    ends: bool,
}

/// Cuts a patch at the ends of rows.
pub fn pieces(patch: &Patch, grid: u32) -> Vec<Piece> {
    let grid = grid as usize;
    let (first, end) = (patch.first, patch.first + patch.len);
    (first / grid..end.div_ceil(grid))
        .map(|row| Piece {
            row: row as u32,
            from: (first.max(row * grid) - row * grid) as u32,
            to: (end.min((row + 1) * grid) - row * grid) as u32,
            begins: first >= row * grid,
            ends: end <= (row + 1) * grid,
        })
        .collect()
}

fn outline(panel: &mut RgbImage, cells: Cells, piece: &Piece, colour: Rgb<u8>, Pen { cover, stroke }: Pen) {
    let (x0, x1) = (piece.from * cells.size, piece.to * cells.size);
    let (y0, y1) = (piece.row * cells.size, (piece.row + 1) * cells.size);
    for y in y0..y1.min(panel.height()) {
        for x in x0..x1.min(panel.width()) {
            let mut depth = (y - y0).min(y1 - 1 - y);
            if piece.begins {
                depth = depth.min(x - x0);
            }
            if piece.ends {
                depth = depth.min(x1 - 1 - x);
            }
            let pixel = panel.get_pixel_mut(x, y);
            // Dark outside, coloured inside: one of the two stands out on any picture.
            *pixel = if depth < stroke {
                DARK
            } else if depth < 2 * stroke {
                colour
            } else {
                mix(desaturate(*pixel, 0.4 * cover / TINT_COVER), colour, cover)
            };
        }
    }
}

/// Colours every token by its entropy (nats, scaled by `max`), over the picture in grey, with a dot on those above the
/// threshold.
pub fn entropy(panel: &mut RgbImage, cells: Cells, entropies: &[f32], max: f32, threshold: f32) {
    for (x, y, pixel) in panel.enumerate_pixels_mut() {
        if let Some(e) = entropies.get(cells.token(x, y)) {
            let grey = mix(MID_GREY, desaturate(*pixel, 1.0), HEAT_CONTRAST);
            *pixel = mix(grey, heat(e / max), HEAT_COVER);
        }
    }
    for (i, _) in entropies.iter().enumerate().filter(|(_, e)| **e > threshold) {
        let (column, row) = (i as u32 % cells.grid, i as u32 / cells.grid);
        let centre = |n: u32| n as f32 * cells.size as f32 + cells.size as f32 / 2.0;
        dot(panel, centre(column), centre(row), dot_radius(cells));
    }
}

/// Radius in pixels of the dot on tokens above the threshold.
pub fn dot_radius(cells: Cells) -> f32 {
    (cells.size as f32 / 11.0).clamp(2.0, 5.0)
}

/// A light dot with a dark rim, centred on (x, y), `radius` pixels without the rim.
pub fn dot(image: &mut RgbImage, x: f32, y: f32, radius: f32) {
    let reach = radius + 2.0;
    for py in (y - reach).max(0.0) as u32..=(y + reach).max(0.0) as u32 {
        for px in (x - reach).max(0.0) as u32..=(x + reach).max(0.0) as u32 {
            let far = (px as f32 + 0.5 - x).hypot(py as f32 + 0.5 - y);
            if let Some(pixel) = image.get_pixel_mut_checked(px, py) {
                let rim = mix(*pixel, DARK, radius + 2.0 - far);
                *pixel = mix(rim, LIGHT, radius + 0.5 - far);
            }
        }
    }
}

/// Fills a rectangle, clipped to the image.
pub fn fill(image: &mut RgbImage, (x, y): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
    for py in y..y.saturating_add(height).min(image.height()) {
        for px in x..x.saturating_add(width).min(image.width()) {
            image.put_pixel(px, py, colour);
        }
    }
}

/// A swatch that looks like a patch of this colour on the panel.
pub fn swatch(image: &mut RgbImage, (x, y): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
    fill(image, (x, y), (width, height), LINE);
    fill(image, (x + 1, y + 1), (width.saturating_sub(2), height.saturating_sub(2)), colour);
}

/// The longest patch that the rule allows, in tokens: it fixes the colours, so that sheets of one rule compare.
pub(super) fn longest_patch(rule: &PatchRule) -> usize {
    let grid = rule.grid as usize;
    let room = match rule.mode {
        Mode::Token => 1,
        Mode::EntropyRowBoundary => grid,
        Mode::Static | Mode::Entropy => grid * grid,
    };
    if rule.max_patch_length == 0 { room } else { room.min(rule.max_patch_length as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patching::Patches;
    use crate::render::palette;

    fn grey(cells: Cells) -> RgbImage {
        RgbImage::from_pixel(cells.side(), cells.side(), Rgb([128; 3]))
    }

    fn list(starts: &[u8], grid: u32) -> Vec<Patch> {
        Patches::from_starts(starts.iter().map(|s| *s == 1).collect(), grid).list()
    }

    #[test]
    fn cells_hold_whole_pixels_and_panels_are_large() {
        for (grid, f) in [(4, 2), (4, 16), (16, 4), (16, 16), (17, 8), (64, 2), (64, 16)] {
            let cells = Cells::new(grid, grid * f);
            assert!((MIN_SIDE..=2 * MIN_SIDE).contains(&cells.side()), "{grid} {f}: {cells:?}");
            assert!(cells.size.is_multiple_of(f));
        }
        assert_eq!(Cells::new(16, 4000).side(), MIN_SIDE, "large pictures do not make large sheets");
    }

    #[test]
    fn a_line_between_patches_and_none_inside() {
        let cells = Cells { grid: 4, size: 40 };
        let mut panel = grey(cells);
        let row = list(&[1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], 4);
        let classes = palette::length_classes(4);
        patches(&mut panel, cells, &row, &classes, Pen::of(cells));
        let middle = |x: u32| *panel.get_pixel(x, 20);
        let inside = mix(Rgb([128; 3]), length_colour(2, &classes), TINT_COVER);
        // Tokens 1 and 2 are one patch: columns 40..120. No line at 80, lines at both ends.
        for x in 50..110 {
            assert_eq!(middle(x), inside, "x = {x}");
        }
        for x in [39, 40, 119, 120] {
            assert_eq!(middle(x), DARK, "x = {x}");
        }
        assert_eq!(middle(40 + cells.stroke()), length_colour(2, &classes));
        assert_ne!(middle(20), inside, "lengths 1 and 2 look the same");
    }

    #[test]
    fn wrapped_patches_are_open_at_the_break() {
        // Tokens 2..6 on a grid of 4: columns 2 and 3 of row 0, columns 0 and 1 of row 1.
        let patch = list(&[1, 0, 1, 0, 0, 0, 1, 0], 4)[1];
        let cut = pieces(&patch, 4);
        assert_eq!(cut.len(), 2);
        assert_eq!(cut[0], Piece { row: 0, from: 2, to: 4, begins: true, ends: false });
        assert_eq!(cut[1], Piece { row: 1, from: 0, to: 2, begins: false, ends: true });
        let cells = Cells { grid: 4, size: 40 };
        let mut panel = grey(cells);
        patches(&mut panel, cells, &[patch], &palette::length_classes(4), Pen::of(cells));
        assert_ne!(*panel.get_pixel(159, 20), DARK);
        assert_ne!(*panel.get_pixel(0, 60), DARK);
        assert_eq!(*panel.get_pixel(80, 20), DARK);
        assert_eq!(*panel.get_pixel(79, 60), DARK);
        // A patch that ends exactly at a row's end is one closed piece.
        let whole = list(&[1, 0, 0, 0, 1, 0, 0, 0], 4)[0];
        assert_eq!(pieces(&whole, 4), [Piece { row: 0, from: 0, to: 4, begins: true, ends: true }]);
    }

    #[test]
    fn undrawn_tokens_are_hatched_and_drawn_ones_untouched() {
        let cells = Cells { grid: 4, size: 40 };
        let mut panel = grey(cells);
        hatch_undrawn(&mut panel, cells, 6);
        let grey_in = |column: u32, row: u32| {
            let view = imageops::crop_imm(&panel, column * 40, row * 40, 40, 40).to_image();
            view.pixels().filter(|p| p.0 == [128; 3]).count()
        };
        assert_eq!(grey_in(1, 1), 1600, "token 5 is drawn");
        assert_eq!(grey_in(2, 1), 0, "token 6 is not");
        let colours: std::collections::BTreeSet<_> = (80..120).map(|x| panel.get_pixel(x, 60).0).collect();
        assert_eq!(colours.len(), 2, "hatching has lines and gaps");
    }

    #[test]
    fn entropy_marks_only_tokens_above_the_threshold() {
        let cells = Cells { grid: 4, size: 40 };
        let mut panel = grey(cells);
        let mut nats = [1.0; 16];
        nats[5] = 3.0;
        entropy(&mut panel, cells, &nats, 6.0, 2.0);
        assert_eq!(*panel.get_pixel(60, 60), LIGHT);
        assert_eq!(*panel.get_pixel(100, 60), mix(Rgb([128; 3]), heat(1.0 / 6.0), HEAT_COVER));
        assert!(palette::luma(*panel.get_pixel(45, 45)) > palette::luma(*panel.get_pixel(85, 45)));
    }
}
