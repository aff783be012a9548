//! The whole app, driven by actions and keys, against what the library computes.

use dpar::analysis::Region;
use dpar::app::input::action::{Brought, Export};
use dpar::app::panels::tour::STOPS;
use dpar::app::state::picture::Source;
use dpar::app::{Action, Launch, Settings};
use dpar::checkpoint::config::Generator;
use dpar::patching::Mode;
use dpar::run::request::Request;
use dpar::run::trace::Trace;
use eframe::egui::{Key, Modifiers};

use super::common::Fixture;
use super::{Bench, TINY, act, draw, finish, library, model, moved, open, png, ready, tiny, until};

/// What the message line says after an action.
fn said(app: &mut Bench, action: Action) -> String {
    act(app, Action::Dismiss);
    act(app, action);
    app.step();
    app.state().state().message.unwrap_or_default()
}

#[test]
fn draws_what_the_reference_drew_and_follows_the_threshold() {
    let run = &Fixture::load("v1").runs()[0];
    let mut app = ready();
    let done = draw(&mut app, run.cls, run.seed);
    assert_eq!(done.ids.as_deref(), Some(&run.tokens[..]), "the tokens of the PyTorch reference");
    assert_eq!(done.patches, run.starts.iter().filter(|s| **s).count());
    assert_eq!((done.total, done.tokens, done.source), (256, 256, "run"));
    assert_eq!(done.steps_saved, 256 - done.patches);
    assert!(done.ms_per_token.is_some_and(|ms| ms > 0.0));

    // The grid follows the threshold; the picture stays.
    let entropies = app.state().playback().main.as_ref().unwrap().entropies();
    for (threshold, p_max, mode) in [
        (3.0, 4, Mode::EntropyRowBoundary),
        (6.5, 0, Mode::Entropy),
        (6.5, 16, Mode::EntropyRowBoundary),
        (5.2, 1, Mode::Static),
    ] {
        let change = moved(&app, |l| (l.threshold, l.p_max, l.mode) = (threshold, p_max, mode));
        act(&mut app, change);
        let expected = app.state().controls().rule(16).patches(&entropies).count();
        let moved = until(&mut app, "the grid follows", |s| s.patches == expected);
        assert_eq!((&moved.ids, moved.controls.threshold, moved.controls.mode), (&done.ids, threshold, mode));
        assert!(moved.regrid_ms.is_some());
    }

    // Redrawn with it: another run of the same seed.
    let change = moved(&app, |l| (l.threshold, l.p_max, l.mode) = (4.5, 4, Mode::EntropyRowBoundary));
    act(&mut app, change);
    act(&mut app, Action::Redraw);
    let again = finish(&mut app);
    let mut request = Request::new(&model().config, Generator::Dpar, run.cls, run.seed);
    request.controls.threshold = 4.5;
    assert_eq!(again.ids, Some(library(model(), request)));

    // A stop of the tour moves the threshold of the picture that is there.
    for stop in 0..STOPS.len() {
        act(&mut app, Action::Tour(Some(stop)));
        for _ in 0..3 {
            app.step();
        }
        let state = app.state().state();
        assert_eq!((state.tour, state.message), (Some(stop), None), "{}", STOPS[stop].title);
    }
    act(&mut app, Action::Tour(None));
    finish(&mut app);
}

#[test]
fn compares_with_the_baseline_and_shares_the_picture() {
    let mut app = ready();
    act(&mut app, Action::Compare(true));
    let done = draw(&mut app, 20, 2);
    let both = until(&mut app, "both are done", |s| s.compare.as_ref().is_some_and(|c| c.tokens == 256));
    assert!(both.phase == "done" || both.phase == "running");
    finish(&mut app);
    let other = app.state().playback().other.as_ref().unwrap();
    assert!(other.is_done() && other.request.generator == Generator::Baseline);
    let ids: Vec<u32> = other.tokens.iter().map(|t| t.id).collect();
    assert_eq!(ids, library(model(), Request::new(&model().config, Generator::Baseline, 20, 2)));
    assert_eq!(done.ids, Some(library(model(), Request::new(&model().config, Generator::Dpar, 20, 2))));
    act(&mut app, Action::Compare(false));
    app.step();
    assert!(app.state().state().compare.is_none());
    // Asked for afterwards, the finished picture is drawn again with the baseline beside it.
    act(&mut app, Action::Compare(true));
    until(&mut app, "both are done", |s| s.phase == "done" && s.compare.as_ref().is_some_and(|c| c.tokens == 256));
    finish(&mut app);
    act(&mut app, Action::Compare(false));

    // Files, and what is in them.
    for (export, ending) in [
        (Export::Picture, ".png"),
        (Export::Overlay, "-patches.png"),
        (Export::Animation, ".gif"),
        (Export::Trace, ".trace.json"),
    ] {
        let (name, bytes) = app.state().file(export).unwrap();
        assert!(name.ends_with(ending), "{name}");
        if export == Export::Trace {
            let trace = Trace::parse(&bytes, &name, &model().config).unwrap();
            assert_eq!(Some(trace.model), done.model);
            assert_eq!(library(model(), trace.runs[0].request()), done.ids.clone().unwrap());
        } else {
            let image = image::load_from_memory(&bytes).unwrap();
            let side = model().config.image_size() as u32;
            assert!(image.width() >= side && image.height() >= side, "{name}: {}", image.width());
        }
    }

    // The link draws it again, wherever it is opened, and shows it the same way.
    act(&mut app, Action::Heat(true));
    act(&mut app, Action::Seek(Some(77)));
    app.step();
    let link = app.state().state().link;
    let launch = Launch { link: Some(format!("https://example.org/x/{link}")), ..Launch::default() };
    let mut second = open(launch, Settings::default(), [1280.0, 860.0]);
    let followed = until(&mut second, "the link's picture is done", |s| s.phase == "done");
    assert_eq!((followed.ids, followed.class, followed.seed), (done.ids, done.class, 2));
    assert!(followed.view.heat);
    until(&mut second, "the cursor is where its sender had it", |s| s.token == 77);
    assert_eq!(followed.message, None);
}

#[test]
fn an_image_of_ones_own_is_read_cut_up_and_completed() {
    let mut app = ready();
    act(&mut app, Action::Image(Brought::File("mine.png".into(), png(300, 200))));
    let own = until(&mut app, "the image is read", |s| s.source == "own");
    let ids = own.ids.clone().unwrap();
    assert_eq!(ids.len(), 256);
    let entropies = app.state().playback().main.as_ref().unwrap().entropies();
    assert_eq!(own.patches, app.state().controls().rule(16).patches(&entropies).count());
    assert_eq!(own.link, "", "no link can carry an image");
    let change = moved(&app, |l| l.threshold = 1.0);
    act(&mut app, change);
    let expected = app.state().controls().rule(16).patches(&entropies).count();
    until(&mut app, "the grid of the own image follows", |s| s.patches == expected);

    act(&mut app, Action::Keep(Region { rows: 4..12, columns: 0..9 }));
    act(&mut app, Action::Complete);
    let done = finish(&mut app).ids.unwrap();
    let kept = (0..256).filter(|i| (4..12).contains(&(i / 16)) && i % 16 < 9);
    assert!(kept.clone().all(|i| done[i] == ids[i]), "what is kept stays");
    assert_eq!(kept.count(), 72);
    assert_ne!(done, ids, "the rest is drawn");
    // The other square of the image, and its whole again.
    act(&mut app, Action::Crop([0.0, 0.0], 3.0));
    until(&mut app, "the crop is read", |s| s.source == "own" && s.ids.as_deref() != Some(&ids));
}

#[test]
fn steps_holds_stops_and_scrubs() {
    let mut app = tiny();
    let whole = draw(&mut app, 1, 5).ids.unwrap();
    assert_eq!(whole.len(), 64);
    act(&mut app, Action::Generate);
    act(&mut app, Action::StepToken);
    let one = until(&mut app, "one token is drawn", |s| s.phase == "paused" && s.tokens > 0);
    assert_eq!(one.tokens, 1);
    act(&mut app, Action::StepToken);
    assert_eq!(until(&mut app, "two tokens are drawn", |s| s.phase == "paused").tokens, 2);
    let patches = app.state().state().patches;
    act(&mut app, Action::StepPatch);
    assert_eq!(until(&mut app, "the next patch begins", |s| s.phase == "paused").patches, patches + 1);
    // Held, nothing happens.
    let held = app.state().state().tokens;
    for _ in 0..5 {
        app.step();
    }
    assert_eq!(app.state().state().tokens, held);
    act(&mut app, Action::Resume);
    let done = finish(&mut app);
    assert_eq!(done.ids.as_ref(), Some(&whole), "holding changes nothing");

    act(&mut app, Action::Speed(40.0));
    act(&mut app, Action::Generate);
    until(&mut app, "some tokens are drawn", |s| s.tokens >= 5);
    act(&mut app, Action::Stop);
    let stopped = until(&mut app, "it has stopped", |s| s.phase == "done");
    assert!(stopped.tokens < 64, "{}", stopped.tokens);
    assert_eq!(stopped.ids.unwrap()[..], whole[..stopped.tokens]);
    act(&mut app, Action::Speed(0.0));
    act(&mut app, Action::Generate);
    finish(&mut app);

    // Keys scrub; a key that is held shows each step.
    app.key_press(Key::Home);
    app.step();
    assert_eq!(app.state().state().token, 0);
    app.key_press(Key::ArrowRight);
    app.step();
    app.key_press(Key::ArrowDown);
    app.step();
    assert_eq!(app.state().state().token, 9);
    app.key_press(Key::ArrowLeft);
    app.step();
    assert_eq!((app.state().state().token, app.state().state().tokens), (8, 64));
    app.key_press(Key::End);
    app.step();
    assert_eq!(app.state().state().token, 64);
    act(&mut app, Action::Seek(Some(999)));
    app.step();
    assert_eq!(app.state().state().token, 64, "there is no such token");

    // From the cursor on it plays again, and is the same picture in the end.
    act(&mut app, Action::Seek(Some(60)));
    app.key_press(Key::Space);
    until(&mut app, "it plays", |s| s.tokens < 64);
    until(&mut app, "it has played", |s| s.tokens == 64 && s.phase == "done");
    assert_eq!(app.state().state().ids, Some(whole.clone()));
    // Stopping the replay keeps the picture.
    act(&mut app, Action::Seek(Some(3)));
    act(&mut app, Action::Play);
    act(&mut app, Action::Stop);
    app.step();
    assert_eq!(app.state().state().ids, Some(whole));
}

#[test]
fn keys_switch_what_is_shown() {
    let mut app = tiny();
    let view = |app: &Bench| app.state().state().view;
    let press = |app: &mut Bench, key: Key| {
        app.key_press(key);
        app.step();
    };
    let (grid, heat, theme) = (view(&app).grid, view(&app).heat, view(&app).theme);
    press(&mut app, Key::B);
    press(&mut app, Key::E);
    press(&mut app, Key::N);
    let now = view(&app);
    assert!(now.grid != grid && now.heat != heat && now.theme != theme);
    let threshold = app.state().state().controls.threshold;
    press(&mut app, Key::CloseBracket);
    assert!(app.state().state().controls.threshold > threshold);
    let seed = app.state().state().seed;
    press(&mut app, Key::D);
    assert_ne!(app.state().state().seed, seed);
    // Windows over the app, and Esc closes one after the other.
    press(&mut app, Key::Questionmark);
    assert!(super::painted(&app).contains("generate a picture"));
    act(&mut app, Action::About(true));
    app.step();
    press(&mut app, Key::Escape);
    app.step();
    let text = super::painted(&app);
    assert!(!text.contains("one row forward") && text.contains("Most tokens of a picture"), "{text}");
    press(&mut app, Key::Escape);
    app.step();
    assert!(!super::painted(&app).contains("Most tokens of a picture"));
    // Ctrl with a letter is another key than the letter.
    let phase = app.state().state().phase;
    app.key_press_modifiers(Modifiers::CTRL, Key::G);
    app.step();
    assert_eq!(app.state().state().phase, phase);
    press(&mut app, Key::G);
    finish(&mut app);
}

#[test]
fn a_threshold_moved_on_the_way_counts_at_once_and_the_link_repeats_it() {
    let mut app = tiny();
    act(&mut app, Action::Speed(60.0));
    for action in [Action::Class(0.into()), Action::Seed(11), Action::Generate] {
        act(&mut app, action);
    }
    until(&mut app, "some tokens are drawn", |s| s.tokens >= 12);
    let change = moved(&app, |l| (l.threshold, l.p_max) = (1e3, 0));
    act(&mut app, change);
    act(&mut app, Action::Speed(0.0));
    let done = finish(&mut app);
    let main = app.state().playback().main.clone().unwrap();
    assert_eq!(main.source, Source::Run);
    let entropy = |t: &&dpar::run::Token| t.starts_patch == Some(dpar::patching::StartReason::Entropy);
    let last = main.tokens.iter().filter(entropy).map(|t| t.position).max();
    assert!(last.is_none_or(|p| p < 40), "no token after the change starts a patch for its entropy: {last:?}");
    act(&mut app, Action::Link(done.link.clone()));
    let again = finish(&mut app);
    assert_eq!((again.ids, again.patches), (done.ids, done.patches), "{}", done.link);
}

#[test]
fn bad_input_is_said_and_harms_nothing() {
    let mut app = tiny();
    assert!(said(&mut app, Action::Export(Export::Picture)).contains("no finished picture"));
    assert!(said(&mut app, Action::Export(Export::Animation)).contains("no finished picture"));
    assert!(said(&mut app, Action::CopyLink).contains("no finished picture"));
    assert!(said(&mut app, Action::CopyImage).contains("no finished picture"));
    assert!(said(&mut app, Action::Complete).contains("open an image"));
    let done = draw(&mut app, 0, 1);
    for link in ["nonsense", "#seed=many", "#class=99&seed=1", "#class=0&seed=1&threshold=NaN", "#\u{e9}=%ff"] {
        let text = said(&mut app, Action::Link(link.into()));
        assert!(!text.is_empty() && !text.contains('\n'), "{link:?}: {text}");
    }
    let bad = moved(&app, |l| l.threshold = f32::NAN);
    assert!(said(&mut app, bad).contains("finite"));
    let bad = moved(&app, |l| l.sampling.temperature = 1e-6);
    assert!(said(&mut app, bad).contains("too small"));
    assert!(app.state().state().controls.threshold.is_finite());
    for (name, bytes) in
        [("a.png", b"not a picture".to_vec()), ("cut.png", png(50, 50)[..60].to_vec()), ("empty.jpg", Vec::new())]
    {
        act(&mut app, Action::Dismiss);
        act(&mut app, Action::Image(Brought::File(name.into(), bytes)));
        let state = until(&mut app, "the image is refused", |s| s.message.is_some());
        assert!(state.message.unwrap().contains(name));
    }
    assert!(said(&mut app, Action::Class(9_999.into())).is_empty());
    assert!(!said(&mut app, Action::Generate).is_empty(), "a class that does not exist cannot be drawn");
    app.step();
    act(&mut app, Action::Class(0.into()));
    for action in [
        Action::Tour(Some(99)),
        Action::Select(Some(9_999)),
        Action::Seek(Some(9_999)),
        Action::Crop([f32::NAN, 7.0], -1.0),
        Action::Keep(Region { rows: 3..999, columns: 900..901 }),
        Action::Attend(Some(dpar::app::state::own::Attend { layer: 99, head: Some(99) })),
        Action::StepPatch,
        Action::Resume,
        Action::Stop,
        Action::Pause,
    ] {
        act(&mut app, action);
        app.step();
    }
    assert_eq!(app.state().state().ids, done.ids, "the picture is still there");
    act(&mut app, Action::Attend(None));
    let again = draw(&mut app, 0, 1);
    assert_eq!(again.ids, done.ids);
}

#[test]
fn an_image_that_is_there_in_part_is_read_and_said() {
    let mut app = tiny();
    let half = include_bytes!("../fixtures/pictures/half-then-end-marker.jpg").to_vec();
    act(&mut app, Action::Image(Brought::File("half.jpg".into(), half)));
    let state = until(&mut app, "half an image is read", |s| s.message.is_some());
    assert!(state.message.unwrap().starts_with("half.jpg: a part of the picture is missing"));
    assert!(state.ids.is_some_and(|ids| !ids.is_empty()));
}

#[test]
fn a_link_or_a_model_that_is_wrong_is_said_at_the_start() {
    let launch = Launch { model: Some(TINY.into()), link: Some("#class=zebra&seed=1".into()), ..Launch::default() };
    let mut app = open(launch, Settings::default(), [1000.0, 700.0]);
    let state = until(&mut app, "the link is refused", |s| s.message.is_some());
    assert!(state.message.unwrap().contains("zebra"));
    until(&mut app, "the model is there nevertheless", |s| s.model.is_some());

    let launch = Launch { model: Some("/no/such/folder".into()), ..Launch::default() };
    let mut app = open(launch, Settings::default(), [1000.0, 700.0]);
    let state = until(&mut app, "the model is refused", |s| s.phase == "error");
    assert!(state.message.unwrap().contains("/no/such/folder"));
    assert!(said(&mut app, Action::Generate).contains("the model is not there"));
    assert!(said(&mut app, Action::Image(Brought::File("a.png".into(), png(9, 9)))).contains("the model is not there"));
    app.step();
}

#[test]
fn what_can_be_done_has_a_name_for_screen_readers_at_every_size() {
    for size in [[1280.0, 860.0], [1000.0, 700.0], [380.0, 800.0], [340.0, 480.0]] {
        let launch = Launch { model: Some(TINY.into()), ..Launch::default() };
        let mut app = open(launch, Settings::default(), size);
        until(&mut app, "the model is there", |s| s.model.is_some());
        draw(&mut app, 0, 1);
        act(&mut app, Action::Attend(Some(dpar::app::state::own::Attend::default())));
        act(&mut app, Action::Image(Brought::File("a.png".into(), png(90, 60))));
        until(&mut app, "the image is read", |s| s.source == "own");
        for over in [Action::Keys(true), Action::About(true), Action::Tour(Some(4))] {
            act(&mut app, over);
            app.step();
            assert_eq!(app.unnamed_widgets(), Vec::<String>::new(), "{size:?}");
        }
    }
}
