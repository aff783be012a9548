//! What the page calls: the class `Dpar`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use eframe::{CreationContext, Renderer, WebOptions, WebRunner, egui};
use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

use super::between::PageApp;
use crate::app::{App, Kept, Launch, Reopen, Reopener};
use crate::engine::backend::DeviceChoice;
use crate::engine::device;
use crate::platform::web::host::{self, Host};

/// The app on a page.
#[wasm_bindgen(js_name = Dpar)]
#[derive(Debug)]
pub struct Page {
    opening: Opening,
    /// Listens for a changed address.
    hash: Closure<dyn FnMut()>,
}

/// What it takes to open the app, once more where the device was lost.
#[derive(Clone)]
struct Opening {
    host: Host,
    runner: WebRunner,
    kept: Kept,
    /// Where the model runs: a person may change that.
    device: Rc<Cell<DeviceChoice>>,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

impl Opening {
    async fn open(&self, canvas: HtmlCanvasElement) -> Result<(), JsValue> {
        let (options, opening) = (options(self.host.renderer() == "webgpu"), self.clone());
        self.runner.start(canvas, options, Box::new(move |cc| opening.app(cc))).await
    }

    /// Makes the app: the one place that knows its type.
    fn app(&self, cc: &CreationContext<'_>) -> Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
        host::wake_with(&cc.egui_ctx);
        // Opened again, the app goes on with the run it has kept, not with the address.
        let again = self.kept.take_reopen();
        let link = Some(address_hash()).filter(|link| !link.is_empty() && again.is_none());
        if let Some(Reopen::On(device)) = again {
            self.device.set(device);
        }
        let launch = Launch {
            link,
            device: self.device.get(),
            model: self.kept.model().flatten(),
            notice: self.host.notice(),
            bench: asks_for("bench"),
            kept: self.kept.clone(),
            reopen: Reopener(reopen),
            ..Launch::default()
        };
        let page = PageApp::new(App::new(cc, launch), self.runner.clone());
        Ok(Box::new(page.map_err(|e| host::sentence(&e))?))
    }
}

thread_local! {
    /// What is open, and where.
    static OPEN: RefCell<Option<(Opening, HtmlCanvasElement)>> = const { RefCell::new(None) };
}

/// Opens the app again, on the same canvas and with a new device, when the present frame is over.
fn reopen(_ctx: &egui::Context) {
    let Some((opening, canvas)) = OPEN.with_borrow(Clone::clone) else { return };
    wasm_bindgen_futures::spawn_local(async move {
        if let Err(e) = opening.open(canvas).await {
            host::crashed(&format!("The GPU was lost and could not be opened again ({})", host::sentence(&e)));
        }
    });
}

#[wasm_bindgen(js_class = Dpar)]
impl Page {
    /// An app that is not running yet. `host`: see `web/boot.js`.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host) -> Self {
        // eframe installs a panic hook that writes to the console; ours tells the page as well.
        let runner = WebRunner::new();
        let console = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            console(info);
            host::crashed(&info.to_string());
        }));
        host::attach(&host);
        let hash = Closure::new(|| {
            let link = address_hash();
            if !link.is_empty() {
                host::push_command("link".into(), link);
            }
        });
        let device = match (host.cpu(), asks_for("gpu")) {
            (true, _) => DeviceChoice::Cpu,
            (false, true) => DeviceChoice::Gpu,
            (false, false) => DeviceChoice::Auto,
        };
        let opening = Opening { host, runner, kept: Kept::default(), device: Rc::new(Cell::new(device)) };
        Self { opening, hash }
    }

    /// Starts the app on `canvas`.
    ///
    /// # Errors
    /// What eframe says where the canvas cannot be drawn on.
    pub async fn start(&self, canvas: HtmlCanvasElement) -> Result<(), JsValue> {
        self.opening.open(canvas.clone()).await?;
        OPEN.set(Some((self.opening.clone(), canvas)));
        let window = web_sys::window().ok_or("there is no window")?;
        window.add_event_listener_with_callback("hashchange", self.hash.as_ref().unchecked_ref())
    }

    /// Does what a control of the page asks for, in the next frame.
    pub fn command(&self, name: String, value: String) {
        host::push_command(name, value);
    }

    /// Looks at a picture that was pasted into the page.
    pub fn picture(&self, name: String, bytes: Vec<u8>) {
        host::push_picture(name, bytes);
    }

    /// Opens a model whose files, of these names, were let go over the page.
    pub fn model(&self, names: Vec<String>) {
        host::push_model(names);
    }

    /// Stops the app and frees what it holds.
    pub fn destroy(&self) {
        if let Some(window) = web_sys::window() {
            // Fails only where it was never added.
            let _ = window.remove_event_listener_with_callback("hashchange", self.hash.as_ref().unchecked_ref());
        }
        OPEN.set(None);
        self.opening.runner.destroy();
        host::detach();
    }
}

/// Whether the address asks for something: `?bench`, or `?gpu` (even one that a browser computes on the CPU).
fn asks_for(wanted: &str) -> bool {
    let search = web_sys::window().and_then(|w| w.location().search().ok()).unwrap_or_default();
    search.trim_start_matches('?').split('&').any(|part| part == wanted)
}

/// The device that the engine wants, not eframe's own idea of one; or WebGL2.
fn options(webgpu: bool) -> WebOptions {
    let mut options =
        WebOptions { renderer: if webgpu { Renderer::Wgpu } else { Renderer::Glow }, ..WebOptions::default() };
    options.wgpu_options.wgpu_setup = WgpuSetup::CreateNew(WgpuSetupCreateNew {
        device_descriptor: Arc::new(device::device_descriptor),
        ..WgpuSetupCreateNew::without_display_handle()
    });
    options
}

/// What follows the `#` in the address, as it stands there.
fn address_hash() -> String {
    let hash = web_sys::window().and_then(|w| w.location().hash().ok()).unwrap_or_default();
    hash.strip_prefix('#').unwrap_or(&hash).to_owned()
}
