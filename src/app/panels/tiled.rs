//! Many pictures side by side: the wall and the strip.

use eframe::egui::{self, Rect, Ui, vec2};

use crate::app::input::action::Action;
use crate::app::panels::canvas::{self, Look};
use crate::app::panels::facts::{Facts, ShownTiles};
use crate::app::panels::theme;
use crate::checkpoint::config::Generator;
use crate::run::many::Many;

/// Between two pictures, and room for a line of text under each.
const GAP: f32 = 10.0;
const TEXT: f32 = 18.0;
/// Pictures narrower than this have room for less text.
const SHORT: f32 = 150.0;

/// Shows them as large as they fit, in the middle of the room or (`scrolls`) at its top; a click makes one the picture. Where
/// they are.
pub fn show(
    ui: &mut Ui,
    room: egui::Vec2,
    scrolls: bool,
    f: &Facts<'_>,
    tiles: &ShownTiles<'_>,
    out: &mut Vec<Action>,
) -> Rect {
    let count = tiles.pictures.len();
    let (columns, side) = fitting(room, count);
    let rows = count.div_ceil(columns);
    let (width, height) = (columns as f32 * (side + GAP) - GAP, rows as f32 * (side + TEXT + GAP) - GAP);
    if !scrolls {
        ui.add_space(((room.y - height) / 2.0).max(0.0));
    }
    let mut place = Rect::NOTHING;
    for row in 0..rows {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing = vec2(GAP, 2.0);
            ui.add_space(((room.x - width) / 2.0 - GAP).max(0.0));
            for n in row * columns..count.min((row + 1) * columns) {
                place = place.union(tile(ui, side, f, tiles, n, out));
            }
        });
        ui.add_space(GAP - 2.0);
    }
    place
}

/// How many columns, and how large a picture: whatever makes them largest.
fn fitting(room: egui::Vec2, count: usize) -> (usize, f32) {
    let side = |columns: usize| {
        let (columns, rows) = (columns as f32, count.div_ceil(columns) as f32);
        ((room.x - GAP * (columns - 1.0)) / columns).min((room.y - GAP * (rows - 1.0)) / rows - TEXT)
    };
    let best = (1..=count.max(1)).max_by(|a, b| side(*a).total_cmp(&side(*b))).unwrap_or(1);
    (best, side(best).max(24.0))
}

fn tile(ui: &mut Ui, side: f32, f: &Facts<'_>, tiles: &ShownTiles<'_>, n: usize, out: &mut Vec<Action>) -> Rect {
    let shown = &tiles.pictures[n];
    let picture = shown.picture;
    let differs = tiles.difference && n != tiles.many.asked();
    let look = Look {
        drawn: picture.tokens.len(),
        grid: f.settings.grid && picture.request.generator == Generator::Dpar && !differs,
        heat: f.settings.heat && !differs,
        patches: &shown.patches,
        longest: picture.request.controls.p_max as usize,
        selected: None,
        attention: None,
        kept: None,
        now: f.now,
        running: !picture.is_done(),
    };
    let (image, heat) = f.textures.tile_shown(n);
    let drawn = ui.vertical(|ui| {
        ui.set_width(side);
        let (response, _) = canvas::show(ui, side, picture, image, heat, &look, &shown.title);
        let text = if side < SHORT { &shown.short } else { &shown.title };
        ui.add(egui::Label::new(theme::small(text)).truncate());
        response
    });
    let response =
        drawn.inner.on_hover_text("Make this one the picture").on_hover_cursor(egui::CursorIcon::PointingHand);
    if response.clicked() {
        out.push(Action::Tile(n));
    }
    drawn.response.rect
}

/// The figures of all of them.
pub fn figures(ui: &mut Ui, tiles: &ShownTiles<'_>, out: &mut Vec<Action>) {
    let title = match tiles.many {
        Many::Wall(count) => format!("Wall of {count}"),
        Many::Strip(span) => format!("One seed, thresholds {span} nats apart"),
    };
    ui.label(egui::RichText::new(title).strong());
    ui.label(theme::small("Click a picture to make it the one."));
    if matches!(tiles.many, Many::Strip(_)) {
        let mut difference = tiles.difference;
        if ui
            .checkbox(&mut difference, "differences")
            .on_hover_text("How each finished picture differs from the middle one: white is no difference")
            .changed()
        {
            out.push(Action::Difference(difference));
        }
    }
    egui::Grid::new("tiles").num_columns(3).spacing([12.0, 3.0]).striped(true).show(ui, |ui| {
        for name in [if matches!(tiles.many, Many::Wall(_)) { "seed" } else { "\u{03B8}" }, "patches", "tokens each"] {
            ui.label(theme::small(name));
        }
        ui.end_row();
        for shown in &tiles.pictures {
            ui.label(match tiles.many {
                Many::Wall(_) => shown.picture.request.seed.to_string(),
                Many::Strip(_) => format!("{:.2}", shown.threshold),
            });
            ui.label(shown.patches.count().to_string());
            ui.label(format!("{:.2}", shown.patches.average_length()));
            ui.end_row();
        }
    });
    if let (Some(ms), by) = tiles.time {
        let name = by.map_or("time", |by| by.name());
        ui.label(theme::small(format!("{name}: {ms:.2} ms a token of one picture")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_as_large_as_they_fit() {
        for (room, count, columns) in
            [((900.0, 900.0), 9, 3), ((900.0, 900.0), 16, 4), ((1200.0, 300.0), 5, 5), ((300.0, 1600.0), 5, 1)]
        {
            let (found, side) = fitting(vec2(room.0, room.1), count);
            assert_eq!(found, columns, "{room:?} {count}");
            let rows = count.div_ceil(found) as f32;
            assert!(side * found as f32 <= room.0 && (side + TEXT) * rows <= room.1, "{room:?} {count}: {side}");
        }
    }
}
