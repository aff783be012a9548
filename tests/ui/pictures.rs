//! Pictures and recorded runs, without a model.

use std::sync::Arc;
use std::time::Duration;

use dpar::app::panels::tour::STOPS;
use dpar::app::state::figures::{Cost, Figures};
use dpar::app::state::picture::{Picture, Source};
use dpar::app::state::playback::Playback;
use dpar::app::state::starting::Slot;
use dpar::bundled::sheet::{Sheet, SheetLayout};
use dpar::bundled::token_swatches::TokenSwatches;
use dpar::checkpoint::config::Generator;
use dpar::checkpoint::config::ModelConfig;
use dpar::engine::gpu::TimedBy;
use dpar::patching::StartReason;
use dpar::platform::built_in_config;
use dpar::run::request::Request;
use dpar::run::{Statistics, Token};
use eframe::egui::Color32;
use image::{Rgb, RgbImage};

/// Every third token starts a patch, and every row.
fn token(position: usize, grid: usize) -> Token {
    let reason = match position {
        0 | 1 => Some(StartReason::First),
        p if p % grid == 0 => Some(StartReason::Row),
        p if p % 3 == 0 => Some(StartReason::Entropy),
        _ => None,
    };
    Token {
        position,
        id: position as u32,
        entropy: Some(position as f32 / 100.0),
        starts_patch: reason,
        patch: 0,
        rank: 0,
        probability: 0.5,
        candidates: Vec::new(),
    }
}

fn tokens(count: usize, config: &ModelConfig) -> Vec<Token> {
    (0..count).map(|p| token(p, config.grid())).collect()
}

fn picture(drawn: usize, config: &ModelConfig) -> Picture {
    let mut picture = Picture::new(Source::Run, Request::new(config, Generator::Dpar, 0, 1), config);
    tokens(drawn, config).into_iter().for_each(|t| picture.push(t, 0.0));
    picture
}

fn statistics(picture: &Picture) -> Statistics {
    Statistics {
        timed_by: None,
        tokens: 256,
        patches: picture.patches.count(),
        average_patch_length: picture.patches.average_length(),
        elapsed: Duration::ZERO,
        stopped: false,
    }
}

/// A stage that plays a recorded run from a token on, at second 0.
fn playing(from: usize) -> Playback {
    let config = built_in_config();
    let whole = picture(256, &config);
    let mut stage = Playback::default();
    stage.play(Slot::Main, whole.clone(), whole.tokens.clone(), statistics(&whole), from, 0.0);
    stage
}

fn advance(stage: &mut Playback, now: f64, speed: f32) -> usize {
    let wake: dpar::app::Wake = Arc::new(|| ());
    stage.advance(None, &wake, now, speed).unwrap();
    stage.main.as_ref().unwrap().tokens.len()
}

#[test]
fn a_recorded_run_plays_over_time() {
    let mut stage = playing(0);
    assert!(stage.is_busy() && !stage.is_live());
    // 9 seconds for 256 tokens: one every 35.2 ms.
    assert_eq!(advance(&mut stage, 0.0, 0.0), 1);
    assert_eq!(advance(&mut stage, 0.02, 0.0), 1);
    assert_eq!(advance(&mut stage, 0.1, 0.0), 3);
    assert!(!stage.main.as_ref().unwrap().is_done());
    // Frames may be slow: the run keeps its pace as long as they come four times a second.
    let mut now = 0.1;
    while now < 9.2 {
        now += 0.2;
        advance(&mut stage, now, 0.0);
    }
    let done = stage.main.as_ref().unwrap();
    assert!(done.is_done() && done.tokens.len() == 256 && !stage.is_busy());
    assert_eq!(done.patches, picture(256, &built_in_config()).patches);
}

#[test]
fn a_recorded_run_obeys_speed_pause_and_start() {
    let mut stage = playing(100);
    assert_eq!(stage.main.as_ref().unwrap().tokens.len(), 100, "what lies before is there at once");
    assert_eq!(advance(&mut stage, 0.001, 10.0), 101);
    assert_eq!(advance(&mut stage, 0.21, 10.0), 103);
    stage.pause();
    assert!(stage.is_paused() && !stage.is_moving());
    assert_eq!(advance(&mut stage, 5.0, 10.0), 103);
    stage.resume();
    assert_eq!(advance(&mut stage, 5.01, 10.0), 104, "the time of the pause is not made up for");
    stage.stop();
    let stopped = stage.main.as_ref().unwrap();
    assert!(
        stopped.is_done() && stopped.tokens.len() == 256,
        "a recorded picture is never lost by stopping its replay"
    );
    assert!(!stage.is_busy());
}

#[test]
fn a_picture_shows_the_frame_that_has_its_tokens() {
    let config = built_in_config();
    let side = config.image_size() as u32;
    let mut p = picture(256, &config);
    assert!(p.frame_for(3).is_none());
    p.frame(10, &RgbImage::from_pixel(side, side, Rgb([10, 0, 0])));
    p.frame(256, &RgbImage::from_pixel(side, side, Rgb([0, 0, 250])));
    for (drawn, shown) in [(0, 10), (10, 10), (11, 256), (256, 256)] {
        assert_eq!(p.frame_for(drawn).unwrap().0, shown, "{drawn} tokens");
    }
    p.frames.remove(&256);
    assert_eq!(p.frame_for(200).unwrap().0, 10, "the newest, where none shows all");

    // What is not drawn is transparent; what the frame does not show is made of the codes' looks.
    let layout = TokenSwatches::layout(&config);
    let tiles: Vec<RgbImage> = (0..layout.count)
        .map(|n| RgbImage::from_pixel(layout.side, layout.side, Rgb([1, (n % 256) as u8, 3])))
        .collect();
    let sheet = Sheet::of(&tiles, layout.side, layout.columns);
    let mut png = std::io::Cursor::new(Vec::new());
    sheet.pixels().write_to(&mut png, image::ImageFormat::Png).unwrap();
    let looks = TokenSwatches::parse(png.get_ref(), "looks.png", &config).unwrap();
    assert_eq!(SheetLayout::square(layout.side, layout.count), layout);
    let cell = side as usize / config.grid();
    let at = |image: &eframe::egui::ColorImage, token: usize| {
        image.pixels[(token / 16 * cell + 1) * side as usize + token % 16 * cell + 1]
    };
    for looks in [None, Some(&looks)] {
        let image = p.compose(20, side as usize, looks);
        assert_eq!(at(&image, 9), Color32::from_rgb(10, 0, 0));
        let look = if looks.is_some() { Color32::from_rgb(1, 15, 3) } else { Color32::TRANSPARENT };
        assert_eq!(at(&image, 15), look);
        assert_eq!(at(&image, 20), Color32::TRANSPARENT);
    }
    // No frame at all yet.
    assert_eq!(at(&picture(5, &config).compose(5, side as usize, Some(&looks)), 4), Color32::from_rgb(1, 4, 3));
}

#[test]
fn entropies_become_colours_of_drawn_tokens_only() {
    let config = built_in_config();
    let p = picture(200, &config);
    let heat = p.heat(100, (config.vocab() as f32).ln());
    assert_eq!(heat.size, [16, 16]);
    assert!(heat.pixels[99].is_opaque() && heat.pixels[100] == Color32::TRANSPARENT);
    assert_ne!(heat.pixels[0], heat.pixels[99]);
    assert_eq!(p.entropies().len(), 200);
}

#[test]
fn undrawn_tokens_are_guessed_from_above() {
    let config = built_in_config();
    let codes = picture(20, &config).codes(18);
    assert_eq!(codes.len(), 48, "the two rows that are begun, and one more");
    assert_eq!((codes[17], codes[18], codes[34], codes[47]), (17, 2, 2, 15));
    assert_eq!(picture(250, &config).codes(250).len(), 256);
    assert_eq!(picture(0, &config).codes(0), vec![0; 16]);
}

#[test]
fn figures_are_those_of_the_paper() {
    let config = built_in_config();
    // 2 layers of the entropy model, 1 of the encoder and 3 of the decoder a token; 8 of the patch transformer a patch.
    let cost = Cost::of(&config, Generator::Dpar).unwrap();
    assert_eq!(cost, Cost { per_token: 6, per_patch: 8 });
    assert_eq!(Cost::of(&config, Generator::Baseline).unwrap(), Cost { per_token: 12, per_patch: 0 });
    let p = picture(40, &config);
    // Starts in the first 40 tokens: 0, 1; 3 6 9 12 15; 16 18 21 24 27 30; 32 33 36 39.
    let f = Figures::of(&p, &p.patches, 40, Some(cost), (Some(2.5), Some(TimedBy::Gpu)));
    assert_eq!((f.tokens, f.patches, f.saved), (40, 17, 23));
    assert!((f.average - 40.0 / 17.0).abs() < 1e-6);
    assert_eq!((f.layer_steps, f.ms_per_token), (Some(6 * 40 + 8 * 17), Some(2.5)));
    let f = Figures::of(&p, &p.patches, 10, Some(cost), (None, None));
    assert_eq!((f.tokens, f.patches, f.layer_steps), (10, 5, Some(100)));
    // More than there are, and none at all.
    assert_eq!(Figures::of(&p, &p.patches, 999, None, (None, None)).tokens, 40);
    let none = picture(0, &config);
    assert_eq!(
        Figures::of(&none, &none.patches, 5, None, (None, None)),
        Figures { average: 0.0, ..Figures::default() }
    );
}

#[test]
fn the_tour_has_eight_to_twelve_stops_with_something_to_say() {
    assert!((8..=12).contains(&STOPS.len()));
    let controls = built_in_config().controls();
    for stop in &STOPS {
        assert!(!stop.title.is_empty() && stop.text.len() > 60, "{}", stop.title);
        for action in (stop.does)(&controls) {
            if let dpar::app::Action::Controls(controls) = action {
                controls.check().unwrap();
            }
        }
    }
}
