//! What the app says of a picture is how it was drawn: its link, drawn afresh, gives the picture on the screen, token for
//! token, whatever was moved, held, stepped or stopped on the way.

use std::time::{Duration, Instant};

use dpar::app::input::action::Brought;
use dpar::app::state::own::Attend;
use dpar::app::{Action, Kept, Launch, Reopen, Settings};
use dpar::checkpoint::ModelFiles;
use dpar::patching::Mode;
use dpar::run::link::Link;
use eframe::egui;
use egui_kittest::kittest::Queryable as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Bench, TINY, act, library, moved, open, png, tiny, until};

fn files() -> ModelFiles {
    ModelFiles::load_dir(TINY.as_ref()).unwrap()
}

/// Tokens of the shown picture, and those that its link draws, as many.
fn shown_and_afresh(app: &Bench, files: &ModelFiles) -> (Vec<u32>, Vec<u32>, String) {
    let shown: Vec<u32> = app.state().playback().main.as_ref().unwrap().tokens.iter().map(|t| t.id).collect();
    let link = app.state().state().link;
    let (request, notes) = Link::parse(&link).unwrap().request_for(&files.config, &files.hash).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    let mut afresh = library(files, request);
    afresh.truncate(shown.len());
    (shown, afresh, link)
}

#[test]
fn a_control_moved_before_the_engine_is_there_counts_from_the_first_token() {
    let files = files();
    let mut app = tiny();
    act(&mut app, Action::Generate);
    let change = moved(&app, |c| (c.threshold, c.sampling.temperature) = (0.5, 1.7));
    act(&mut app, change);
    let link = app.state().state().link;
    assert!(link.contains("&t=0.5&") && link.contains("&temp=1.7&") && !link.contains("changes="), "{link}");
    until(&mut app, "it is drawn", |s| s.phase == "done");
    let (shown, afresh, link) = shown_and_afresh(&app, &files);
    assert_eq!(shown, afresh, "{link}");
}

#[test]
fn a_link_taken_on_the_way_says_what_was_changed_so_far() {
    let files = files();
    let mut app = tiny();
    act(&mut app, Action::Generate);
    act(&mut app, Action::Pause);
    for _ in 0..10 {
        act(&mut app, Action::StepToken);
        until(&mut app, "a token", |s| s.phase == "paused");
    }
    let drawn = until(&mut app, "ten tokens", |s| s.tokens == 10);
    let change = moved(&app, |c| (c.threshold, c.sampling.temperature) = (0.25, 1.9));
    act(&mut app, change);
    for _ in 0..10 {
        act(&mut app, Action::StepToken);
        until(&mut app, "a token", |s| s.phase == "paused");
    }
    let (shown, afresh, link) = shown_and_afresh(&app, &files);
    assert!(link.contains("changes=10:"), "{link}");
    assert_eq!((shown.len(), &shown), (drawn.tokens + 10, &afresh), "{link}");
    // What would count from a token that is never drawn has changed nothing: the grid is a preview, and the link says so.
    let change = moved(&app, |c| c.threshold = 5.0);
    act(&mut app, change);
    act(&mut app, Action::Stop);
    let stopped = until(&mut app, "it is stopped", |s| s.phase == "done");
    assert_eq!(stopped.link.matches("20:").count(), 0, "{}", stopped.link);
    let (shown, afresh, _) = shown_and_afresh(&app, &files);
    assert_eq!(shown, afresh);
}

/// A window with the small model; what it leaves is for the next.
pub fn window(kept: &Kept) -> Bench {
    let launch = Launch { model: Some(TINY.into()), kept: kept.clone(), ..Launch::default() };
    open(launch, Settings::default(), [1280.0, 860.0])
}

/// The device is lost, the window closes, the next one is opened; its model is not there yet.
pub fn lost_and_opened_again(mut app: Bench, kept: &Kept) -> Bench {
    kept.lose_device();
    let start = Instant::now();
    while kept.take_reopen() != Some(Reopen::Lost) {
        app.step();
        assert!(start.elapsed() < Duration::from_secs(20), "nobody noticed: {:?}", app.state().state());
    }
    drop(app);
    window(kept)
}

#[derive(Clone, Debug)]
enum Deed {
    Generate,
    Redraw,
    Compare(bool),
    Move(f32, u32, usize, f32),
    Speed(f32),
    Pause,
    Resume,
    Token,
    Patch,
    Stop,
    LoseDevice,
    Frames(usize),
}

#[test]
fn whatever_is_done_the_link_draws_what_is_shown() {
    let files = files();
    let deed = prop_oneof![
        2 => Just(Deed::Generate),
        1 => Just(Deed::Redraw),
        1 => any::<bool>().prop_map(Deed::Compare),
        4 => (0.0f32..6.0, 1u32..6, 0usize..4, 0.0f32..2.0).prop_map(|(t, p, m, temp)| Deed::Move(t, p, m, temp)),
        2 => prop_oneof![Just(0.0f32), 100.0f32..600.0].prop_map(Deed::Speed),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Resume),
        2 => Just(Deed::Token),
        2 => Just(Deed::Patch),
        1 => Just(Deed::Stop),
        2 => Just(Deed::LoseDevice),
        4 => (1usize..6).prop_map(Deed::Frames),
    ];
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) });
    let outcome = runner.run(&prop::collection::vec(deed, 1..25), |deeds| {
        let kept = Kept::default();
        let mut app = window(&kept);
        until(&mut app, "the model is there", |s| s.model.is_some());
        act(&mut app, Action::Speed(300.0));
        act(&mut app, Action::Generate);
        for deed in deeds {
            let action = match deed {
                Deed::Generate => Action::Generate,
                Deed::Redraw => Action::Redraw,
                Deed::Compare(on) => Action::Compare(on),
                Deed::Move(threshold, p_max, mode, temperature) => moved(&app, |c| {
                    (c.threshold, c.p_max, c.mode) = (threshold, p_max, Mode::NAMES[mode].1);
                    c.sampling.temperature = if temperature < 0.1 { 0.0 } else { temperature };
                }),
                Deed::Speed(speed) => Action::Speed(speed),
                Deed::Pause => Action::Pause,
                Deed::Resume => Action::Resume,
                Deed::Token => Action::StepToken,
                Deed::Patch => Action::StepPatch,
                Deed::Stop => Action::Stop,
                Deed::LoseDevice => {
                    app = lost_and_opened_again(app, &kept);
                    continue;
                }
                Deed::Frames(count) => {
                    app.run_steps(count);
                    continue;
                }
            };
            act(&mut app, action);
            app.step();
        }
        act(&mut app, Action::Speed(0.0));
        act(&mut app, Action::Resume);
        until(&mut app, "it ends", |s| matches!(s.phase, "done" | "ready")); // ready: stopped before it began
        let (shown, afresh, link) = shown_and_afresh(&app, &files);
        prop_assert_eq!(shown, afresh, "{}", link);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn attention_that_fails_is_said_once_and_pictures_go_on() {
    let mut app = tiny();
    act(&mut app, Action::Generate);
    until(&mut app, "it is drawn", |s| s.phase == "done");
    act(&mut app, Action::Select(Some(9)));
    act(&mut app, Action::Attend(Some(Attend { layer: 99, head: None })));
    until(&mut app, "it is said", |s| s.message.as_deref().is_some_and(|said| said.contains("layer 99")));
    act(&mut app, Action::Dismiss);
    app.run_steps(50);
    let state = app.state().state();
    assert_eq!((state.message, state.phase), (None, "done"), "it is not tried again");
    act(&mut app, Action::Attend(Some(Attend { layer: 0, head: None })));
    until(&mut app, "another layer is known", |s| s.attention);
}

#[test]
fn a_link_to_a_comparison_draws_it() {
    let launch = Launch {
        model: Some(TINY.into()),
        link: Some("#class=1&seed=5&view=compare,grid".into()),
        ..Launch::default()
    };
    let mut app = open(launch, Settings::default(), [1280.0, 860.0]);
    let done = until(&mut app, "both are drawn", |s| {
        s.phase == "done" && s.compare.as_ref().is_some_and(|beside| beside.tokens == s.total)
    });
    assert_eq!((done.seed, done.view.compare, done.view.heat), (5, true, false));
}

#[test]
fn a_link_says_nothing_of_ones_own_image_before_it_is_asked() {
    let mut app = tiny();
    act(&mut app, Action::Image(Brought::File("mine.png".into(), png(40, 40))));
    until(&mut app, "the image is read", |s| s.source == "own");
    act(&mut app, Action::Complete);
    let done = until(&mut app, "it is completed", |s| s.phase == "done" && s.source == "run");
    assert!(
        done.link.contains("class=") && !done.link.contains("given=") && !done.link.contains("sum="),
        "{}",
        done.link
    );
    act(&mut app, Action::CopyLink);
    let said = app.state().state().message.unwrap_or_default();
    assert!(said.contains("without your image") && said.contains("32 tokens"), "{said}");
    let copied = |app: &mut Bench| {
        (0..5).find_map(|_| {
            app.step();
            app.output().platform_output.commands.iter().find_map(|command| match command {
                egui::OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            })
        })
    };
    let plain = copied(&mut app).unwrap();
    assert!(!plain.contains("given="), "{plain}");
    app.get_by_label("Copy it with them").click();
    let whole = copied(&mut app).unwrap();
    assert!(whole.contains("given=0:"), "{whole}");
}
