//! How widgets look, against pictures in tests/snapshots (`UPDATE_SNAPSHOTS=1` writes them anew).

use std::sync::Arc;

use dpar::app::panels::canvas::{self, Look};
use dpar::app::panels::{theme, threshold};
use dpar::app::state::picture::{Picture, Source};
use dpar::checkpoint::config::Generator;
use dpar::checkpoint::config::ModelConfig;
use dpar::patching::StartReason;
use dpar::platform::built_in_config;
use dpar::run::Token;
use dpar::run::request::Request;
use eframe::egui::{self, Theme};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};

/// Renderings of other Mesa versions differ in single pixels at edges.
fn options() -> SnapshotOptions {
    SnapshotOptions::new().threshold(1.5).max_failed_pixels(40)
}

fn entropies() -> Vec<f32> {
    (0..256u32).map(|i| 3.4 + 3.2 * (i as f32 * 0.7).sin() * (i as f32 * 0.013).cos()).collect()
}

fn shot(results: &mut SnapshotResults, name: &str, size: [f32; 2], mut show: impl FnMut(&mut egui::Ui)) {
    if super::common::gpu().is_none() {
        return;
    }
    for (mode, suffix) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
        let show = &mut show;
        let mut harness = Harness::builder().with_size(size).with_theme(mode).build_ui(move |ui| {
            theme::install(ui.ctx());
            show(ui);
        });
        harness.run_steps(3);
        harness.snapshot_options(format!("{name}-{suffix}"), &options());
        results.extend_harness(&mut harness);
    }
}

#[test]
fn the_threshold_slider() {
    let mut all = SnapshotResults::new();
    shot(&mut all, "threshold", [300.0, 90.0], |ui| {
        let mut value = 4.2;
        threshold::slider(ui, &mut value, Some(5.5), 4.3, 1024, &entropies());
    });
    all.unwrap();
}

fn half_drawn(config: &ModelConfig) -> Picture {
    let mut picture = Picture::new(Source::Run, Request::new(config, Generator::Dpar, 0, 1), config);
    let rule = picture.request.controls.rule(config.grid());
    let (mut run, mut patch) = (0, 0);
    for (position, entropy) in entropies().into_iter().enumerate().take(150) {
        let starts_patch: Option<StartReason> = rule.start(position as u32, entropy * 1.2, run);
        run = if starts_patch.is_some() { 1 } else { run + 1 };
        patch += usize::from(starts_patch.is_some() && position > 0);
        let (id, rank, probability, candidates) = (0, 0, 0.5, Vec::new());
        picture.push(
            Token { position, id, entropy: Some(entropy), starts_patch, patch, rank, probability, candidates },
            f64::NEG_INFINITY,
        );
    }
    let side = config.image_size() as u32;
    let image = image::RgbImage::from_fn(side, side, |x, y| {
        image::Rgb([(x * 8 / side * 32) as u8, 90, (y * 8 / side * 32) as u8])
    });
    picture.frame(150, &image);
    picture
}

#[test]
fn the_canvas_with_its_grid_and_with_its_entropies() {
    let config = built_in_config();
    let picture = Arc::new(half_drawn(&config));
    let mut all = SnapshotResults::new();
    for (name, grid, heat) in [("canvas-grid", true, false), ("canvas-entropy", false, true)] {
        let (picture, config) = (picture.clone(), config.clone());
        shot(&mut all, name, [176.0, 176.0], move |ui| {
            let load = |name: &str, image| ui.ctx().load_texture(name, image, egui::TextureOptions::NEAREST);
            let shown = load("picture", picture.compose(150, config.image_size(), None));
            let warm = load("heat", picture.heat(150, (config.vocab() as f32).ln()));
            // A texture is gone from the frame that drops its last handle.
            ui.data_mut(|d| d.insert_temp(egui::Id::unique("kept"), (shown.clone(), warm.clone())));
            let look = Look {
                drawn: 150,
                grid,
                heat,
                patches: &picture.patches,
                longest: 4,
                selected: Some(70),
                attention: None,
                kept: None,
                now: 1e9,
                running: true,
            };
            canvas::show(ui, 160.0, &picture, Some(&shown), Some(&warm), &look, "a test picture");
        });
    }
    all.unwrap();
}
