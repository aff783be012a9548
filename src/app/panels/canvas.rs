//! The picture, its patches and entropies on the screen, and the token under the pointer.

use eframe::egui::{
    self, Color32, CornerRadius, Mesh, Pos2, Rect, Response, Sense, Shape, Stroke, StrokeKind, Ui, pos2, vec2,
};

use crate::analysis::Region;
use crate::app::panels::theme;
use crate::app::state::picture::Picture;
use crate::patching::{Patch, Patches};
use crate::render::palette;

/// How long a new patch flashes, in seconds.
const FLASH: f64 = 0.45;
/// Cells smaller than this have no outlines of single tokens inside patches.
const SMALL: f32 = 5.0;
/// In cells smaller than this an outline would hide the picture: patches have their first edge only.
const TINY: f32 = 7.0;

/// What is shown over the picture.
pub struct Look<'a> {
    /// Tokens shown.
    pub drawn: usize,
    /// Patch outlines.
    pub grid: bool,
    /// Entropies as colours.
    pub heat: bool,
    /// The patches to outline (those of the moved threshold, where it is moved).
    pub patches: &'a Patches,
    /// P_max, for the colours of lengths.
    pub longest: usize,
    /// The token in the inspector.
    pub selected: Option<usize>,
    /// Weight by which the patch in the inspector attends to each patch before it.
    pub attention: Option<&'a [f32]>,
    /// The part of the own image that is kept.
    pub kept: Option<&'a Region>,
    /// Seconds, for flashes.
    pub now: f64,
    /// Whether the next token is being drawn.
    pub running: bool,
}

/// What the pointer does on the canvas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pointed {
    /// The token under it.
    pub hovered: Option<usize>,
    /// The token that was clicked or tapped.
    pub clicked: Option<usize>,
}

/// Shows a picture in a square as large as fits into `side` points.
pub fn show(
    ui: &mut Ui,
    side: f32,
    picture: &Picture,
    texture: Option<&egui::TextureHandle>,
    heat: Option<&egui::TextureHandle>,
    look: &Look<'_>,
    name: &str,
) -> (Response, Pointed) {
    // A whole number of screen pixels a cell, so that grid lines are equally thick.
    let pixels = ui.ctx().pixels_per_point();
    let cell = ((side * pixels / picture.grid as f32).floor().max(1.0)) / pixels;
    let side = cell * picture.grid as f32;
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    let painter = ui.painter_at(rect.expand(2.0));
    let cells = CanvasCells { rect, cell, grid: picture.grid };
    painter.rect_filled(rect, CornerRadius::ZERO, theme::undrawn(ui.visuals()));
    hatch(&painter, &cells, look.drawn, theme::hatching(ui.visuals()));
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    if let Some(texture) = texture {
        painter.image(texture.id(), rect, whole, Color32::WHITE);
    }
    if let (true, Some(heat)) = (look.heat, heat) {
        painter.image(heat.id(), rect, whole, Color32::from_white_alpha(if look.grid { 190 } else { 215 }));
    }
    if let Some(weights) = look.attention {
        attention(&painter, &cells, look.patches, weights);
    }
    if look.grid {
        outlines(&painter, &cells, look);
    }
    flashes(&painter, &cells, picture, look);
    if look.running && look.drawn < picture.total() {
        let r = cells.of(look.drawn).expand(1.0);
        painter.rect_stroke(r, CornerRadius::same(1), Stroke::new(2.5, Color32::BLACK), StrokeKind::Outside);
        painter.rect_stroke(r, CornerRadius::same(1), Stroke::new(1.5, theme::CURRENT), StrokeKind::Outside);
    }
    if let Some(kept) = look.kept {
        dim_outside(&painter, &cells, kept);
    }
    if let Some(token) = look.selected.filter(|t| *t < look.drawn) {
        let r = cells.of(token);
        painter.rect_stroke(r, CornerRadius::ZERO, Stroke::new(3.0, Color32::BLACK), StrokeKind::Outside);
        painter.rect_stroke(r, CornerRadius::ZERO, Stroke::new(1.5, Color32::WHITE), StrokeKind::Outside);
    }
    let at = |p: Option<Pos2>| p.and_then(|p| cells.at(p)).filter(|t| *t < look.drawn);
    let hovered = at(response.hover_pos());
    let clicked = response.clicked().then(|| at(response.interact_pointer_pos())).flatten();
    (response, Pointed { hovered, clicked })
}

/// Where tokens lie on the screen.
struct CanvasCells {
    rect: Rect,
    cell: f32,
    grid: usize,
}

impl CanvasCells {
    fn of(&self, token: usize) -> Rect {
        let (row, column) = (token / self.grid, token % self.grid);
        let corner = self.rect.min + vec2(column as f32 * self.cell, row as f32 * self.cell);
        Rect::from_min_size(corner, vec2(self.cell, self.cell))
    }

    fn at(&self, p: Pos2) -> Option<usize> {
        let (column, row) = ((p.x - self.rect.min.x) / self.cell, (p.y - self.rect.min.y) / self.cell);
        let inside = |v: f32| v >= 0.0 && (v as usize) < self.grid;
        (inside(column) && inside(row)).then(|| row as usize * self.grid + column as usize)
    }

    /// The pieces of a patch, one a row it touches, with whether its first and last token lie in the piece.
    fn pieces(&self, patch: &Patch) -> impl Iterator<Item = (Rect, bool, bool)> + '_ {
        let (first, end) = (patch.first, patch.first + patch.len);
        (first / self.grid..end.div_ceil(self.grid)).map(move |row| {
            let (from, to) = (first.max(row * self.grid), end.min((row + 1) * self.grid));
            let rect = self.of(from).union(self.of(to - 1));
            (rect, from == first, to == end)
        })
    }
}

/// Diagonal lines where nothing is drawn yet.
fn hatch(painter: &egui::Painter, cells: &CanvasCells, drawn: usize, colour: Color32) {
    let rows = drawn / cells.grid..cells.grid;
    for row in rows {
        let first = (row * cells.grid).max(drawn);
        if first >= (row + 1) * cells.grid {
            continue;
        }
        let strip = cells.of(first).union(cells.of((row + 1) * cells.grid - 1));
        let clip = painter.with_clip_rect(strip.intersect(painter.clip_rect()));
        let step = 8.0;
        let (low, high) = (strip.min.x - strip.height(), strip.max.x);
        let mut x = (low / step).floor() * step;
        while x < high {
            let line = [pos2(x, strip.max.y), pos2(x + strip.height(), strip.min.y)];
            clip.line_segment(line, Stroke::new(1.0, colour));
            x += step;
        }
    }
}

/// Outlines of patches, coloured by length: dark outside, coloured inside, so that one stands out on any picture.
fn outlines(painter: &egui::Painter, cells: &CanvasCells, look: &Look<'_>) {
    let longest = if look.longest == 0 { cells.grid } else { look.longest };
    let classes = palette::length_classes(longest);
    let (mut dark, mut bright) = (Mesh::default(), Mesh::default());
    let pixel = 1.0 / painter.ctx().pixels_per_point();
    let (outer, inner) = if cells.cell < SMALL * 2.0 { (pixel, pixel) } else { (pixel, 1.6) };
    for patch in look.patches.list() {
        if patch.first >= look.drawn {
            break;
        }
        let len = patch.len.min(look.drawn - patch.first);
        let colour = theme::rgb(palette::length_colour(len, &classes));
        for (rect, begins, ends) in cells.pieces(&Patch { len, ..patch }) {
            if cells.cell < TINY {
                let edge = Rect::from_min_max(rect.min, pos2(rect.min.x + pixel, rect.max.y));
                bright.add_colored_rect(edge, if begins { colour } else { Color32::TRANSPARENT });
                continue;
            }
            frame(&mut dark, rect, outer, begins, ends, Color32::from_black_alpha(200));
            frame(&mut bright, rect.shrink(outer), inner, begins, ends, colour);
        }
    }
    painter.add(Shape::mesh(dark));
    painter.add(Shape::mesh(bright));
}

/// The four sides of a rectangle as bars inside it; the left one only where the patch begins, the right one where it ends.
fn frame(mesh: &mut Mesh, r: Rect, width: f32, begins: bool, ends: bool, colour: Color32) {
    let width = width.min(r.width() / 2.0).min(r.height() / 2.0);
    let mut bar = |min: Pos2, max: Pos2| mesh.add_colored_rect(Rect::from_min_max(min, max), colour);
    bar(r.min, pos2(r.max.x, r.min.y + width));
    bar(pos2(r.min.x, r.max.y - width), r.max);
    if begins {
        bar(pos2(r.min.x, r.min.y + width), pos2(r.min.x + width, r.max.y - width));
    }
    if ends {
        bar(pos2(r.max.x - width, r.min.y + width), pos2(r.max.x, r.max.y - width));
    }
}

/// New patches light up for a moment.
fn flashes(painter: &egui::Painter, cells: &CanvasCells, picture: &Picture, look: &Look<'_>) {
    let list = picture.patches.list();
    for (first, born) in &picture.flashes {
        let left = 1.0 - (look.now - born) / FLASH;
        let at = list.partition_point(|p| p.first < *first);
        let Some(patch) = list.get(at).filter(|p| p.first == *first && left > 0.0 && p.first < look.drawn) else {
            continue;
        };
        for (rect, ..) in cells.pieces(patch) {
            painter.rect_filled(rect, CornerRadius::ZERO, Color32::from_white_alpha((left * 150.0) as u8));
        }
    }
}

/// Whether a flash is still to be seen.
pub fn is_flashing(picture: &Picture, now: f64) -> bool {
    picture.flashes.iter().any(|(_, born)| now - born < FLASH)
}

/// What is not kept of an own image is dimmed.
fn dim_outside(painter: &egui::Painter, cells: &CanvasCells, kept: &Region) {
    let mut mesh = Mesh::default();
    for token in (0..cells.grid * cells.grid).filter(|t| !kept.holds(*t, cells.grid)) {
        mesh.add_colored_rect(cells.of(token), Color32::from_black_alpha(70));
    }
    painter.add(Shape::mesh(mesh));
}

/// Patches that the inspected patch attends to, the brighter the more; the rest is dimmed.
fn attention(painter: &egui::Painter, cells: &CanvasCells, patches: &Patches, weights: &[f32]) {
    let most = weights.iter().copied().fold(1e-6, f32::max);
    for (patch, weight) in patches.list().iter().zip(weights) {
        let strength = (weight / most).sqrt();
        let colour = Color32::from_black_alpha(((1.0 - strength) * 170.0) as u8);
        for (rect, ..) in cells.pieces(patch) {
            painter.rect_filled(rect, CornerRadius::ZERO, colour);
            if strength > 0.5 {
                painter.rect_stroke(
                    rect,
                    CornerRadius::ZERO,
                    Stroke::new(2.0 * strength, theme::CURRENT),
                    StrokeKind::Inside,
                );
            }
        }
    }
}
