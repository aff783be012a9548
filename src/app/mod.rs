//! The app: the same on the desktop and in the browser. It consumes what [`crate::run`] has to say and computes
//! nothing of DPAR itself.
//!
//! `state/` is what it holds, `work/` what it does beside the frame, `panels/` what a person sees: functions of
//! [`panels::facts::Facts`] that push [`Action`]s. `input/` is what a person can ask for and what can arrive, and the only
//! place that changes the app: [`App::act`] carries actions out, so that a button, a key, a link, the tour, a screen reader
//! and a test all take the same way.

pub mod input;
pub mod panels;
pub mod state;
pub mod work;

use eframe::egui;

pub use input::action::Action;
pub use state::app::App;
pub use state::handover::{Kept, Reopen};
pub use state::launch::{Launch, Reopener};
pub use state::settings::Settings;
pub use work::loaded_model::Wake;

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.tick(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.chosen.remembered(self.model.hash()).remember(storage);
    }

    fn persist_egui_memory(&self) -> bool {
        false // panel sizes of another screen do more harm than good
    }
}
