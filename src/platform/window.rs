//! The desktop window: eframe on the device that the engine wants, opened again where the device was lost.

use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use eframe::{NativeOptions, Renderer, egui};

use crate::app::{App, Launch};
use crate::backend::DeviceChoice;
use crate::error::{Error, Result};
use crate::gpu;

/// Smallest window that still shows everything, in points.
const SMALLEST: [f32; 2] = [340.0, 480.0];
/// First window.
const FIRST: [f32; 2] = [1280.0, 860.0];

/// Opens the app and returns when it is closed.
///
/// Without a GPU that wgpu can open, the window is drawn with OpenGL and the model runs on the CPU.
///
/// # Errors
/// [`Error::Window`] where there is no display, or neither renderer can use it.
pub fn open_window(launch: Launch) -> Result<()> {
    let mut renderer = if launch.device == DeviceChoice::Cpu { Renderer::Glow } else { Renderer::Wgpu };
    let mut launch = launch;
    loop {
        let opened = open(renderer, launch.clone());
        match opened {
            Ok(()) if launch.kept.take_reopen() => {
                if launch.kept.on_cpu() {
                    launch.device = DeviceChoice::Cpu;
                }
            }
            Ok(()) => return Ok(()),
            Err(eframe::Error::Wgpu(e)) if renderer == Renderer::Wgpu && launch.device == DeviceChoice::Auto => {
                launch.notice = format!("no GPU could be opened ({e}): the model runs on the CPU");
                renderer = Renderer::Glow;
            }
            Err(e) => return Err(Error::Window(e.to_string())),
        }
    }
}

fn open(renderer: Renderer, launch: Launch) -> eframe::Result<()> {
    let icon = eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png")).unwrap_or_default();
    let mut options = NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("DPAR - see where an image model spends its compute")
            .with_app_id("dpar")
            .with_inner_size(FIRST)
            .with_min_inner_size(SMALLEST)
            .with_icon(icon),
        renderer,
        ..NativeOptions::default()
    };
    options.wgpu_options.wgpu_setup = WgpuSetup::CreateNew(WgpuSetupCreateNew {
        device_descriptor: Arc::new(gpu::device_descriptor),
        ..WgpuSetupCreateNew::without_display_handle()
    });
    eframe::run_native("dpar", options, Box::new(move |cc| Ok(Box::new(App::new(cc, launch)))))
}
