//! What lies over the app: what this is, the keys, messages.

use eframe::egui::{self, Rect, Ui};

use crate::app::input::action::{Action, KEYS};
use crate::app::panels::facts::Facts;
use crate::app::panels::theme;
use crate::app::panels::tour;
use crate::app::state::app::App;

/// The keys.
pub fn keys(ctx: &egui::Context, out: &mut Vec<Action>) {
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
                    for k in KEYS {
                        ui.label(egui::RichText::new(k.label).monospace().strong());
                        ui.label(k.about);
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
pub fn about(ctx: &egui::Context, f: &Facts<'_>, selfcheck: Option<&str>, out: &mut Vec<Action>) {
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
            egui::ScrollArea::vertical()
                .max_height(room)
                .min_scrolled_height(room)
                .show(ui, |ui| about_text(ui, f, selfcheck));
        });
    if !open {
        out.push(Action::About(false));
    }
}

fn about_text(ui: &mut Ui, f: &Facts<'_>, selfcheck: Option<&str>) {
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
        line("runs on", f.device.into());
        if let Some(why) = f.fallback {
            line("why no GPU", why.into());
        }
        line("window drawn with", f.renderer.into());
        line("self-test", selfcheck.unwrap_or("not run yet").into());
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
pub fn message(ui: &mut Ui, text: &str, action: Option<(&str, Action)>, out: &mut Vec<Action>) {
    egui::Frame::new().fill(ui.visuals().warn_fg_color.gamma_multiply(0.22)).inner_margin(6.0).corner_radius(4.0).show(
        ui,
        |ui| {
            ui.horizontal_wrapped(|ui| {
                ui.label(egui::RichText::new(text).color(ui.visuals().strong_text_color()));
                if let Some((label, action)) = action
                    && ui.button(label).clicked()
                {
                    out.push(action);
                }
                if ui.button("OK").on_hover_text("Put this away (Esc)").clicked() {
                    out.push(Action::Dismiss);
                }
            });
        },
    );
}

impl App {
    /// What lies over everything: tour, keys, about.
    pub(in crate::app) fn overlays(&mut self, ctx: &egui::Context, out: &mut Vec<Action>) {
        if self.keys {
            keys(ctx, out);
        }
        if self.about {
            let device = self.backend.name();
            about(ctx, &self.facts(&device), self.selfcheck.as_deref(), out);
        }
        if let Some(stop) = self.tour {
            let place = tour::STOPS.get(stop).map(|s| s.place);
            let target = self.places.iter().find(|(p, _)| Some(*p) == place).map(|(_, rect)| *rect);
            let screen = ctx.content_rect();
            tour::show(ctx, stop, target.map(|r| r.intersect(screen)).filter(Rect::is_positive), out);
        }
        if ctx.input(|i| !i.raw.hovered_files.is_empty()) {
            let painter = ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
            let screen = ctx.content_rect();
            painter.rect_filled(screen, 0.0, egui::Color32::from_black_alpha(160));
            let font = egui::FontId::proportional(22.0);
            painter.text(
                screen.center(),
                egui::Align2::CENTER_CENTER,
                "Let go to see this picture's patches",
                font,
                egui::Color32::WHITE,
            );
        }
    }
}
