//! Where things are on a wide screen and on a narrow one.

use eframe::egui::{self, Align, Layout, Rect, ScrollArea, ThemePreference, Ui};

use crate::app::input::action::Action;
use crate::app::panels::canvas::{self, Look, Pointed};
use crate::app::panels::controls;
use crate::app::panels::facts::{Facts, ShownPicture};
use crate::app::panels::inspector;
use crate::app::panels::picker::Picker;
use crate::app::panels::stats;
use crate::app::panels::theme;
use crate::app::panels::tiled;
use crate::app::panels::timeline;
use crate::app::panels::tour::Place;
use crate::app::panels::windows;
use crate::app::state::picture::Source;
use crate::app::state::starting::Slot;
use crate::checkpoint::config::Generator;
use crate::platform::ProgressStep;

/// Below this width, in points, everything is in one column.
const NARROW: f32 = 760.0;
/// Below this width the inspector goes under the controls.
const WIDE: f32 = 1080.0;
/// Between two pictures.
const GAP: f32 = 14.0;

/// What a frame leaves behind: what was asked for, and where things were.
#[derive(Default)]
pub struct Seen {
    /// What somebody did.
    pub actions: Vec<Action>,
    /// Where the parts of the window are.
    pub places: Vec<(Place, Rect)>,
}

impl Seen {
    /// A part of the window: shows it and remembers where it is.
    fn part(&mut self, ui: &mut Ui, place: Place, add: impl FnOnce(&mut Ui, &mut Vec<Action>)) {
        let rect = ui.scope(|ui| add(ui, &mut self.actions)).response.rect;
        self.places.push((place, rect));
    }
}

/// Everything.
pub fn show(ui: &mut Ui, f: &Facts<'_>, picker: &mut Picker, seen: &mut Seen) {
    let ctx = ui.ctx().clone();
    let size = ctx.content_rect().size();
    if size.x < NARROW {
        narrow(ui, f, picker, seen);
    } else {
        wide(ui, size, f, picker, seen);
    }
    windows::show(&ctx, f, &seen.places, &mut seen.actions);
}

fn wide(ui: &mut Ui, size: egui::Vec2, f: &Facts<'_>, picker: &mut Picker, seen: &mut Seen) {
    egui::Panel::top("top").show(ui, |ui| top(ui, f, &mut seen.actions));
    let two = size.x < WIDE;
    egui::Panel::left("controls").exact_size(312.0).resizable(false).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            controls_panel(ui, f, picker, seen);
            if two {
                ui.separator();
                facts_panel(ui, f, seen);
            }
        });
    });
    if !two {
        egui::Panel::right("facts").exact_size(270.0).resizable(false).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| facts_panel(ui, f, seen));
        });
    }
    let plot = if size.y > 640.0 { 120.0 } else { 0.0 };
    egui::Panel::bottom("time").show(ui, |ui| {
        ui.add_space(4.0);
        time(ui, plot, f, seen);
        ui.add_space(4.0);
    });
    egui::CentralPanel::default().show(ui, |ui| {
        let room = ui.available_size();
        canvases(ui, room, f, seen);
    });
}

fn narrow(ui: &mut Ui, f: &Facts<'_>, picker: &mut Picker, seen: &mut Seen) {
    egui::Panel::top("top").show(ui, |ui| top(ui, f, &mut seen.actions));
    egui::CentralPanel::default().show(ui, |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            // Many pictures scroll; of one all is seen at once.
            let tall = ui.ctx().content_rect().height() * if f.tiles.is_some() { 0.75 } else { 0.55 };
            let side = if f.tiles.is_some() { tall } else { ui.available_width().min(tall) };
            canvases(ui, egui::vec2(ui.available_width(), side), f, seen);
            time(ui, 0.0, f, seen);
            controls_panel(ui, f, picker, seen);
            ui.separator();
            facts_panel(ui, f, seen);
        });
    });
}

fn top(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new("DPAR").strong().size(17.0))
            .on_hover_text("See where an image model spends its compute");
        let narrow = ui.available_width() < NARROW - 120.0;
        if !narrow {
            ui.label(theme::small("see where an image model spends its compute"));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("?").on_hover_text("Keys").clicked() {
                out.push(Action::Keys(!f.keys));
            }
            if ui.button("About").clicked() {
                out.push(Action::About(!f.about));
            }
            if ui.button("Tour").on_hover_text("What all this is, in ten steps (H)").clicked() {
                out.push(Action::Tour(Some(0)));
            }
            let (name, next) = match f.settings.theme {
                ThemePreference::System => ("Auto", ThemePreference::Light),
                ThemePreference::Light => ("Light", ThemePreference::Dark),
                ThemePreference::Dark => ("Dark", ThemePreference::System),
            };
            if ui.button(name).on_hover_text("Light, dark, or as the system has it (N)").clicked() {
                out.push(Action::Theme(next));
            }
        });
    });
    if let Some(step) = &f.fetching {
        progress(ui, step.as_ref(), "the model", true);
    }
    if let Some(step) = &f.opening {
        progress(ui, step.as_ref(), "another model", true);
    }
    if let Some(step) = &f.fetching_baseline {
        progress(ui, Some(step), "the baseline's weights", false);
    }
    if let Some(step) = &f.fetching_encoder {
        progress(ui, Some(step), "the encoder for your picture", false);
    }
    if f.looking {
        ui.label("looking at your image ...");
    }
    if let Some(message) = f.message {
        windows::message(ui, message, out);
    }
}

/// How much of something is there.
fn progress(ui: &mut Ui, step: Option<&ProgressStep>, what: &str, animate: bool) {
    let (text, share) = match step {
        Some(s) if s.total > 1 => {
            let mb = |n: u64| n as f64 / 1e6;
            let text = format!("{} {what}: {:.1} of {:.1} MB", doing(&s.phase), mb(s.done), mb(s.total));
            (text, s.done as f32 / s.total as f32)
        }
        Some(s) => (format!("{} {what}", doing(&s.phase)), 0.5),
        None => (format!("opening {what}"), 0.0),
    };
    ui.add(egui::ProgressBar::new(share).text(text).desired_height(18.0).animate(animate));
}

fn controls_panel(ui: &mut Ui, f: &Facts<'_>, picker: &mut Picker, seen: &mut Seen) {
    ui.spacing_mut().item_spacing.y = 7.0;
    seen.part(ui, Place::What, |ui, out| controls::what(ui, f, picker, out));
    seen.part(ui, Place::Transport, |ui, out| controls::transport(ui, f, out));
    ui.separator();
    seen.part(ui, Place::Threshold, |ui, out| controls::patching(ui, f, out));
    ui.separator();
    seen.part(ui, Place::View, |ui, out| controls::view(ui, f, out));
    egui::CollapsingHeader::new("Sampling").show(ui, |ui| controls::sampling(ui, f, &mut seen.actions));
    ui.separator();
    seen.part(ui, Place::Own, |ui, out| controls::own(ui, f, out));
    ui.separator();
    seen.part(ui, Place::Share, |ui, out| controls::share(ui, f, out));
    ui.separator();
    controls::model(ui, f, &mut seen.actions);
}

fn facts_panel(ui: &mut Ui, f: &Facts<'_>, seen: &mut Seen) {
    if let Some(tiles) = &f.tiles {
        seen.part(ui, Place::Figures, |ui, out| tiled::figures(ui, tiles, out));
        return;
    }
    let Some(main) = &f.main else { return };
    seen.part(ui, Place::Figures, |ui, _| {
        if main.picture.request.generator == Generator::Dpar {
            stats::headline(ui, &main.figures);
        }
        stats::details(ui, f, main);
    });
    if let Some(other) = f.other.as_ref().filter(|shown| shown.picture.source != Source::Original) {
        ui.separator();
        ui.label(egui::RichText::new("Fixed-length baseline").strong());
        stats::details(ui, f, other);
    }
    ui.separator();
    seen.part(ui, Place::Inspector, |ui, out| inspector::show(ui, f, main, out));
}

fn time(ui: &mut Ui, plot: f32, f: &Facts<'_>, seen: &mut Seen) {
    let Some(main) = &f.main else { return };
    seen.part(ui, Place::Timeline, |ui, out| timeline::show(ui, f, main, plot, out));
}

/// The picture; and beside it the baseline's, or the same one under the pinned threshold.
fn canvases(ui: &mut Ui, room: egui::Vec2, f: &Facts<'_>, seen: &mut Seen) {
    if let Some(tiles) = &f.tiles {
        let scrolls = ui.ctx().content_rect().width() < NARROW;
        let rect = tiled::show(ui, room, scrolls, f, tiles, &mut seen.actions);
        seen.places.push((Place::Canvas, rect));
        return;
    }
    let Some(main) = &f.main else {
        let draws = f.config.generator().is_some();
        let start = if draws { "Choose a class and press Generate." } else { controls::LOOKS_ONLY };
        ui.centered_and_justified(|ui| ui.label(start));
        return;
    };
    let beside = f.other.as_ref().or(f.pinned_grid.as_ref());
    let count = if beside.is_some() { 2.0 } else { 1.0 };
    let side = ((room.x - GAP * (count - 1.0)) / count).min(room.y - 26.0).max(64.0);
    let spare = ((room.x - side * count - GAP * (count - 1.0)) / 2.0).max(0.0);
    let top = ((room.y - side - 26.0) / 2.0).max(0.0);
    ui.add_space(top);
    let shown = ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        ui.add_space((spare - 7.0).max(0.0));
        let shown = canvas(ui, side, f, main);
        if let Some(beside) = beside {
            canvas(ui, side, f, beside);
        }
        shown
    });
    let (rect, pointed) = shown.inner;
    seen.places.push((Place::Canvas, rect));
    if pointed.hovered != f.hovered {
        seen.actions.push(Action::Hover(pointed.hovered));
    }
    if let Some(token) = pointed.clicked {
        seen.actions.push(Action::Select((f.selected != Some(token)).then_some(token)));
    }
}

fn canvas(ui: &mut Ui, side: f32, f: &Facts<'_>, shown: &ShownPicture<'_>) -> (Rect, Pointed) {
    let answer = ui.vertical(|ui| {
        ui.set_width(side);
        ui.add(egui::Label::new(egui::RichText::new(&shown.title).strong()).truncate());
        let main = shown.slot == Slot::Main;
        let own = matches!(shown.picture.source, Source::Own(_));
        let look = Look {
            drawn: shown.drawn,
            grid: f.settings.grid && shown.picture.request.generator == Generator::Dpar,
            heat: f.settings.heat,
            patches: &shown.patches,
            longest: f.controls.p_max as usize,
            selected: f.inspected.filter(|_| main),
            attention: f.attention.filter(|_| main),
            kept: (main && own && f.own.is_some()).then_some(f.keep),
            now: f.now,
            running: !shown.picture.is_done(),
        };
        let (image, heat) = (f.textures.image(shown.slot), f.textures.heat(shown.slot));
        canvas::show(ui, side, shown.picture, image, heat, &look, &shown.title)
    });
    let (response, pointed) = answer.inner;
    (response.rect, pointed)
}

fn doing(phase: &str) -> &'static str {
    match phase {
        "download" => "fetching",
        "check" => "checking",
        "convert" => "converting",
        "keep" => "keeping",
        "read" => "reading",
        _ => "putting onto the device",
    }
}
