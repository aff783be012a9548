//! The figures people came for: how many steps of the large transformer the patches saved.

use eframe::egui::{self, Ui};

use crate::app::panels::facts::{Facts, ShownPicture};
use crate::app::panels::theme;
use crate::app::state::figures::Figures;
use crate::checkpoint::config::Generator;
use crate::engine::gpu::TimedBy;

/// The headline: steps instead of tokens.
pub fn headline(ui: &mut Ui, figures: &Figures) {
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::big(figures.patches.to_string()));
        ui.vertical(|ui| {
            ui.label("steps of the patch transformer");
            ui.label(theme::small(format!("instead of {}: {:.2} tokens a patch", figures.tokens, figures.average)));
        });
    });
    meter(ui, figures.patches, figures.tokens);
}

/// A bar of what is spent out of what it would cost without merging.
fn meter(ui: &mut Ui, spent: usize, of: usize) {
    let share = spent as f32 / of.max(1) as f32;
    let bar = egui::ProgressBar::new(share).desired_height(8.0).corner_radius(2.0).fill(theme::THRESHOLD);
    ui.add(bar).on_hover_text(format!("{:.0} % of the patch transformer's steps are saved", 100.0 * (1.0 - share)));
}

/// The details.
pub fn details(ui: &mut Ui, f: &Facts<'_>, shown: &ShownPicture<'_>) {
    let (figures, picture) = (&shown.figures, shown.picture);
    egui::Grid::new(("figures", picture.id)).num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        let mut line = |name: &str, about: &str, value: String| {
            ui.label(theme::small(name)).on_hover_text(about);
            ui.add(egui::Label::new(value).truncate());
            ui.end_row();
        };
        line("tokens T", "tokens shown, of all the picture has", format!("{} of {}", figures.tokens, picture.total()));
        if picture.request.generator == Generator::Dpar {
            line("patches M", "each is one step of the patch transformer", figures.patches.to_string());
            line("saved", "tokens less patches", format!("{} steps", figures.saved));
        }
        if let Some(steps) = figures.layer_steps {
            let about = "one layer on one token or patch is one step; the entropy model's layers are counted";
            line("layer-steps", about, steps.to_string());
        }
        if let Some(ms) = figures.ms_per_token {
            let by = figures.timed_by.map_or("time", TimedBy::name);
            line(by, "measured while it was drawn, pauses left out", format!("{ms:.2} ms a token"));
        }
        line("runs on", "where the model runs", f.device.clone());
    });
}
