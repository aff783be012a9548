//! One token under the magnifying glass: what the models thought, what was drawn, and the patch it fell into.

use eframe::egui::{self, Ui};

use crate::app::input::action::Action;
use crate::app::panels::facts::{Facts, ShownPicture};
use crate::app::panels::theme;
use crate::app::state::own::Attend;
use crate::app::state::picture::{Source, why};

/// Shows the inspected token, or what to do to see one.
pub fn show(ui: &mut Ui, f: &Facts<'_>, shown: &ShownPicture<'_>, out: &mut Vec<Action>) {
    attention(ui, f, out);
    let (picture, patches) = (shown.picture, &shown.patches);
    let Some(token) = f.inspected.and_then(|t| picture.tokens.get(t)) else {
        ui.label(theme::small(
            "Point at a token of the picture to see what the models thought of it; click to keep it here.",
        ));
        return;
    };
    let (row, column) = (token.position / picture.grid, token.position % picture.grid);
    ui.label(egui::RichText::new(format!("Token {}", token.position)).strong().size(16.0));
    egui::Grid::new("token").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        let mut line = |name: &str, about: &str, value: String| {
            ui.label(theme::small(name)).on_hover_text(about);
            ui.label(value);
            ui.end_row();
        };
        line("place", "row and column on the token grid, from 0", format!("row {row}, column {column}"));
        line("code x_i", "its entry in the tokenizer's codebook", token.id.to_string());
        if let Some(e) = token.entropy {
            let side = if e > f.controls.threshold { "above \u{03B8}" } else { "below \u{03B8}" };
            let about = "Shannon entropy of the entropy model's distribution, known before the token is drawn";
            line("entropy e_i", about, format!("{e:.2} nats, {side}"));
        }
        if picture.source != Source::Run && !token.probability.is_finite() {
            line("drawn", "this image was read, not drawn", "no: read from your image".into());
        } else if picture.request.forced.get(token.position).is_some_and(Option::is_some) {
            line("drawn", "kept from your image", "no: given".into());
        } else if token.probability.is_finite() {
            let about = "after guidance and temperature, before top-k and top-p";
            line("probability", about, percent(token.probability));
            line(
                "rank",
                "how many tokens were more probable, plus one",
                format!("{} of {}", token.rank + 1, f.config.vocab()),
            );
        }
        if let Some(patch) = patches.list().get(patches.ids().get(token.position).copied().unwrap_or(usize::MAX)) {
            let place = token.position - patch.first + 1;
            line(
                "patch m",
                "number of its patch",
                format!("{} (token {place} of {})", patches.ids()[token.position], patch.len),
            );
            let first = picture.tokens.get(patch.first).and_then(|t| t.starts_patch);
            if let (false, Some(reason)) = (f.moved, first) {
                line("it began as", "why the patch begins where it does", why(reason).into());
            }
            let next = picture.tokens.get(patch.first + patch.len).and_then(|t| t.starts_patch);
            if let (false, Some(reason)) = (f.moved, next) {
                line("it ended as", "why the next patch begins", why(reason).into());
            }
        }
    });
    if !token.candidates.is_empty() {
        ui.label(theme::small("most probable tokens"));
        egui::Grid::new("candidates").num_columns(4).spacing([8.0, 3.0]).show(ui, |ui| {
            for (id, probability) in token.candidates.iter().take(6) {
                match f.tile(*id) {
                    Some((texture, uv)) => {
                        ui.add(egui::Image::new((texture, egui::vec2(20.0, 20.0))).uv(uv))
                            .on_hover_text("what this code looks like");
                    }
                    None => {
                        ui.label("");
                    }
                }
                let drawn = *id == token.id;
                ui.label(if drawn {
                    egui::RichText::new(id.to_string()).strong()
                } else {
                    egui::RichText::new(id.to_string())
                });
                ui.label(percent(*probability));
                ui.label(theme::small(if drawn { "drawn" } else { "" }));
                ui.end_row();
            }
        });
    }
}

/// Whose attention is shown.
fn attention(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    let Some(config) = &f.config.dpar else { return };
    ui.horizontal_wrapped(|ui| {
        let mut on = f.attend.is_some();
        let about = "Point at a token of a finished picture: patches that its patch attends to stay bright";
        if ui.checkbox(&mut on, "attention").on_hover_text(about).changed() {
            out.push(Action::Attend(on.then(Attend::default)));
        }
        let Some(attend) = f.attend else { return };
        let (mut layer, mut head) = (attend.layer, attend.head.map_or(0, |h| h + 1));
        ui.add(
            egui::DragValue::new(&mut layer).range(0..=config.n_layer.saturating_sub(1)).prefix("layer ").speed(0.05),
        )
        .on_hover_text("layer of the patch transformer");
        let text = |v: f64, _: std::ops::RangeInclusive<usize>| {
            if v < 1.0 { "all heads".to_owned() } else { format!("head {}", v as usize - 1) }
        };
        ui.add(egui::DragValue::new(&mut head).range(0..=config.n_head).speed(0.05).custom_formatter(text))
            .on_hover_text("head of that layer, or the average of all");
        let now = Attend { layer, head: head.checked_sub(1) };
        if now != attend {
            out.push(Action::Attend(Some(now)));
        }
    });
}

fn percent(p: f32) -> String {
    if p >= 0.0995 { format!("{:.0} %", 100.0 * p) } else { format!("{:.2} %", 100.0 * p) }
}
