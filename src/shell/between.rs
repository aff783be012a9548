//! Lets the CPU twins draw between two frames: a page has one thread, and while the browser paints what that thread has made (tens
//! of milliseconds without a GPU) it would rest.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use eframe::{WebRunner, egui};
use wasm_bindgen::prelude::*;
use web_sys::MessageChannel;

use crate::app::App;

/// The app of a page, and the messages that it sends itself while it draws.
pub struct PageApp {
    app: App,
    messages: Messages,
}

impl PageApp {
    /// An app that `runner` runs.
    ///
    /// # Errors
    /// What the browser says where it has no channels for messages.
    pub fn new(mut app: App, runner: WebRunner) -> Result<Self, JsValue> {
        app.will_draw_between();
        Ok(Self { app, messages: Messages::new(runner)? })
    }
}

impl eframe::App for PageApp {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        self.app.logic(ctx, frame);
        if self.app.draws_between() {
            self.messages.send();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.app.ui(ui, frame);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.app.save(storage);
    }

    fn persist_egui_memory(&self) -> bool {
        self.app.persist_egui_memory()
    }

    fn as_any_mut(&mut self) -> Option<&mut dyn Any> {
        Some(self)
    }
}

/// One message under way at most. The browser delivers it as soon as nothing is due that came before it, a frame for instance;
/// timers would wait for 4 ms.
struct Messages {
    channel: MessageChannel,
    under_way: Rc<Cell<bool>>,
    /// What the channel calls.
    _arrived: Closure<dyn FnMut()>,
}

impl Messages {
    fn new(runner: WebRunner) -> Result<Self, JsValue> {
        let channel = MessageChannel::new()?;
        let under_way = Rc::new(Cell::new(false));
        let arriving = under_way.clone();
        let arrived = Closure::new(move || {
            arriving.set(false);
            // The runner has no app any more where the page was closed meanwhile.
            if let Some(mut page) = runner.app_mut::<PageApp>()
                && page.app.draw_between()
            {
                page.messages.send();
            }
        });
        channel.port1().set_onmessage(Some(arrived.as_ref().unchecked_ref()));
        Ok(Self { channel, under_way, _arrived: arrived })
    }

    fn send(&self) {
        // Fails only for what cannot be copied; then the frames draw alone.
        if !self.under_way.replace(true) && self.channel.port2().post_message(&JsValue::NULL).is_err() {
            self.under_way.set(false);
        }
    }
}
