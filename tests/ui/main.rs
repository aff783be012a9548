//! The app without a window: its widgets, its data, and the whole of it driven by actions, on the CPU twins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "../common/mod.rs"]
mod common;

mod actions;
mod between;
mod brought;
mod looks;
mod many;
mod models;
mod picking;
mod pictures;
mod running;
mod slider;
mod truth;
mod turns;
mod waiting;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use dpar::app::input::published::Published;
use dpar::app::panels::theme;
use dpar::app::{Action, App, Launch, Settings};
use dpar::checkpoint::ModelFiles;
use dpar::controls::Controls;
use dpar::engine::backend::Backend;
use dpar::platform;
use dpar::run::Session;
use dpar::run::request::Request;
use eframe::egui;
use egui_kittest::Harness;

/// A small model: random weights, 8 x 8 tokens.
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");

type Bench = Harness<'static, App>;

/// The app on the CPU, with the model that comes with it or another one; not yet loaded.
fn open(launch: Launch, settings: Settings, size: [f32; 2]) -> Bench {
    Harness::builder().with_size(size).with_step_dt(1.0 / 60.0).build_eframe(move |cc| {
        theme::install(&cc.egui_ctx);
        App::with(&cc.egui_ctx, launch, settings, Backend::cpu(None), "test")
    })
}

/// The app with its own model, loaded.
fn ready() -> Bench {
    let mut app = open(Launch::default(), Settings { toured: true, ..Settings::default() }, [1280.0, 860.0]);
    until(&mut app, "the model is there", |s| s.model.is_some());
    app
}

/// The app with the small model, loaded.
fn tiny() -> Bench {
    let launch = Launch { model: Some(TINY.into()), ..Launch::default() };
    let mut app = open(launch, Settings::default(), [1280.0, 860.0]);
    until(&mut app, "the model is there", |s| s.model.is_some());
    app
}

/// Frames until something is so.
#[track_caller]
fn until(app: &mut Bench, what: &str, so: impl Fn(&Published) -> bool) -> Published {
    let start = Instant::now();
    loop {
        app.step();
        let state = app.state().state();
        if so(&state) {
            return state;
        }
        assert!(start.elapsed() < Duration::from_secs(100), "waiting until {what}: {state:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn act(app: &mut Bench, action: Action) {
    app.state_mut().act(action);
}

/// The controls in force, with a change.
fn moved(app: &Bench, change: impl Fn(&mut Controls)) -> Action {
    let mut controls = app.state().controls().clone();
    change(&mut controls);
    Action::Controls(controls)
}

/// Draws a picture to its end, until it is decoded too.
#[track_caller]
fn draw(app: &mut Bench, class: usize, seed: u32) -> Published {
    for action in [Action::Class(class.into()), Action::Seed(seed), Action::Generate] {
        app.state_mut().act(action);
    }
    finish(app)
}

#[track_caller]
fn finish(app: &mut Bench) -> Published {
    let state = until(app, "the picture is done", |s| s.phase == "done");
    let all = state.tokens;
    let decoded = |app: &Bench| app.state().playback().main.as_ref().is_some_and(|p| p.frames.contains_key(&all));
    let start = Instant::now();
    while !decoded(app) {
        assert!(start.elapsed() < Duration::from_secs(100), "the picture is not decoded: {state:?}");
        app.step();
        std::thread::sleep(Duration::from_millis(1));
    }
    app.step();
    app.state().state()
}

/// The app's own model.
fn model() -> &'static ModelFiles {
    static MODEL: OnceLock<ModelFiles> = OnceLock::new();
    MODEL.get_or_init(|| platform::embedded_model().unwrap())
}

/// The token ids that the library draws for a request, on the CPU.
fn library(files: &ModelFiles, request: Request) -> Vec<u32> {
    let engine = pollster::block_on(Backend::cpu(None).engine(files, request.generator, 2)).unwrap();
    let mut session = Session::new(engine, &files.config, request).unwrap();
    while !session.is_done() {
        session.step_blocking().unwrap();
    }
    session.tokens().iter().map(|t| t.id).collect()
}

/// A small PNG of two colours.
fn png(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb(if x * height > y * width { [220, 120, 40] } else { [30, (y % 256) as u8, 160] })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// All text that a frame painted.
fn painted<S>(harness: &Harness<'_, S>) -> String {
    fn texts(shape: &egui::Shape, out: &mut String) {
        match shape {
            egui::Shape::Text(t) => {
                out.push_str(t.galley.text());
                out.push('\n');
            }
            egui::Shape::Vec(all) => all.iter().for_each(|s| texts(s, out)),
            _ => {}
        }
    }
    let mut out = String::new();
    harness.output().shapes.iter().for_each(|s| texts(&s.shape, &mut out));
    out
}
