//! The desktop window: eframe on the device that the engine wants, opened again where the device was lost.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use eframe::{NativeOptions, Renderer, egui};

use crate::app::{App, Launch, Reopen};
use crate::engine::backend::DeviceChoice;
use crate::engine::device;
use crate::error::{Error, Result};

/// Smallest window that still shows everything, in points.
const SMALLEST: [f32; 2] = [340.0, 480.0];
/// First window.
const FIRST: [f32; 2] = [1280.0, 860.0];

/// Test aid: an environment variable with a number of tokens, at which the device is lost.
const LOSE: &str = "DPAR_LOSE_DEVICE_AT";
/// A link that draws what is missing of the picture: from a program whose window has come to a sudden end, to the next.
const REST: &str = "DPAR_REST";
/// So many losses a minute are bad luck; one more, and the GPU is no good.
const MAX_LOSSES: usize = 3;

/// Opens the app and returns when it is closed.
///
/// Without a GPU that wgpu can open, the window is drawn with OpenGL and the model runs on the CPU.
///
/// # Errors
/// [`Error::Window`] where there is no display, or neither renderer can use it.
pub fn open_window(launch: Launch) -> Result<()> {
    let mut launch = launch;
    let of = |device| if device == DeviceChoice::Cpu { Renderer::Glow } else { Renderer::Wgpu };
    let mut renderer = of(launch.device);
    launch.lose_device_at = std::env::var(LOSE).ok().and_then(|text| {
        let (tokens, when) = text.split_once(',').unwrap_or((&text, ""));
        Some((tokens.parse().ok()?, when == "paint"))
    });
    launch.rest = std::env::var(REST).ok();
    let mut losses: Vec<Instant> = Vec::new();
    loop {
        let opened = match catch_unwind(AssertUnwindSafe(|| open(renderer, launch.clone()))) {
            Ok(opened) => opened,
            Err(_) if launch.kept.is_lost() => {
                launch.model = launch.kept.model().unwrap_or(launch.model);
                return relaunch(&launch);
            }
            Err(panic) => resume_unwind(panic),
        };
        launch.model = launch.kept.model().unwrap_or(launch.model);
        match opened {
            Ok(()) => match launch.kept.take_reopen() {
                None => return Ok(()),
                Some(Reopen::On(device)) => (launch.device, renderer) = (device, of(device)),
                Some(Reopen::Lost) => {
                    losses.retain(|at| at.elapsed() < Duration::from_secs(60));
                    losses.push(Instant::now());
                    if losses.len() > MAX_LOSSES {
                        launch.notice = "the GPU fails again and again: the model runs on the CPU".into();
                        (launch.device, renderer) = (DeviceChoice::Cpu, Renderer::Glow);
                    }
                }
            },
            Err(eframe::Error::Wgpu(e)) if renderer == Renderer::Wgpu && launch.device == DeviceChoice::Auto => {
                launch.notice = format!("no GPU could be opened ({e}): the model runs on the CPU");
                renderer = Renderer::Glow;
                continue;
            }
            // winit adds the place in its source, which says nothing to anybody here.
            Err(eframe::Error::WinitEventLoop(_)) => return Err(Error::Window("no display was found".into())),
            Err(e) => return Err(Error::Window(e.to_string())),
        }
        // The first window has followed it.
        (launch.link, launch.rest, launch.lose_device_at) = (None, None, None);
    }
}

/// Goes on in a new process: an event loop that a panic has ended does not start again.
fn relaunch(launch: &Launch) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| Error::Window(format!("the GPU was lost and no new window opened ({e})"));
    let program = std::env::current_exe().map_err(|e| failed(&e))?;
    let device = match launch.device {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Gpu => "gpu",
        DeviceChoice::Cpu => "cpu",
    };
    let mut command = Command::new(program);
    command.args(["app", "--device", device]).env_remove(LOSE).env_remove(REST);
    if let Some(model) = &launch.model {
        command.args(["--model", model]);
    }
    if let Some(latest) = launch.kept.latest() {
        command.arg(latest.link).env(REST, latest.rest);
    }
    Err(failed(&replace(&mut command)))
}

/// Becomes another program: the dead window goes with this one. Returns only where that fails.
#[cfg(unix)]
fn replace(command: &mut Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

/// Starts another program and ends with it. Returns only where that fails.
#[cfg(not(unix))]
fn replace(command: &mut Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(e) => e,
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
        device_descriptor: Arc::new(device::device_descriptor),
        ..WgpuSetupCreateNew::without_display_handle()
    });
    eframe::run_native("dpar", options, Box::new(move |cc| Ok(Box::new(App::new(cc, launch)))))
}
