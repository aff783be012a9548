//! What lies over the app: what this is, the keys, messages.

use eframe::egui::{self, Rect, Ui};

use crate::app::input::action::Action;
use crate::app::input::commands::COMMANDS;
use crate::app::panels::facts::Facts;
use crate::app::panels::theme;
use crate::app::panels::tour::{self, Place};
use crate::app::state::message::Message;

/// The keys.
fn keys(ctx: &egui::Context, out: &mut Vec<Action>) {
    let mut open = true;
    egui::Window::new("Keys")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(egui::Align2::CENTER_CENTER, [0.0, 0.0])
        .show(ctx, |ui| {
            let room = (ui.ctx().content_rect().height() - 120.0).max(100.0);
            egui::ScrollArea::vertical().max_height(room).min_scrolled_height(room).show(ui, |ui| {
                egui::Grid::new("keys").num_columns(2).spacing([18.0, 4.0]).striped(true).show(ui, |ui| {
                    for (k, about) in COMMANDS.iter().flat_map(|c| c.keys.iter().map(|k| (k, c.about))) {
                        ui.label(egui::RichText::new(k.label).monospace().strong());
                        ui.label(about);
                        ui.end_row();
                    }
                    ui.label(egui::RichText::new("Tab").monospace().strong());
                    ui.label("to the next control; arrow keys then move it");
                    ui.end_row();
                    if !crate::platform::CLOSES {
                        ui.label(egui::RichText::new("F6").monospace().strong());
                        ui.label("to the page's text panel and back");
                        ui.end_row();
                    }
                });
            });
        });
    if !open {
        out.push(Action::Keys(false));
    }
}

/// What this is, whose work it is, and where it runs.
fn about(ctx: &egui::Context, f: &Facts<'_>, out: &mut Vec<Action>) {
    let mut open = true;
    let width = (ctx.content_rect().width() - 48.0).min(540.0);
    egui::Window::new("About")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .default_width(width)
        .anchor(egui::Align2::CENTER_CENTER, [0.0, 0.0])
        .show(ctx, |ui| {
            let room = (ui.ctx().content_rect().height() - 120.0).max(100.0);
            egui::ScrollArea::vertical().max_height(room).min_scrolled_height(room).show(ui, |ui| about_text(ui, f));
        });
    if !open {
        out.push(Action::About(false));
    }
}

fn about_text(ui: &mut Ui, f: &Facts<'_>) {
    ui.label(egui::RichText::new("DPAR: dynamic patchification for autoregressive image generation").strong());
    ui.label(
        "An image model of this kind draws token after token, like a language model writes. Most tokens of a picture are \
         easy to guess: more sky, more background. DPAR lets a small entropy model say how uncertain each next token is, \
         merges the predictable ones into patches, and runs its large transformer once a patch instead of once a token.",
    );
    ui.hyperlink_to("The paper (arXiv 2512.21867)", "https://arxiv.org/abs/2512.21867");
    ui.separator();
    egui::Grid::new("about").num_columns(2).spacing([14.0, 4.0]).show(ui, |ui| {
        let mut line = |name: &str, value: String| {
            ui.label(theme::small(name));
            ui.add(egui::Label::new(value).wrap());
            ui.end_row();
        };
        let c = f.config;
        line("version", env!("CARGO_PKG_VERSION").into());
        line("runs on", f.device.clone());
        if let Some(why) = f.fallback {
            line("why no GPU", why.into());
        }
        line("window drawn with", f.renderer.into());
        line("self-test", f.selfcheck.unwrap_or("not run yet").into());
        line("model", format!("{} ({})", f.source, f.hash.unwrap_or("not loaded")));
        line(
            "pictures",
            format!(
                "{0} x {0} pixels, {1} x {1} tokens, {2} codes, {3} classes",
                c.image_size(),
                c.grid(),
                c.vocab(),
                c.num_classes()
            ),
        );
        if let Some(d) = &c.dpar {
            line(
                "DPAR",
                format!(
                    "{} + {} + {} layers, {} wide",
                    d.n_local_encoder_layers, d.n_layer, d.n_local_decoder_layers, d.dim
                ),
            );
        }
        if let Some(e) = &c.entropy {
            line("entropy model", format!("{} layers, {} wide, unconditional", e.n_layer, e.dim));
        }
        if let Some(b) = &c.baseline {
            line("baseline", format!("{} layers, {} wide, one step a token", b.n_layer, b.dim));
        }
    });
    ui.separator();
    ui.label(egui::RichText::new("Data, licences, attributions").strong());
    ui.label(theme::small(include_str!("../../../NOTICE")));
}

/// A message that stays until it is put away.
pub fn message(ui: &mut Ui, message: &Message, out: &mut Vec<Action>) {
    egui::Frame::new().fill(ui.visuals().warn_fg_color.gamma_multiply(0.22)).inner_margin(6.0).corner_radius(4.0).show(
        ui,
        |ui| {
            ui.horizontal_wrapped(|ui| {
                ui.label(egui::RichText::new(&message.text).color(ui.visuals().strong_text_color()));
                for (label, action) in &message.offers {
                    if ui.button(*label).clicked() {
                        // It is answered.
                        out.extend([Action::Dismiss, action.clone()]);
                    }
                }
                if ui.button("OK").on_hover_text("Put this away (Esc)").clicked() {
                    out.push(Action::Dismiss);
                }
            });
        },
    );
}

/// What lies over everything: tour, keys, about. `places`: where the parts of the window are.
pub fn show(ctx: &egui::Context, f: &Facts<'_>, places: &[(Place, Rect)], out: &mut Vec<Action>) {
    if f.keys {
        keys(ctx, out);
    }
    if f.about {
        about(ctx, f, out);
    }
    if let Some(stop) = f.tour {
        let place = tour::STOPS.get(stop).map(|s| s.place);
        let target = places.iter().find(|(p, _)| Some(*p) == place).map(|(_, rect)| *rect);
        let screen = ctx.content_rect();
        tour::show(ctx, stop, target.map(|r| r.intersect(screen)).filter(Rect::is_positive), out);
    }
    if ctx.input(|i| !i.raw.hovered_files.is_empty()) {
        let painter = ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
        let screen = ctx.content_rect();
        painter.rect_filled(screen, 0.0, egui::Color32::from_black_alpha(160));
        painter.text(
            screen.center(),
            egui::Align2::CENTER_CENTER,
            "Let go: a picture's patches are shown, a model is opened",
            egui::FontId::proportional(22.0),
            egui::Color32::WHITE,
        );
    }
}
