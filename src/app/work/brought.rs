//! What somebody brings to the window: a file let go over it, a picture or a link from the clipboard.

use std::path::PathBuf;

use eframe::egui::{self, Event};

use crate::app::input::action::{Action, Brought};
use crate::app::state::app::App;
use crate::platform::{self, Task};
use crate::run::link::Link;

impl App {
    /// Files let go over the window; pictures and links that were pasted.
    pub(in crate::app) fn dropped(&mut self, ctx: &egui::Context) -> Vec<Action> {
        let files = ctx.input_mut(|i| std::mem::take(&mut i.raw.dropped_files));
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path().to_owned()).collect();
        if !paths.is_empty() && paths.iter().all(|path| platform::may_be_model(path)) {
            return vec![Action::Model(Some(paths))];
        }
        if let Some(file) = files.into_iter().next() {
            let wake = self.machine.wake.clone();
            self.jobs.open = Some(Task::spawn(move || wake(), move || platform::read_dropped(file)));
        }
        let typing = ctx.text_edit_focused();
        let asked = |event: &Event| match event {
            Event::PasteImage(image) => Some(Action::Image(Brought::Pixels(image.clone()))),
            Event::Paste(text) if !typing && Link::is_meant(text) => Some(Action::Link(text.clone())),
            _ => None,
        };
        ctx.input(|i| i.events.iter().filter_map(asked).collect())
    }
}
