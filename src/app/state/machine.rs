//! What the app runs on.

use std::sync::Arc;

use eframe::egui;

use crate::app::state::launch::Launch;
use crate::app::work::loaded_model::Wake;
use crate::engine::backend::{Backend, DeviceChoice};
use crate::engine::device::{self, Gpu};
use crate::platform;

/// Where the model runs, what paints, and how a frame is asked for.
pub struct Machine {
    /// Where the model runs.
    pub backend: Arc<Backend>,
    /// What draws the window.
    pub renderer: &'static str,
    /// Asks for a frame, from anywhere.
    pub wake: Wake,
    /// The device is lost and another window is asked for.
    pub over: bool,
}

impl Machine {
    /// On an egui context.
    pub fn new(ctx: &egui::Context, backend: Backend, renderer: &'static str) -> Self {
        let waker = ctx.clone();
        let wake: Wake = Arc::new(move || waker.request_repaint());
        Self { backend: Arc::new(backend), renderer, wake, over: false }
    }
}

/// The window's device, or the CPU where that is wanted or the window has none that can run the engine.
pub fn adopt_device(cc: &eframe::CreationContext<'_>, launch: &Launch) -> Backend {
    chosen(cc, launch).with_threads(launch.threads).with_caches(launch.caches)
}

fn chosen(cc: &eframe::CreationContext<'_>, launch: &Launch) -> Backend {
    if launch.device == DeviceChoice::Cpu {
        return Backend::cpu(None);
    }
    let Some(state) = &cc.wgpu_render_state else { return Backend::cpu(Some(launch.notice.clone())) };
    if let Err(e) = device::check(&state.adapter) {
        return Backend::cpu(Some(e.to_string()));
    }
    let gpu = Gpu::adopt(state.instance.clone(), state.adapter.clone(), state.device.clone(), state.queue.clone());
    if launch.device == DeviceChoice::Auto && gpu.is_software() {
        // It would compute on the same cores as the twins, four times as slowly, and paint there too.
        return Backend::cpu(Some(format!("{} ({} takes it)", gpu.is_no_match(), platform::DEMAND_GPU)));
    }
    Backend::adopt(gpu)
}
