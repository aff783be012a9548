//! The figures people came for: how many steps of the large transformer the patches saved.

use eframe::egui::{self, Ui};

use crate::app::panels::facts::Facts;
use crate::app::panels::theme;
use crate::app::state::picture::{Cost, Picture};
use crate::checkpoint::config::Generator;
use crate::patching::Patches;

/// Figures of a picture at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Tokens drawn.
    pub tokens: usize,
    /// Patches they make up.
    pub patches: usize,
    /// Average patch length.
    pub average: f32,
    /// Steps of the patch transformer saved: tokens - patches.
    pub saved: usize,
    /// Layer-steps, if the model's shape is known.
    pub layer_steps: Option<usize>,
    /// Milliseconds a token.
    pub ms_per_token: Option<f64>,
}

impl Figures {
    /// Of the first `drawn` tokens of a picture under `patches`.
    pub fn of(
        picture: &Picture,
        patches: &Patches,
        drawn: usize,
        cost: Option<Cost>,
        ms_per_token: Option<f64>,
    ) -> Self {
        let drawn = drawn.min(picture.tokens.len());
        let count = patches.starts().iter().take(drawn).filter(|s| **s).count();
        Self {
            tokens: drawn,
            patches: count,
            average: drawn as f32 / count.max(1) as f32,
            saved: drawn - count,
            layer_steps: cost.map(|c| c.steps(drawn, count)),
            ms_per_token,
        }
    }
}

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
pub fn details(ui: &mut Ui, f: &Facts<'_>, figures: &Figures, picture: &Picture) {
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
            line("time", "measured while it was drawn, pauses left out", format!("{ms:.1} ms a token"));
        }
        line("runs on", "where the model runs", f.device.to_owned());
    });
}
