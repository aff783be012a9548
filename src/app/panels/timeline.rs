//! The run over time: a slider to scrub, and the entropy of every token with the threshold and the patches' starts.

use eframe::egui::{self, Color32, Stroke, Ui};
use egui_plot::{HLine, Line, LineStyle, Plot, PlotPoints, Points, VLine};

use crate::app::input::action::Action;
use crate::app::panels::facts::{Facts, ShownPicture};
use crate::app::panels::theme;

/// The scrubber and, where there is room, the curve.
pub fn show(ui: &mut Ui, f: &Facts<'_>, shown: &ShownPicture<'_>, height: f32, out: &mut Vec<Action>) {
    let picture = shown.picture;
    let drawn = picture.tokens.len();
    ui.horizontal(|ui| {
        let (text, about) = if f.playback.is_moving() {
            ("Pause", "Hold (Space)")
        } else {
            ("Play", "Go on, or play from here (Space)")
        };
        if ui.button(text).on_hover_text(about).clicked() {
            out.push(if f.playback.is_moving() {
                Action::Pause
            } else if f.playback.is_paused() {
                Action::Resume
            } else {
                Action::Play
            });
        }
        let mut at = shown.drawn;
        ui.spacing_mut().slider_width = (ui.available_width() - 130.0).max(80.0);
        let slider = egui::Slider::new(&mut at, 0..=drawn.max(1)).show_value(false).trailing_fill(true);
        let answer = ui.add_enabled(drawn > 0, slider).on_hover_text("Scrub through the run (arrow keys, Home, End)");
        answer.widget_info(|| egui::WidgetInfo::slider(true, shown.drawn as f64, "token shown"));
        if answer.changed() {
            out.push(Action::Seek((at < drawn).then_some(at)));
        }
        ui.label(format!("token {} of {}", shown.drawn, picture.total()));
    });
    if height < 60.0 {
        return;
    }
    let entropies: Vec<[f64; 2]> =
        picture.tokens.iter().filter_map(|t| t.entropy.map(|e| [t.position as f64, f64::from(e)])).collect();
    let most = f64::from((f.config.vocab() as f32).ln());
    let starts: Vec<[f64; 2]> = shown.patches.list().iter().filter_map(|p| entropies.get(p.first).copied()).collect();
    let curve = ui.visuals().weak_text_color();
    // A plot remembers its bounds: of another model it is another plot.
    let response = Plot::new(("entropies", picture.total(), most.to_bits()))
        .height(height)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .show_grid([false, true])
        .y_axis_label("nats")
        .default_x_bounds(0.0, picture.total() as f64)
        .default_y_bounds(0.0, most)
        .label_formatter(|_| None)
        .show(ui, |plot| {
            plot.line(Line::new("entropy", PlotPoints::from(entropies)).color(curve).width(1.2));
            plot.points(
                Points::new("patch starts", PlotPoints::from(starts))
                    .radius(2.2)
                    .color(Color32::from_rgb(47, 191, 143)),
            );
            plot.hline(
                HLine::new("threshold", f64::from(f.controls.threshold)).stroke(Stroke::new(1.5, theme::THRESHOLD)),
            );
            if let Some(pinned) = f.pinned {
                plot.hline(HLine::new("pinned", f64::from(pinned)).stroke(Stroke::new(1.5, theme::PINNED)));
            }
            if shown.drawn < picture.total() {
                plot.vline(VLine::new("shown", shown.drawn as f64).stroke(Stroke::new(1.0, theme::CURRENT)));
            }
            if let Some(token) = f.inspected {
                plot.vline(VLine::new("inspected", token as f64).style(LineStyle::dashed_loose()));
            }
            plot.pointer_coordinate().map(|p| p.x)
        });
    if response.response.clicked()
        && let Some(x) = response.inner.filter(|x| *x >= 0.0)
    {
        let token = (x.round() as usize).min(drawn.saturating_sub(1));
        out.push(Action::Select(Some(token)));
        out.push(Action::Seek((token + 1 < drawn).then_some(token + 1)));
    }
}
