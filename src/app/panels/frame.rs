//! One frame: what has come is taken in, panels show the facts and push actions, actions are carried out.

use eframe::egui::{self, Ui};
use web_time::Instant;

use crate::app::input::action::{Action, Brought};
use crate::app::input::lookup::pressed;
use crate::app::panels::canvas;
use crate::app::panels::layout::{self, Seen};
use crate::app::state::app::App;
use crate::app::state::publisher::PUBLISH;
use crate::app::state::starting::Slot;

impl App {
    /// Between frames, also while the window is hidden.
    pub fn tick(&mut self, ctx: &egui::Context) {
        let begun = Instant::now();
        for (name, value) in crate::platform::take_commands() {
            match self.command(&name, &value) {
                Ok(Some(action)) => self.act(action),
                Ok(None) => {}
                Err(e) => self.ui.say(e),
            }
        }
        for (name, bytes) in crate::platform::take_pictures() {
            self.act(Action::Image(Brought::File(name, bytes)));
        }
        for names in crate::platform::take_models() {
            self.act(Action::Model(Some(names)));
        }
        self.measure(ctx);
        self.advance(ctx);
        self.settle(ctx);
        let flashing = self.playback.pictures().any(|p| canvas::is_flashing(p, self.clock.now()));
        if self.playback.is_moving() || flashing || self.jobs.thinking {
            ctx.request_repaint();
        } else if self.ui.seek.is_some() || self.model.progress().is_some() {
            ctx.request_repaint_after(PUBLISH);
        }
        if self.publish() {
            ctx.request_repaint_after(PUBLISH);
        }
        self.clock.worked(begun);
    }

    /// The frame.
    pub fn show(&mut self, ui: &mut Ui) {
        if self.machine.over {
            // The device may be gone: egui's renderer panics on anything it is asked to paint, so it is asked nothing.
            return;
        }
        self.clock.frame(self.playback.is_moving());
        let begun = Instant::now();
        let ctx = ui.ctx().clone();
        if self.bench.blind {
            return;
        }
        for command in pressed(&ctx) {
            // One at a time: what a key means depends on what the one before it did.
            if let Some(action) = self.pressed(command) {
                self.act(action);
                ctx.request_repaint();
            }
        }
        self.upload(&ctx);
        // What has been typed where one chooses is the panel's own.
        let mut picker = std::mem::take(&mut self.ui.picker);
        let mut seen = Seen::default();
        layout::show(ui, &self.facts(), &mut picker, &mut seen);
        (self.ui.picker, self.ui.places) = (picker, seen.places);
        let mut actions = self.dropped(&ctx);
        actions.append(&mut seen.actions);
        for action in actions {
            self.act(action);
            ctx.request_repaint();
        }
        self.settle(&ctx);
        self.clock.worked(begun);
        self.lose_device(true);
    }

    fn upload(&mut self, ctx: &egui::Context) {
        for slot in [Slot::Main, Slot::Other] {
            if let Some(picture) = self.playback.picture(slot) {
                let drawn = self.ui.drawn(picture);
                self.ui.textures.update(ctx, slot, picture, drawn, self.chosen.settings.heat);
            }
        }
        if let Some(tiles) = &self.playback.tiles {
            let middle = tiles.difference.then(|| &tiles.pictures[tiles.many.asked()]);
            self.ui.textures.update_tiles(ctx, &tiles.pictures, self.chosen.settings.heat, middle);
        }
    }
}
