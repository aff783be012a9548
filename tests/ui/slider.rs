//! The threshold slider.

use dpar::app::panels::threshold::{STEP, slider};
use eframe::egui::{self, Key, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::painted;

/// Codes, and the slider's end for so many.
const VOCAB: usize = 1024;
const MOST: f32 = 8.0;
const DEFAULT: f32 = 4.3;
const NAME: &str = "entropy threshold in nats";

struct Held {
    value: f32,
    changes: usize,
    entropies: Vec<f32>,
}

fn open(value: f32, entropies: Vec<f32>) -> Harness<'static, Held> {
    let held = Held { value, changes: 0, entropies };
    let show = |ui: &mut egui::Ui, held: &mut Held| {
        let answer = slider(ui, &mut held.value, None, DEFAULT, VOCAB, &held.entropies);
        held.changes += usize::from(answer.changed());
    };
    Harness::builder().with_size([300.0, 100.0]).with_step_dt(1.0 / 60.0).build_ui_state(show, held)
}

/// Where a value lies: the bars are 7 points narrower on both sides than the widget.
fn at(harness: &Harness<'_, Held>, nats: f32) -> egui::Pos2 {
    let r = harness.get_by_label(NAME).rect().shrink2(egui::vec2(7.0, 0.0));
    pos2(r.min.x + nats / MOST * r.width(), r.min.y + 30.0)
}

#[test]
fn dragging_moves_it_and_stays_in_range() {
    let mut h = open(DEFAULT, Vec::new());
    let (start, goal, beyond) = (at(&h, DEFAULT), at(&h, 3.0), at(&h, 3.0) + egui::vec2(-900.0, 40.0));
    h.drag_at(start);
    h.step();
    h.hover_at(goal);
    h.step();
    assert!((h.state().value - 3.0).abs() < 0.04, "{}", h.state().value);
    assert!(h.state().changes > 0);
    h.hover_at(beyond);
    h.step();
    assert_eq!(h.state().value, 0.0);
    h.hover_at(beyond + egui::vec2(2000.0, 0.0));
    h.step();
    assert_eq!(h.state().value, (MOST * 100.0).round() / 100.0);
    h.drop_at(beyond);
    h.step();
    let before = (h.state().value, h.state().changes);
    h.hover_at(goal);
    h.step();
    assert_eq!((h.state().value, h.state().changes), before, "let go, it follows nobody");
}

#[test]
fn arrow_keys_move_it_by_a_step_and_a_double_click_resets_it() {
    let mut h = open(3.0, Vec::new());
    h.get_by_label(NAME).focus();
    h.step();
    h.step();
    h.key_press(Key::ArrowRight);
    h.step();
    assert!((h.state().value - 3.0 - STEP).abs() < 1e-5, "{}", h.state().value);
    h.key_press(Key::ArrowLeft);
    h.step();
    h.key_press(Key::ArrowLeft);
    h.step();
    assert!((h.state().value - 3.0 + STEP).abs() < 1e-5, "{}", h.state().value);
    assert_eq!(h.state().changes, 3);
    h.state_mut().value = 0.02;
    h.key_press(Key::ArrowLeft);
    h.step();
    assert_eq!(h.state().value, 0.0, "not below 0");
    let p = at(&h, 4.0);
    for _ in 0..2 {
        h.drag_at(p);
        h.drop_at(p);
        h.step();
    }
    assert_eq!(h.state().value, DEFAULT);
}

#[test]
fn nothing_changes_a_value_that_nobody_touches() {
    // Typed with three decimals, or out of the slider's range: stays as it is until it is moved.
    for value in [5.123, -1.0, 20.0] {
        let mut h = open(value, Vec::new());
        h.run_steps(3);
        assert_eq!((h.state().value, h.state().changes), (value, 0));
    }
}

#[test]
fn the_histogram_says_how_many_tokens_merge() {
    let mut h = open(2.0, vec![0.1, 1.0, 2.0, 2.01, 6.9, f32::INFINITY]);
    h.run_steps(2);
    let text = painted(&h);
    // Strict: at the threshold they still merge.
    assert!(text.contains("3 merge") && text.contains("3 start a patch"), "{text}");
    h.state_mut().entropies.clear();
    h.run_steps(2);
    assert!(!painted(&h).contains("merge"));
}
