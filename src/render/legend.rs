//! The words and keys around the panels.

use image::RgbImage;

use super::palette::{LIGHT, LINE, MUTED, TEXT, heat, length_colour};
use super::panels::{self, fill, swatch};
use super::text::Type;
use crate::patching::{Mode, Patch, PatchRule};

/// Text sizes in pixels.
pub const TITLE: f32 = 34.0;
/// Captions, keys, footer.
pub const BODY: f32 = 25.0;

/// Height in pixels of the key under a panel.
pub const KEY_HEIGHT: u32 = 108;
const ROW: u32 = 38;

/// A panel's title at the left, a remark at the right as far as there is room.
pub fn title(image: &mut RgbImage, text: &Type, (x, y): (u32, u32), width: u32, title: &str, remark: &str) {
    let (left, top) = (x as f32, y as f32);
    text.draw(image, left, top, TITLE, TEXT, title);
    let room = width as f32 - text.width(title, TITLE) - BODY;
    let remark = text.fit(remark, BODY, room);
    // Baselines, not line boxes, have to agree; the ascent is 0.8 of the size in this font.
    text.draw_right(image, left + width as f32, top + 0.8 * (TITLE - BODY), BODY, MUTED, &remark);
}

/// One line of explanation.
pub fn caption(image: &mut RgbImage, text: &Type, (x, y): (u32, u32), width: u32, words: &str) {
    let words = text.fit(words, BODY, width as f32);
    text.draw(image, x as f32, y as f32, BODY, MUTED, &words);
}

/// Patch lengths: a swatch per class of lengths with how many patches have it.
pub fn lengths(
    image: &mut RgbImage,
    text: &Type,
    (x, y): (u32, u32),
    width: u32,
    patches: &[Patch],
    classes: &[(usize, usize)],
) {
    caption(image, text, (x, y), width, "Tokens in a patch, and how many patches hold so many");
    let columns = 4;
    let step = width / columns;
    for (n, class) in classes.iter().enumerate() {
        let (column, row) = (n as u32 % columns, n as u32 / columns);
        let (sx, sy) = (x + column * step, y + ROW + row * ROW);
        swatch(image, (sx, sy + 2), (34, 26), length_colour(class.1, classes));
        // The last class also takes what is longer: a foreign trace may hold more than its P_max allows.
        let last = n + 1 == classes.len();
        let count = patches.iter().filter(|p| p.len >= class.0 && (last || p.len <= class.1)).count();
        let name = if class.0 == class.1 { class.0.to_string() } else { format!("{}–{}", class.0, class.1) };
        let left = (sx + 44) as f32;
        text.draw(image, left, sy as f32, BODY, TEXT, &name);
        let after = left + text.width(&name, BODY) + 10.0;
        let count = text.fit(&format!("× {count}"), BODY, (sx + step) as f32 - after);
        text.draw(image, after, sy as f32, BODY, MUTED, &count);
    }
}

/// The entropy ramp from 0 to `max` nats, with the threshold where the rule has one.
pub fn colour_bar(
    image: &mut RgbImage,
    text: &Type,
    (x, y): (u32, u32),
    width: u32,
    max: f32,
    vocab: usize,
    rule: &PatchRule,
) {
    let (bar_top, bar_height) = (y + ROW, 26);
    fill(image, (x, bar_top), (width, bar_height), LINE);
    for dx in 1..width.saturating_sub(1) {
        fill(image, (x + dx, bar_top + 1), (1, bar_height - 2), heat(dx as f32 / width as f32));
    }
    let bounds = (x as f32, (x + width) as f32);
    let at = |nats: f32| bounds.0 + (nats / max).clamp(0.0, 1.0) * width as f32;
    let label_top = (bar_top + bar_height + 8) as f32;

    let end = format!("ln {vocab} = {max:.2}");
    let end_left = bounds.1 - text.width(&end, BODY);
    text.draw(image, end_left, label_top, BODY, MUTED, &end);
    let step = [0.1, 0.2, 0.5, 1.0, 2.0].into_iter().find(|s| max / s <= 12.0).unwrap_or(5.0);
    let mut nats = 0.0;
    while nats < max {
        let label = if step < 1.0 { format!("{nats:.1}") } else { format!("{nats:.0}") };
        let half = text.width(&label, BODY) / 2.0;
        if nats > 0.0 {
            fill(image, (at(nats) as u32, bar_top + bar_height), (1, 6), MUTED);
        }
        if at(nats) + half + 16.0 < end_left {
            text.draw_centred(image, at(nats), bounds, label_top, BODY, MUTED, &label);
        }
        nats += step;
    }

    if has_threshold(rule) {
        let beyond = match rule.threshold {
            t if t > max => " (never reached)",
            t if t < 0.0 => " (always exceeded)",
            _ => "",
        };
        let label = format!("threshold {}{beyond}", number(rule.threshold));
        text.draw_centred(image, at(rule.threshold), bounds, y as f32, BODY, TEXT, &label);
        // Three pixels, light between dark: seen on either end of the ramp.
        let left = (at(rule.threshold) as u32).clamp(x + 2, (x + width).saturating_sub(3)) - 2;
        fill(image, (left, bar_top - 6), (5, bar_height + 6), super::palette::DARK);
        fill(image, (left + 1, bar_top - 6), (3, bar_height + 6), LIGHT);
    }
}

/// Explains the dot of [`panels::entropy`]; right-aligned on a panel's title line.
pub fn dot_key(image: &mut RgbImage, text: &Type, (x, y): (u32, u32), width: u32, radius: f32) {
    let words = "above the threshold";
    let top = y as f32 + 0.8 * (TITLE - BODY);
    let right = (x + width) as f32;
    text.draw_right(image, right, top, BODY, MUTED, words);
    let dot_x = right - text.width(words, BODY) - 14.0;
    panels::dot(image, dot_x, top + BODY * 0.58, radius);
}

/// Whether the rule looks at entropies at all.
pub fn has_threshold(rule: &PatchRule) -> bool {
    matches!(rule.mode, Mode::Entropy | Mode::EntropyRowBoundary)
}

/// A number as short as it is exact to three decimals.
pub fn number(value: f32) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A footer's items, cut into lines that fit `width` pixels. Each item is (name, value); one that is wider than a whole
/// line is shortened to it.
pub fn footer_lines(text: &Type, items: &[(String, String)], width: f32) -> Vec<Vec<(String, String)>> {
    let mut lines: Vec<Vec<(String, String)>> = Vec::new();
    let mut used = 0.0;
    for (name, value) in items {
        let name = text.fit(name, BODY, width / 4.0);
        let room = width - text.width(&name, BODY) - NAME_GAP;
        let value = text.fit(value, BODY, room);
        let wide = item_width(text, &name, &value);
        match lines.last_mut() {
            Some(line) if used + wide <= width => line.push((name, value)),
            _ => {
                used = 0.0;
                lines.push(vec![(name, value)]);
            }
        }
        used += wide + ITEM_GAP;
    }
    lines
}

const NAME_GAP: f32 = 8.0;
const ITEM_GAP: f32 = 36.0;

/// Height in pixels of a footer line.
pub const FOOTER_LINE: u32 = 36;

fn item_width(text: &Type, name: &str, value: &str) -> f32 {
    text.width(name, BODY) + NAME_GAP + text.width(value, BODY)
}

/// Draws what [`footer_lines`] made.
pub fn footer(image: &mut RgbImage, text: &Type, (x, y): (u32, u32), lines: &[Vec<(String, String)>]) {
    for (n, line) in lines.iter().enumerate() {
        let top = (y + n as u32 * FOOTER_LINE) as f32;
        let mut left = x as f32;
        for (name, value) in line {
            text.draw(image, left, top, BODY, MUTED, name);
            text.draw(image, left + text.width(name, BODY) + NAME_GAP, top, BODY, TEXT, value);
            left += item_width(text, name, value) + ITEM_GAP;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footer_breaks_lines_and_loses_nothing() {
        let text = Type::new().unwrap();
        let items: Vec<(String, String)> = (0..20).map(|i| (format!("name{i}"), format!("value{i}"))).collect();
        let lines = footer_lines(&text, &items, 700.0);
        assert!(lines.len() > 1);
        assert_eq!(lines.concat(), items);
        for line in &lines {
            let wide: f32 = line.iter().map(|(n, v)| item_width(&text, n, v)).sum();
            assert!(wide + ITEM_GAP * (line.len() - 1) as f32 <= 700.0);
        }
    }

    #[test]
    fn a_value_wider_than_the_sheet_is_shortened() {
        let text = Type::new().unwrap();
        let lines = footer_lines(&text, &[("class".into(), "very-long-".repeat(99))], 700.0);
        let (name, value) = &lines[0][0];
        assert!(item_width(&text, name, value) <= 700.0 && value.contains('…'));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([5.2, 5.0, 2.525_07, 0.0].map(number), ["5.2", "5", "2.525", "0"]);
    }
}
