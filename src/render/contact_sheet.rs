//! Many pictures as one.

use image::{RgbImage, imageops};

use super::palette::BACKGROUND;

/// Contact sheets are enlarged to at most this many pixels a side: 200 MB in memory, and every viewer opens it.
pub const MAX_SHEET: u32 = 8192;

/// The largest `scale` that [`contact_sheet`] does not lower, for `count` pictures of `side` pixels; 1 at least.
pub fn largest_scale(count: usize, columns: usize, side: u32) -> u32 {
    let (columns, rows) = shape(count, columns);
    let most = |n: usize| (MAX_SHEET / side.max(1)).checked_div(n as u32).unwrap_or(0);
    most(columns).min(most(rows)).max(1)
}

/// How many columns and rows `count` pictures make.
fn shape(count: usize, columns: usize) -> (usize, usize) {
    let columns = if columns == 0 { (count as f64).sqrt().ceil() as usize } else { columns };
    let columns = columns.clamp(1, count.max(1));
    (columns, count.div_ceil(columns).max(1))
}

/// Pictures in rows of `columns` (0: about as many columns as rows), each `scale` times as large, `gap` pixels apart
/// and around. Pixels stay pixels; a picture smaller than the largest is centred in its place. Where the sheet would be
/// more than 8192 pixels a side, `scale` is lowered (to 1 at least) and then `gap` is 1.
pub fn contact_sheet(pictures: &[RgbImage], columns: usize, scale: u32, gap: u32) -> RgbImage {
    let wide = pictures.iter().map(RgbImage::width).max().unwrap_or(0).max(1);
    let high = pictures.iter().map(RgbImage::height).max().unwrap_or(0).max(1);
    let scale = scale.min(largest_scale(pictures.len(), columns, wide.max(high))).max(1);
    let (columns, rows) = shape(pictures.len(), columns);
    let across = |n: usize, side: u32| n as u64 * u64::from(side * scale) + (n as u64 + 1) * u64::from(gap);
    let gap = if across(columns, wide).max(across(rows, high)) > u64::from(MAX_SHEET) { 1 } else { gap };
    let across = |n: usize, side: u32| n as u32 * (side * scale + gap) + gap;
    let mut sheet = RgbImage::from_pixel(across(columns, wide), across(rows, high), BACKGROUND);
    for (n, picture) in pictures.iter().enumerate() {
        let (w, h) = (picture.width() * scale, picture.height() * scale);
        let large = imageops::resize(picture, w, h, imageops::FilterType::Nearest);
        let x = gap + (n % columns) as u32 * (wide * scale + gap) + (wide * scale - w) / 2;
        let y = gap + (n / columns) as u32 * (high * scale + gap) + (high * scale - h) / 2;
        imageops::replace(&mut sheet, &large, i64::from(x), i64::from(y));
    }
    sheet
}
