//! One frame: where things are on a wide screen and on a narrow one, and what is published of it.

use eframe::egui::{self, Align, Layout, Rect, ScrollArea, ThemePreference, Ui};
use web_time::Instant;

use crate::app::input::action::{Action, pressed};
use crate::app::input::published::PUBLISH;
use crate::app::panels::canvas::{self, Look, Pointed};
use crate::app::panels::controls;
use crate::app::panels::inspector;
use crate::app::panels::stats;
use crate::app::panels::theme;
use crate::app::panels::timeline;
use crate::app::panels::tour::Place;
use crate::app::panels::windows;
use crate::app::state::app::App;
use crate::app::state::app::ModelSlot;
use crate::app::state::picture::{Picture, Source};
use crate::app::state::playback::Slot;
use crate::app::state::settings::Settings;
use crate::checkpoint::config::Generator;
use crate::patching::Patches;
use crate::run::prompt;

/// Below this width, in points, everything is in one column.
const NARROW: f32 = 760.0;
/// Below this width the inspector goes under the controls.
const WIDE: f32 = 1080.0;

impl App {
    /// Between frames, also while the window is hidden.
    pub fn tick(&mut self, ctx: &egui::Context) {
        for (name, value) in crate::platform::take_commands() {
            match Action::parse(&name, &value, &self.controls, Some(&self.config)) {
                Ok(action) => self.act(action),
                Err(e) => self.say(&e.to_string()),
            }
        }
        for (name, bytes) in crate::platform::take_pictures() {
            if let Err(e) = self.own_image(&name, bytes) {
                self.say(&e.to_string());
            }
        }
        self.take_extras(ctx);
        self.measure(ctx);
        self.advance();
        self.settle(ctx);
        let flashing = self.stage.main.as_ref().is_some_and(|p| canvas::is_flashing(p, self.now()));
        if self.stage.is_moving() || flashing || self.tasks.thinking {
            ctx.request_repaint();
        } else if self.seek.is_some() || matches!(self.model, ModelSlot::Loading(..)) {
            ctx.request_repaint_after(PUBLISH);
        }
        if self.publish() {
            ctx.request_repaint_after(PUBLISH);
        }
    }

    /// The frame.
    pub fn show(&mut self, ui: &mut Ui) {
        if self.over {
            // The device may be gone: egui's renderer panics on anything it is asked to paint, so it is asked nothing.
            return;
        }
        self.time_frame();
        let ctx = ui.ctx().clone();
        if self.blind {
            return;
        }
        for does in pressed(&ctx) {
            // One at a time: what a key means depends on what the one before it did.
            if let Some(action) = self.key(does) {
                self.act(action);
                ctx.request_repaint();
            }
        }
        let mut out = Vec::new();
        self.dropped(&ctx, &mut out);
        self.upload(&ctx);
        self.places.clear();
        let size = ctx.content_rect().size();
        if size.x < NARROW {
            self.narrow(ui, &mut out);
        } else {
            self.wide(ui, size, &mut out);
        }
        self.overlays(&ctx, &mut out);
        for action in out {
            self.act(action);
            ctx.request_repaint();
        }
        self.settle(&ctx);
        self.lose_device(true);
    }

    fn wide(&mut self, ui: &mut Ui, size: egui::Vec2, out: &mut Vec<Action>) {
        egui::Panel::top("top").show(ui, |ui| self.top(ui, out));
        let two = size.x < WIDE;
        egui::Panel::left("controls").exact_size(312.0).resizable(false).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                self.controls_panel(ui, out);
                if two {
                    ui.separator();
                    self.facts_panel(ui, out);
                }
            });
        });
        if !two {
            egui::Panel::right("facts").exact_size(270.0).resizable(false).show(ui, |ui| {
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| self.facts_panel(ui, out));
            });
        }
        let plot = if size.y > 640.0 { 120.0 } else { 0.0 };
        egui::Panel::bottom("time").show(ui, |ui| {
            ui.add_space(4.0);
            self.timeline(ui, plot, out);
            ui.add_space(4.0);
        });
        egui::CentralPanel::default().show(ui, |ui| {
            let room = ui.available_size();
            self.canvases(ui, room, out);
        });
    }

    fn narrow(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        egui::Panel::top("top").show(ui, |ui| self.top(ui, out));
        egui::CentralPanel::default().show(ui, |ui| {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                let side = ui.available_width().min(ui.ctx().content_rect().height() * 0.55);
                self.canvases(ui, egui::vec2(ui.available_width(), side), out);
                self.timeline(ui, 0.0, out);
                self.controls_panel(ui, out);
                ui.separator();
                self.facts_panel(ui, out);
            });
        });
    }

    fn top(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        ui.horizontal(|ui| {
            ui.label(egui::RichText::new("DPAR").strong().size(17.0))
                .on_hover_text("See where an image model spends its compute");
            let narrow = ui.available_width() < NARROW - 120.0;
            if !narrow {
                ui.label(theme::small("see where an image model spends its compute"));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("?").on_hover_text("Keys").clicked() {
                    out.push(Action::Keys(!self.keys));
                }
                if ui.button("About").clicked() {
                    out.push(Action::About(!self.about));
                }
                if ui.button("Tour").on_hover_text("What all this is, in ten steps (H)").clicked() {
                    out.push(Action::Tour(Some(0)));
                }
                let (name, next) = match self.settings.theme {
                    ThemePreference::System => ("Auto", ThemePreference::Light),
                    ThemePreference::Light => ("Light", ThemePreference::Dark),
                    ThemePreference::Dark => ("Dark", ThemePreference::System),
                };
                if ui.button(name).on_hover_text("Light, dark, or as the system has it (N)").clicked() {
                    out.push(Action::Theme(next));
                }
            });
        });
        if let ModelSlot::Loading(_, progress) = &self.model {
            let step = progress.get();
            let (text, share) = match &step {
                Some(s) if s.total > 1 => {
                    let mb = |n: u64| n as f64 / 1e6;
                    (
                        format!("{} the model: {:.1} of {:.1} MB", doing(&s.phase), mb(s.done), mb(s.total)),
                        s.done as f32 / s.total as f32,
                    )
                }
                Some(s) => (format!("{} the model", doing(&s.phase)), 0.5),
                None => ("opening the model".into(), 0.0),
            };
            ui.add(egui::ProgressBar::new(share).text(text).desired_height(18.0).animate(true));
        }
        if let Some(step) = self.baseline.as_ref().and_then(|(_, progress)| progress.get()) {
            let (share, mb) = (step.done as f32 / step.total.max(1) as f32, |n: u64| n as f64 / 1e6);
            let (done, total) = (mb(step.done), mb(step.total));
            let text = format!("{} the baseline's weights: {done:.1} of {total:.1} MB", doing(&step.phase));
            ui.add(egui::ProgressBar::new(share).text(text).desired_height(18.0));
        }
        if self.analyst.is_looking() {
            ui.label("looking at your image ...");
        }
        if let Some((text, action)) = self.message.clone() {
            windows::message(ui, &text, action, out);
        }
    }

    fn controls_panel(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        ui.spacing_mut().item_spacing.y = 7.0;
        let mut picker = std::mem::take(&mut self.picker);
        let entropies = self.stage.main.as_ref().map(Picture::entropies).unwrap_or_default();
        let mut places = Vec::new();
        {
            let device = self.backend.name();
            let f = self.facts(&device);
            let mut part = |ui: &mut Ui, place: Place, add: &mut dyn FnMut(&mut Ui)| {
                let rect = ui.scope(|ui| add(ui)).response.rect;
                places.push((place, rect));
            };
            part(ui, Place::What, &mut |ui| controls::what(ui, &f, &mut picker, out));
            part(ui, Place::Transport, &mut |ui| controls::transport(ui, &f, out));
            ui.separator();
            part(ui, Place::Threshold, &mut |ui| controls::patching(ui, &f, &entropies, out));
            ui.separator();
            part(ui, Place::View, &mut |ui| controls::view(ui, &f, out));
            egui::CollapsingHeader::new("Sampling").show(ui, |ui| controls::sampling(ui, &f, out));
            ui.separator();
            part(ui, Place::Own, &mut |ui| controls::own(ui, &f, out));
            ui.separator();
            part(ui, Place::Share, &mut |ui| controls::share(ui, &f, out));
        }
        self.picker = picker;
        self.places.extend(places);
    }

    fn facts_panel(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        let device = self.backend.name();
        let f = self.facts(&device);
        let mut places = Vec::new();
        if let Some(picture) = &self.stage.main {
            let patches = self.patches(picture);
            let figures = self.figures(Slot::Main, picture, &patches);
            let rect = ui.scope(|ui| {
                if picture.request.generator == Generator::Dpar {
                    stats::headline(ui, &figures);
                }
                stats::details(ui, &f, &figures, picture);
            });
            places.push((Place::Figures, rect.response.rect));
            if let Some(other) = self.stage.other.as_ref().filter(|p| p.source != Source::Original) {
                ui.separator();
                ui.label(egui::RichText::new("Fixed-length baseline").strong());
                let patches = other.patches.clone();
                stats::details(ui, &f, &self.figures(Slot::Other, other, &patches), other);
            }
            ui.separator();
            let rect = ui.scope(|ui| inspector::show(ui, &f, &patches, out));
            places.push((Place::Inspector, rect.response.rect));
        }
        self.places.extend(places);
    }

    fn timeline(&mut self, ui: &mut Ui, plot: f32, out: &mut Vec<Action>) {
        let device = self.backend.name();
        let f = self.facts(&device);
        let Some(picture) = &self.stage.main else { return };
        let patches = self.patches(picture);
        let rect = ui.scope(|ui| timeline::show(ui, &f, &patches, plot, out)).response.rect;
        self.places.push((Place::Timeline, rect));
    }

    /// The picture; and beside it the baseline's, or the same one under the pinned threshold.
    fn canvases(&mut self, ui: &mut Ui, room: egui::Vec2, out: &mut Vec<Action>) {
        let Some(picture) = &self.stage.main else {
            ui.centered_and_justified(|ui| ui.label("Choose a class and press Generate."));
            return;
        };
        let patches = self.patches(picture);
        let pinned = self.pinned.filter(|_| self.stage.other.is_none() && picture.is_done()).map(|threshold| {
            let controls = crate::controls::Controls { threshold, ..self.controls.clone() };
            picture.patches_under(&controls.rule(picture.grid))
        });
        let count = if self.stage.other.is_some() || pinned.is_some() { 2.0 } else { 1.0 };
        let side = ((room.x - 14.0 * (count - 1.0)) / count).min(room.y - 26.0).max(64.0);
        let spare = ((room.x - side * count - 14.0 * (count - 1.0)) / 2.0).max(0.0);
        let top = ((room.y - side - 26.0) / 2.0).max(0.0);
        ui.add_space(top);
        let shown = ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 14.0;
            ui.add_space((spare - 7.0).max(0.0));
            let title = self.title(picture, &patches);
            let shown = self.canvas(ui, side, Slot::Main, picture, &patches, &title);
            if let Some(other) = &self.stage.other {
                let title = match other.source {
                    Source::Original => "your image".to_owned(),
                    _ => format!("baseline: {} steps", other.tokens.len()),
                };
                self.canvas(ui, side, Slot::Other, other, &other.patches, &title);
            } else if let Some(pinned) = &pinned {
                let title = format!("pinned at {:.2} nats: {} patches", self.pinned.unwrap_or(0.0), pinned.count());
                self.canvas(ui, side, Slot::Main, picture, pinned, &title);
            }
            shown
        });
        let (rect, pointed) = shown.inner;
        self.places.push((Place::Canvas, rect));
        self.hovered = pointed.hovered;
        if let Some(token) = pointed.clicked {
            out.push(Action::Select((self.selected != Some(token)).then_some(token)));
        }
    }

    fn title(&self, picture: &Picture, patches: &Patches) -> String {
        let name = match &picture.source {
            Source::Own(name) => name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned(),
            Source::Original => "your image".to_owned(),
            Source::Recorded => format!("{}, recorded", prompt::describe(&picture.request.class, &self.config)),
            Source::Run => {
                format!("{}, seed {}", prompt::describe(&picture.request.class, &self.config), picture.request.seed)
            }
        };
        let drawn = self.drawn_of(picture);
        let count = patches.starts().iter().take(drawn).filter(|s| **s).count();
        format!("{name}: {count} patches for {drawn} tokens")
    }

    fn canvas(
        &self,
        ui: &mut Ui,
        side: f32,
        slot: Slot,
        picture: &Picture,
        patches: &Patches,
        title: &str,
    ) -> (Rect, Pointed) {
        let answer = ui.vertical(|ui| {
            ui.set_width(side);
            ui.add(egui::Label::new(egui::RichText::new(title).strong()).truncate());
            let drawn = if slot == Slot::Main {
                self.drawn_of(picture)
            } else {
                picture.tokens.len().min(self.seek.unwrap_or(usize::MAX))
            };
            let (selected, grid) = (self.hovered.or(self.selected).filter(|_| slot == Slot::Main), self.settings.grid);
            let look = Look {
                drawn,
                grid: grid && picture.request.generator == Generator::Dpar,
                heat: self.settings.heat,
                patches,
                longest: self.controls.p_max as usize,
                selected,
                attention: if slot == Slot::Main { self.attention.as_deref() } else { None },
                kept: if slot == Slot::Main
                    && self.own.is_some()
                    && self.stage.main.as_ref().is_some_and(|p| matches!(p.source, Source::Own(_)))
                {
                    Some(&self.keep)
                } else {
                    None
                },
                now: self.now(),
                running: !picture.is_done(),
            };
            canvas::show(ui, side, picture, self.textures.image(slot), self.textures.heat(slot), &look, title)
        });
        let (response, pointed) = answer.inner;
        (response.rect, pointed)
    }

    fn upload(&mut self, ctx: &egui::Context) {
        for slot in [Slot::Main, Slot::Other] {
            if let Some(picture) = self.stage.picture(slot) {
                let drawn = picture.tokens.len().min(self.seek.unwrap_or(usize::MAX));
                self.textures.update(ctx, slot, picture, drawn, self.settings.heat);
            }
        }
    }

    pub(in crate::app) fn remembered(&self) -> Settings {
        let controls = if let ModelSlot::Ready(s) = &self.model {
            Some((s.files.hash.clone(), self.controls.clone()))
        } else {
            None
        };
        Settings { controls: controls.or_else(|| self.settings.controls.clone()), ..self.settings.clone() }
    }

    fn time_frame(&mut self) {
        let now = Instant::now();
        if let (Some(last), true) = (self.clock.last, self.stage.is_moving()) {
            self.clock.longest_ms = self.clock.longest_ms.max((now - last).as_secs_f64() * 1000.0);
        }
        self.clock.frame_ms = self.clock.last.map_or(0.0, |last| (now - last).as_secs_f64() * 1000.0);
        self.clock.last = Some(now);
        self.clock.frames += 1;
    }
}

fn doing(phase: &str) -> &'static str {
    match phase {
        "download" => "fetching",
        "check" => "checking",
        _ => "putting onto the device",
    }
}
