//! The threshold slider: the entropies of the picture as a histogram, and the line that decides which of them begin a
//! patch.

use eframe::egui::{self, Color32, CornerRadius, Key, Rect, Response, Sense, Stroke, Ui, pos2, vec2};

use crate::app::panels::theme;
use crate::render::palette;

/// Height of the histogram in points.
const HEIGHT: f32 = 62.0;
/// Room above the bars for what they amount to.
const LABELS: f32 = 17.0;
/// A key press moves the threshold by this much, in nats.
pub const STEP: f32 = 0.05;
/// Bars of the histogram.
const BARS: usize = 48;

/// Where the slider ends, in nats: above the most that a model of `vocab` codes can be surprised on average (ln V), at 8 or
/// more, so that there is room to have no boundary by entropy at all.
pub fn range(vocab: usize) -> f32 {
    (vocab.max(2) as f32).ln().ceil().max(8.0)
}

/// Shows the slider. `value` and `pinned` in nats, from 0 to [`range`] of `vocab` codes. The response is `changed` when it
/// was moved; a double click asks for `default` again.
pub fn slider(
    ui: &mut Ui,
    value: &mut f32,
    pinned: Option<f32>,
    default: f32,
    vocab: usize,
    entropies: &[f32],
) -> Response {
    let most = range(vocab);
    let width = ui.available_width();
    let (rect, mut response) = ui.allocate_exact_size(vec2(width, HEIGHT + 12.0), Sense::click_and_drag());
    let bars = Rect::from_min_max(rect.min, pos2(rect.max.x, rect.min.y + HEIGHT)).shrink2(vec2(7.0, 0.0));
    let before = *value;
    if let Some(p) = response.interact_pointer_pos().filter(|_| response.dragged() || response.clicked()) {
        *value = ((p.x - bars.min.x) / bars.width() * most).clamp(0.0, most);
    }
    if response.double_clicked() {
        *value = default;
    }
    if response.clicked() || response.drag_started() {
        response.request_focus();
    }
    if response.has_focus() {
        ui.memory_mut(|m| {
            let filter = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
            m.set_focus_lock_filter(response.id, filter);
        });
        let steps = ui.input(|input| {
            let pressed = |key| input.num_presses(key) as f32;
            pressed(Key::ArrowRight) - pressed(Key::ArrowLeft)
        });
        if steps != 0.0 {
            *value = (*value + STEP * steps).clamp(0.0, most);
        }
    }
    if *value != before {
        // Two decimals are what people can read, share and type again. What nobody moves stays exactly as it is.
        *value = (*value * 100.0).round() / 100.0;
        response.mark_changed();
    }
    let shown = f64::from(*value);
    response.widget_info(|| egui::WidgetInfo::slider(ui.is_enabled(), shown, "entropy threshold in nats"));
    paint(ui, bars, &response, (*value, pinned, vocab), entropies);
    response
}

fn paint(
    ui: &Ui,
    bars: Rect,
    response: &Response,
    (value, pinned, vocab): (f32, Option<f32>, usize),
    entropies: &[f32],
) {
    // Colours as those of the entropies over the picture.
    let (most, hottest) = (range(vocab), (vocab.max(2) as f32).ln());
    let painter = ui.painter();
    let visuals = ui.visuals();
    let x = |nats: f32| bars.min.x + (nats / most).clamp(0.0, 1.0) * bars.width();
    painter.rect_filled(bars, CornerRadius::same(3), visuals.extreme_bg_color);
    let mut counts = [0usize; BARS];
    for e in entropies {
        counts[((e / most * BARS as f32) as usize).min(BARS - 1)] += 1;
    }
    let tallest = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    for (n, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        let (low, high) = (n as f32 / BARS as f32 * most, (n + 1) as f32 / BARS as f32 * most);
        let height = (*count as f32 / tallest) * (bars.height() - LABELS);
        let bar = Rect::from_min_max(pos2(x(low), bars.max.y - height), pos2(x(high) - 1.0, bars.max.y));
        // Low entropies are nearly black: too dark for a dark background.
        let least = if visuals.dark_mode { 0.35 } else { 0.12 };
        let colour = theme::rgb(palette::heat(((low + high) / 2.0 / hottest).max(least)));
        let above = (low + high) / 2.0 > value;
        let merged = visuals.weak_text_color().gamma_multiply(0.55);
        painter.rect_filled(bar, CornerRadius::ZERO, if above { colour } else { merged });
    }
    if let Some(pinned) = pinned {
        painter.vline(x(pinned), bars.y_range(), Stroke::new(2.0, theme::PINNED));
    }
    let active = response.hovered() || response.dragged() || response.has_focus();
    painter.vline(x(value), bars.min.y..=bars.max.y + 4.0, Stroke::new(2.0, theme::THRESHOLD));
    let handle = pos2(x(value), bars.max.y + 5.0);
    painter.circle(handle, if active { 7.0 } else { 6.0 }, theme::THRESHOLD, Stroke::new(1.5, Color32::WHITE));
    if response.has_focus() {
        painter.circle_stroke(handle, 9.0, visuals.selection.stroke);
    }
    let font = egui::FontId::proportional(10.0);
    let text = visuals.weak_text_color();
    let below = entropies.iter().filter(|e| **e <= value).count();
    if !entropies.is_empty() {
        let left = format!("{below} merge");
        let right = format!("{} start a patch", entropies.len() - below);
        painter.text(bars.left_top() + vec2(4.0, 3.0), egui::Align2::LEFT_TOP, left, font.clone(), text);
        painter.text(bars.right_top() + vec2(-4.0, 3.0), egui::Align2::RIGHT_TOP, right, font, text);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_slider_suits_the_models_surprise() {
        assert_eq!([2, 1024, 16_384, 65_536].map(super::range), [8.0, 8.0, 10.0, 12.0]);
    }
}
