//! One frame of a run under way: what is drawn, its patches, and hatching where nothing is yet.

use image::RgbImage;

use super::palette::{LIGHT, length_classes};
use super::panels::{self, Cells, MAX_GRID, Pen, longest_patch};
use crate::error::{Error, Result};
use crate::patching::{PatchRule, Patches};

/// Light, with thin lines: the picture is what forms, the grid lies on it.
const PEN: Pen = Pen { cover: 0.1, stroke: 1 };

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct FrameInput<'a> {
    /// The decoded picture; what it shows of undrawn tokens is hatched.
    pub picture: &'a RgbImage,
    /// The patches of the run, also those that are not drawn yet; `None` shows no grid.
    pub patches: Option<&'a Patches>,
    /// The rule that made them: its grid is the picture's, its limit fixes the colours.
    pub rule: &'a PatchRule,
    /// Tokens drawn so far.
    pub drawn: usize,
}

/// Draws a moment, `grid * cell` pixels a side; until the run is over its newest patch has a light outline.
///
/// # Errors
/// [`Error::Internal`] for a grid of no tokens or more than 256 a row, cells of no pixels, or an empty picture.
pub fn frame(input: &FrameInput, cell: u32) -> Result<RgbImage> {
    let grid = input.rule.grid;
    if !(1..=MAX_GRID).contains(&grid) || !(1..=64).contains(&cell) || input.picture.is_empty() {
        return Err(Error::Internal(format!("no frame can show an empty picture, or {grid} tokens of {cell} pixels")));
    }
    let cells = Cells { grid, size: cell };
    let mut panel = panels::picture(input.picture, cells);
    if let Some(patches) = input.patches {
        let drawn = input.drawn.min(patches.starts().len());
        let begun = Patches::from_starts(patches.starts()[..drawn].to_vec(), grid).list();
        let classes = length_classes(longest_patch(input.rule));
        panels::patches(&mut panel, cells, &begun, &classes, PEN);
        if let Some(newest) = begun.last().filter(|_| drawn < patches.starts().len()) {
            panels::mark(&mut panel, cells, newest, LIGHT, Pen { stroke: 2, ..PEN });
        }
    }
    panels::hatch_undrawn(&mut panel, cells, input.drawn);
    Ok(panel)
}
