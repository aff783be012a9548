//! What the page calls: the class [`Dpar`].

use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use eframe::{CreationContext, Renderer, WebOptions, WebRunner};
use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

use super::host::{self, Host};
use crate::app::{App, Launch};
use crate::backend::DeviceChoice;
use crate::gpu;

/// The app on a page.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Dpar {
    host: Host,
    runner: Runner,
    /// Listens for a changed address.
    hash: Closure<dyn FnMut()>,
}

/// eframe's runner, which has no `Debug`.
struct Runner(WebRunner);

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebRunner")
    }
}

#[wasm_bindgen]
impl Dpar {
    /// An app that is not running yet. `host`: see `web/boot.js`.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host) -> Self {
        // eframe installs a panic hook that writes to the console; ours tells the page as well.
        let runner = Runner(WebRunner::new());
        let console = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            console(info);
            host::crashed(&info.to_string());
        }));
        host::attach(&host);
        let hash = Closure::new(|| host::push_command("link".into(), address_hash()));
        Self { host, runner, hash }
    }

    /// Starts the app on `canvas`.
    ///
    /// # Errors
    /// What eframe says where the canvas cannot be drawn on.
    pub async fn start(&self, canvas: HtmlCanvasElement) -> Result<(), JsValue> {
        let host = self.host.clone();
        let options = options(self.host.renderer() == "webgpu");
        self.runner.0.start(canvas, options, Box::new(move |cc| open_app(cc, &host))).await?;
        let window = web_sys::window().ok_or("there is no window")?;
        window.add_event_listener_with_callback("hashchange", self.hash.as_ref().unchecked_ref())
    }

    /// Does what a control of the page asks for, in the next frame.
    pub fn command(&self, name: String, value: String) {
        host::push_command(name, value);
    }

    /// Stops the app and frees what it holds.
    pub fn destroy(&self) {
        if let Some(window) = web_sys::window() {
            // Fails only where it was never added.
            let _ = window.remove_event_listener_with_callback("hashchange", self.hash.as_ref().unchecked_ref());
        }
        self.runner.0.destroy();
        host::detach();
    }
}

/// The device that the engine wants, not eframe's own idea of one; or WebGL2.
fn options(webgpu: bool) -> WebOptions {
    let mut options =
        WebOptions { renderer: if webgpu { Renderer::Wgpu } else { Renderer::Glow }, ..WebOptions::default() };
    options.wgpu_options.wgpu_setup = WgpuSetup::CreateNew(WgpuSetupCreateNew {
        device_descriptor: Arc::new(gpu::device_descriptor),
        ..WgpuSetupCreateNew::without_display_handle()
    });
    options
}

/// What follows the `#` in the address, as it stands there.
fn address_hash() -> String {
    let hash = web_sys::window().and_then(|w| w.location().hash().ok()).unwrap_or_default();
    hash.strip_prefix('#').unwrap_or(&hash).to_owned()
}

/// Makes the app: the one place that knows its type.
fn open_app(
    cc: &CreationContext<'_>,
    host: &Host,
) -> Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
    host::wake_with(&cc.egui_ctx);
    let link = address_hash();
    let launch = Launch {
        link: (!link.is_empty()).then_some(link),
        device: if host.cpu() { DeviceChoice::Cpu } else { DeviceChoice::Auto },
        notice: host.notice(),
        bench: web_sys::window().and_then(|w| w.location().search().ok()).is_some_and(|s| s.contains("bench")),
        ..Launch::default()
    };
    Ok(Box::new(App::new(cc, launch)))
}
