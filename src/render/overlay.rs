//! A picture, its patches and its entropies side by side, with keys and facts.

use image::RgbImage;
use image::imageops;

use super::legend::{KEY_HEIGHT, TITLE};
use super::palette::{BACKGROUND, LINE};
use super::panels::{self, Cells, MAX_GRID, Pen, longest_patch};
use super::text::Type;
use super::{legend, palette};
use crate::error::{Error, Result};
use crate::patching::{Mode, PatchRule, Patches};

/// Empty pixels around a sheet.
pub(super) const MARGIN: u32 = 36;
/// Empty pixels between panels.
const GAP: u32 = 32;

/// Everything an overlay shows.
#[derive(Clone, Copy, Debug)]
pub struct OverlayInput<'a> {
    /// The decoded picture, g*f pixels a side (other sizes are resampled).
    pub picture: &'a RgbImage,
    /// Entropy of every token drawn so far, in nats. (T, or fewer: the rest is shown as not drawn)
    pub entropies: &'a [f32],
    /// Their patches.
    pub patches: &'a Patches,
    /// The rule that made the patches; its grid is the picture's.
    pub rule: &'a PatchRule,
    /// Codebook entries V: entropy colours end at ln V nats, so that sheets of one model compare.
    pub vocab: usize,
    /// What else the footer says, first, as (name, value): class, seed, file, ...
    pub labels: &'a [(&'a str, String)],
}

/// Three panels side by side: the picture, its patches, the entropy of its tokens; keys below, facts in the footer.
///
/// # Errors
/// [`Error::Internal`] for a grid of no tokens or more than 256 a row, an empty picture, or a damaged built-in font.
pub fn overlay(input: &OverlayInput) -> Result<RgbImage> {
    let rule = input.rule;
    if !(1..=MAX_GRID).contains(&rule.grid) || input.picture.width() == 0 || input.picture.height() == 0 {
        return Err(Error::Internal(format!("no overlay can show an empty picture or {} tokens a row", rule.grid)));
    }
    let text = Type::new()?;
    let cells = Cells::new(rule.grid, input.picture.width());
    let tokens = (rule.grid * rule.grid) as usize;
    let drawn = input.entropies.len().min(input.patches.starts().len()).min(tokens);
    let entropies = &input.entropies[..drawn];
    let patches = Patches::from_starts(input.patches.starts()[..drawn].to_vec(), rule.grid);
    let list = patches.list();
    let classes = palette::length_classes(longest_patch(rule));
    let max_nats = (input.vocab.max(2) as f32).ln();
    let side = cells.side();

    let mut picture = panels::picture(input.picture, cells);
    let mut grid = picture.clone();
    let mut heat = picture.clone();
    panels::patches(&mut grid, cells, &list, &classes, Pen::of(cells));
    let threshold = if legend::has_threshold(rule) { rule.threshold } else { f32::INFINITY };
    panels::entropy(&mut heat, cells, entropies, max_nats, threshold);
    for panel in [&mut picture, &mut grid, &mut heat] {
        panels::hatch_undrawn(panel, cells, drawn);
    }

    let width = 2 * MARGIN + 3 * side + 2 * GAP;
    let footer = legend::footer_lines(&text, &facts(input, &text, tokens, &patches), (width - 2 * MARGIN) as f32);
    let panel_top = MARGIN + TITLE as u32 + 14;
    let key_top = panel_top + side + 18;
    let rule_top = key_top + KEY_HEIGHT + 14;
    let footer_top = rule_top + 20;
    let height = footer_top + footer.len() as u32 * legend::FOOTER_LINE + MARGIN - 10;
    let mut sheet = RgbImage::from_pixel(width, height, BACKGROUND);

    let left = |n: u32| MARGIN + n * (side + GAP);
    for (n, panel) in [&picture, &grid, &heat].into_iter().enumerate() {
        let x = left(n as u32);
        panels::fill(&mut sheet, (x - 1, panel_top - 1), (side + 2, side + 2), LINE);
        imageops::replace(&mut sheet, panel, i64::from(x), i64::from(panel_top));
    }

    let size = format!("{} × {} pixels", input.picture.width(), input.picture.height());
    legend::title(&mut sheet, &text, (left(0), MARGIN), side, "Picture", &size);
    legend::caption(&mut sheet, &text, (left(0), key_top), side, &token_caption(input, drawn, tokens));

    let average = format!("{:.2} tokens each on average", patches.average_length());
    let title = format!("{} patches", list.len());
    legend::title(&mut sheet, &text, (left(1), MARGIN), side, &title, &average);
    legend::lengths(&mut sheet, &text, (left(1), key_top), side, &list, &classes);

    legend::title(&mut sheet, &text, (left(2), MARGIN), side, "Entropy in nats", "");
    if legend::has_threshold(rule) {
        legend::dot_key(&mut sheet, &text, (left(2), MARGIN), side, panels::dot_radius(cells));
    }
    legend::colour_bar(&mut sheet, &text, (left(2), key_top), side, max_nats, input.vocab, rule);

    panels::fill(&mut sheet, (MARGIN, rule_top), (width - 2 * MARGIN, 1), LINE);
    legend::footer(&mut sheet, &text, (MARGIN, footer_top), &footer);
    Ok(sheet)
}

fn token_caption(input: &OverlayInput, drawn: usize, tokens: usize) -> String {
    let grid = input.rule.grid;
    let (w, h) = input.picture.dimensions();
    let size = if w.is_multiple_of(grid) && h.is_multiple_of(grid) {
        format!(", each {} × {} pixels", w / grid, h / grid)
    } else {
        String::new()
    };
    let progress = if drawn < tokens { format!("; {drawn} drawn, the hatched ones not yet") } else { String::new() };
    format!("{grid} × {grid} tokens{size}{progress}")
}

/// The footer: the caller's labels, then the rule, then what came of it.
fn facts(input: &OverlayInput, text: &Type, tokens: usize, patches: &Patches) -> Vec<(String, String)> {
    let rule = input.rule;
    let drawn = patches.starts().len();
    let mut facts: Vec<(String, String)> =
        input.labels.iter().map(|(n, v)| ((*n).to_owned(), text.readable(v).into_owned())).collect();
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    if legend::has_threshold(rule) {
        add("threshold", format!("{} nats", legend::number(rule.threshold)));
    }
    add("mode", rule.mode.name().to_owned());
    if rule.mode != Mode::Token {
        let most = rule.max_patch_length;
        add("patch limit", if most == 0 { "none".to_owned() } else { format!("{most} tokens") });
    }
    add("tokens", if drawn < tokens { format!("{drawn} of {tokens}") } else { tokens.to_string() });
    add("patches", patches.count().to_string());
    add("average length", format!("{:.2} tokens", patches.average_length()));
    facts
}
