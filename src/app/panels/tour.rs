//! The guided tour: a dozen stops that drive the real app and point at what they talk about.

use eframe::egui::{self, Color32, CornerRadius, Rect, Stroke, StrokeKind};

use crate::app::input::action::Action;
use crate::app::panels::theme;
use crate::controls::Controls;

/// What a stop points at; the panels say where it is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The picture.
    Canvas,
    /// The headline figure.
    Figures,
    /// The threshold slider.
    Threshold,
    /// Class, seed and Generate.
    What,
    /// Pause, steps, stop.
    Transport,
    /// The scrubber and the entropy curve.
    Timeline,
    /// The token under the pointer.
    Inspector,
    /// Patch borders, entropy, comparison.
    View,
    /// One's own image.
    Own,
    /// Links and files.
    Share,
}

/// A stop.
pub struct Stop {
    /// In a few words.
    pub title: &'static str,
    /// In a few sentences.
    pub text: &'static str,
    /// What it points at.
    pub place: Place,
    /// What it does with the app, given the model's default controls.
    pub does: fn(&Controls) -> Vec<Action>,
}

/// The stops.
pub const STOPS: [Stop; 10] = [
    Stop {
        title: "A picture, token by token",
        text: "The model draws from the top left to the bottom right. Every small square is a token: one of a fixed set of \
               codes, chosen given all the tokens before it. The hatched part is not drawn yet.",
        place: Place::Canvas,
        does: |controls| {
            vec![
                Action::Controls(controls.clone()),
                Action::Grid(false),
                Action::Heat(false),
                Action::Seek(None),
                Action::Play,
            ]
        },
    },
    Stop {
        title: "Not every token is a surprise",
        text: "A small entropy model guesses how uncertain each next token is. Dark: it could have told you. Bright: anybody's \
               guess. Backgrounds are easy, edges and details are not.",
        place: Place::View,
        does: |_| vec![Action::Grid(false), Action::Heat(true)],
    },
    Stop {
        title: "Predictable tokens share a patch",
        text: "Where the uncertainty stays below a threshold, tokens are merged into one patch. Long patches are blue and \
               green, short ones orange. Now the borders say where the model pays attention.",
        place: Place::Canvas,
        does: |_| vec![Action::Heat(false), Action::Grid(true)],
    },
    Stop {
        title: "The big transformer runs once a patch",
        text: "A light encoder sums a patch up, the large patch transformer makes one step for it, and a light decoder emits \
               its tokens. Fewer patches are fewer steps: this is what is saved.",
        place: Place::Figures,
        does: |_| vec![],
    },
    Stop {
        title: "The threshold",
        text: "The bars count this picture's tokens by their entropy. Everything right of the line starts a patch. This stop \
               has moved it to the right: fewer, longer patches. Drag it and watch the grid.",
        place: Place::Threshold,
        does: |controls| vec![Action::Controls(Controls { threshold: controls.threshold + 0.7, ..controls.clone() })],
    },
    Stop {
        title: "It may move while the model draws",
        text: "DPAR is trained with one threshold and works with others: choose your own balance of speed and care, even in \
               the middle of a picture. Press Generate and drag.",
        place: Place::What,
        does: |controls| vec![Action::Controls(controls.clone()), Action::Generate],
    },
    Stop {
        title: "Go slowly",
        text: "Pause, draw a single token or a whole patch, or set a speed. The yellow frame marks the token that comes next.",
        place: Place::Transport,
        does: |_| vec![],
    },
    Stop {
        title: "Go back in time",
        text: "The curve is the entropy of every token, the orange line the threshold, the dots are where patches begin. Drag \
               the slider, use the arrow keys, or click on the curve.",
        place: Place::Timeline,
        does: |_| vec![],
    },
    Stop {
        title: "Ask a token",
        text: "Point at any token: how uncertain it was, how probable, what else could have been drawn, and why its patch \
               begins and ends where it does.",
        place: Place::Inspector,
        does: |_| vec![Action::Select(Some(40))],
    },
    Stop {
        title: "Your turn",
        text: "Open a picture of your own to see it through the model's eyes, draw beside the fixed-length baseline, and share \
               what you find: a link draws exactly the same picture again. Press ? for the keys.",
        place: Place::Share,
        does: |controls| vec![Action::Select(None), Action::Controls(controls.clone())],
    },
];

/// Shows a stop beside what it points at.
pub fn show(ctx: &egui::Context, stop: usize, target: Option<Rect>, out: &mut Vec<Action>) {
    let Some(now) = STOPS.get(stop) else { return };
    let screen = ctx.content_rect();
    if let Some(rect) = target {
        let painter = ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("tour")));
        painter.rect_stroke(
            rect.expand(4.0),
            CornerRadius::same(6),
            Stroke::new(5.0, Color32::from_black_alpha(120)),
            StrokeKind::Outside,
        );
        painter.rect_stroke(
            rect.expand(4.0),
            CornerRadius::same(6),
            Stroke::new(2.5, theme::CURRENT),
            StrokeKind::Outside,
        );
    }
    let width = 330.0f32.min(screen.width() - 24.0);
    let at = place(screen, target, egui::vec2(width, 190.0));
    egui::Window::new("tour")
        .title_bar(false)
        .resizable(false)
        .fixed_pos(at)
        .default_width(width)
        .order(egui::Order::Foreground)
        .show(ctx, |ui| {
            ui.set_width(width - 16.0);
            ui.label(egui::RichText::new(now.title).strong().size(16.0));
            ui.label(now.text);
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                if stop > 0 && ui.button("Back").clicked() {
                    out.push(Action::Tour(Some(stop - 1)));
                }
                let last = stop + 1 == STOPS.len();
                let next = egui::Button::new(if last { "Done" } else { "Next" }).fill(ui.visuals().selection.bg_fill);
                if ui.add(next).clicked() {
                    out.push(Action::Tour((!last).then_some(stop + 1)));
                }
                if !last && ui.button("End the tour").clicked() {
                    out.push(Action::Tour(None));
                }
                ui.label(theme::small(format!("{} of {}", stop + 1, STOPS.len())));
            });
        });
}

/// A corner for a box of `size` beside the target, on the screen, covering as little of the target as possible.
fn place(screen: Rect, target: Option<Rect>, size: egui::Vec2) -> egui::Pos2 {
    let room = screen.shrink(8.0);
    let fit = |p: egui::Pos2| {
        egui::pos2(
            p.x.clamp(room.min.x, (room.max.x - size.x).max(room.min.x)),
            p.y.clamp(room.min.y, (room.max.y - size.y).max(room.min.y)),
        )
    };
    let Some(t) = target else { return fit(screen.center() - size / 2.0) };
    [
        egui::pos2(t.max.x + 14.0, t.min.y),
        egui::pos2(t.min.x - size.x - 14.0, t.min.y),
        egui::pos2(t.min.x, t.max.y + 14.0),
        egui::pos2(t.min.x, t.min.y - size.y - 14.0),
    ]
    .into_iter()
    .map(fit)
    .min_by(|a, b| covered(*a, size, t).total_cmp(&covered(*b, size, t)))
    .unwrap_or(room.min)
}

fn covered(at: egui::Pos2, size: egui::Vec2, target: Rect) -> f32 {
    let both = Rect::from_min_size(at, size).intersect(target);
    if both.is_positive() { both.area() } else { 0.0 }
}
