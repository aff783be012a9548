//! Two runs beside each other, and recorded ones: held, stepped, slowed down. The rules alone: `state/turns.rs`.

use dpar::app::{Action, Launch, Settings};

use super::{Bench, finish, open, tiny, until};

/// A comparison of the small model, held before its first token.
fn held() -> Bench {
    let mut app = tiny();
    for action in [Action::Compare(true), Action::Generate, Action::Pause] {
        app.state_mut().act(action);
    }
    until(&mut app, "the comparison", |s| s.compare.is_some());
    app
}

/// Tokens of both.
fn drawn(app: &Bench) -> (usize, usize) {
    let state = app.state().state();
    (state.tokens, state.compare.map_or(0, |beside| beside.tokens))
}

#[test]
fn a_comparison_at_a_limited_speed_ends_and_keeps_step() {
    let mut app = held();
    app.state_mut().act(Action::Speed(60.0));
    app.state_mut().act(Action::Resume);
    for tokens in [5, 20, 40] {
        until(&mut app, "it goes on", |s| s.tokens >= tokens);
        let (main, other) = drawn(&app);
        // On a slow machine a frame catches up with several tokens at once, of one and then of the other.
        assert!(main.abs_diff(other) <= 16, "{main} and {other}");
    }
    app.state_mut().act(Action::Speed(0.0));
    let state = finish(&mut app);
    assert_eq!(drawn(&app), (state.total, state.total));
}

#[test]
fn steps_move_both_and_hold() {
    let mut app = held();
    let before = drawn(&app);
    for n in 1..=3 {
        app.state_mut().act(Action::StepToken);
        until(&mut app, "a token of each", |s| s.phase == "paused" && s.tokens == before.0 + n);
        assert_eq!(drawn(&app), (before.0 + n, before.1 + n));
    }
    let patches = app.state().state().patches;
    app.state_mut().act(Action::StepPatch);
    until(&mut app, "a patch", |s| s.phase == "paused" && s.patches > patches);
    let (main, other) = drawn(&app);
    assert_eq!((main, app.state().state().patches), (other, patches + 1));
    // Held in the middle of a turn, gone on with, slowed down: nobody starves.
    for action in
        [Action::Resume, Action::Speed(500.0), Action::Pause, Action::Resume, Action::StepPatch, Action::Resume]
    {
        app.state_mut().act(action);
        app.run_steps(3);
        let (main, other) = drawn(&app);
        assert!(main.abs_diff(other) <= 16, "{main} and {other}");
    }
    app.state_mut().act(Action::Speed(0.0));
    let total = finish(&mut app).total;
    assert_eq!(drawn(&app), (total, total));
}

#[test]
fn a_held_recording_is_stepped_and_stays_held() {
    let mut app = open(Launch::default(), Settings { toured: true, ..Settings::default() }, [1280.0, 860.0]);
    until(&mut app, "the recording", |s| s.source == "recorded" && s.tokens > 3);
    app.state_mut().act(Action::Pause);
    app.step();
    let before = app.state().state();
    app.state_mut().act(Action::StepToken);
    app.run_steps(20);
    let after = app.state().state();
    assert_eq!(after.tokens, before.tokens + 1);
    app.state_mut().act(Action::StepPatch);
    app.run_steps(20);
    let patch = app.state().state();
    assert_eq!(patch.patches, after.patches + 1);
    assert!(app.state().playback().is_paused());
}
