//! Choosing what to draw, by mouse, by keyboard, by finger, among few names and among thousands.

use std::time::{Duration, Instant};

use dpar::app::{Action, App, Launch, Settings};
use dpar::checkpoint::ModelFiles;
use dpar::engine::backend::Backend;
use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::{Bench, open, painted, ready, until};

const SEARCH: &str = "Search what to draw";

/// Opens the list.
fn pick(app: &mut Bench) {
    let name = app.state().state().class;
    app.get_by_label(&name).click();
    app.run_steps(3);
    let text = painted(app);
    assert!(app.query_by_label(SEARCH).is_some(), "the list is open: {text}");
}

fn write(app: &mut Bench, text: &str) {
    app.get_by_label(SEARCH).type_text(text);
    app.run_steps(2);
}

#[test]
fn what_is_chosen_before_the_recording_comes_stays() {
    let open = |settings: Settings, choose: fn(&mut App)| {
        egui_kittest::Harness::builder().build_eframe(move |cc| {
            let mut app = App::with(&cc.egui_ctx, Launch::default(), settings, Backend::cpu(None), "test");
            choose(&mut app); // before the first frame: nothing has come yet
            app
        })
    };
    let mut app = open(Settings::default(), |app| {
        let owl = dpar::platform::built_in_config().classes.iter().position(|name| name == "owl").unwrap();
        let threshold = dpar::controls::Controls { threshold: 2.5, ..app.controls().clone() };
        for action in [Action::Class(owl.into()), Action::Seed(77), Action::Controls(threshold)] {
            app.act(action);
        }
    });
    until(&mut app, "the recording plays", |s| s.source == "recorded");
    let state = until(&mut app, "the model is there", |s| s.model.is_some());
    assert_eq!((state.class.as_str(), state.seed, state.controls.threshold), ("owl", 77, 2.5));

    // On an earlier visit, too.
    let mut app = open(Settings { class: Some("panda".into()), seed: 5, ..Settings::default() }, |_| {});
    let state = until(&mut app, "the recording plays", |s| s.source == "recorded");
    assert_eq!((state.class.as_str(), state.seed), ("panda", 5));
}

#[test]
fn by_keyboard_alone() {
    let mut app = ready();
    assert_eq!(app.state().state().class, "automobile", "what comes out best is drawn where nobody has chosen");
    pick(&mut app);
    write(&mut app, "ow");
    app.key_press(Key::Enter);
    app.run_steps(3);
    assert_eq!(app.state().state().class, "owl");
    assert!(app.query_by_label(SEARCH).is_none(), "it closes");

    // Down into the groups, one opened, its second entry (the first is the group itself) taken.
    pick(&mut app);
    let best = 12;
    for _ in 0..best {
        app.key_press(Key::ArrowDown);
        app.step();
    }
    app.key_press(Key::Enter);
    app.run_steps(3);
    assert!(painted(&app).contains("any animal-bird"), "{}", painted(&app));
    for _ in 0..2 {
        app.key_press(Key::ArrowDown);
        app.step();
    }
    app.key_press(Key::Enter);
    app.run_steps(3);
    assert_eq!(app.state().state().class, "baby chick");

    // Words beside a mix complete it; Esc leaves everything as it was.
    pick(&mut app);
    write(&mut app, "2 owl + pan");
    app.key_press(Key::Enter);
    app.run_steps(3);
    assert_eq!(app.state().state().class, "2 owl + panda");
    pick(&mut app);
    write(&mut app, "fox");
    app.key_press(Key::Escape);
    app.run_steps(3);
    assert!(app.query_by_label(SEARCH).is_none(), "Esc closes it");
    assert_eq!(app.state().state().class, "2 owl + panda");
}

/// The keyboard goes to the button that opens the list.
fn reach(app: &mut Bench) {
    let name = app.state().state().class;
    app.get_by_label(&name).focus();
    app.step();
}

#[test]
fn opened_by_a_key_nothing_is_taken_before_it_is_asked_for() {
    for opens in [Key::Enter, Key::Space] {
        let mut app = ready();
        app.state_mut().act(Action::Class(0.into()));
        app.run_steps(2);
        reach(&mut app);
        app.key_press(opens);
        app.run_steps(3);
        assert!(app.query_by_label(SEARCH).is_some(), "{opens:?} opens the list");
        assert_eq!(app.state().state().class, "animal-bird", "{opens:?} chooses nothing");
        app.event(egui::Event::Text("owl".into())); // whoever has the keyboard gets it: the search
        app.run_steps(2);
        app.key_press(Key::Enter);
        app.run_steps(3);
        assert_eq!(app.state().state().class, "owl");
        // The keyboard is where it was: the same key opens the list again.
        app.key_press(opens);
        app.run_steps(3);
        assert!(app.query_by_label(SEARCH).is_some(), "{opens:?} opens it again");
        // On another button Enter is that button's.
        app.get_by_label("Mix two").focus();
        app.step();
        app.key_press(Key::Enter);
        app.run_steps(3);
        assert!(app.state().state().class.contains(" + "), "{}", app.state().state().class);
    }
}

#[test]
fn a_pasted_emoji_is_spelled_out_and_taken() {
    let mut app = ready();
    pick(&mut app);
    app.event(egui::Event::Paste("\u{1F989}".into()));
    app.run_steps(2);
    assert!(painted(&app).contains("owl"), "{}", painted(&app));
    app.event(egui::Event::Text(" + \u{1F43C}".into()));
    app.run_steps(2);
    app.key_press(Key::Enter);
    app.run_steps(3);
    assert_eq!(app.state().state().class, "owl + panda");
}

#[test]
fn by_lot_it_is_a_thing_and_never_a_group() {
    let mut app = ready();
    let config = dpar::platform::built_in_config();
    for _ in 0..20 {
        app.state_mut().act(Action::RandomThing);
        let class = app.state().state().class;
        let index = config.classes.iter().position(|name| *name == class);
        assert!(index.is_some_and(|index| !config.is_group(index)), "{class}");
    }
}

#[test]
fn by_mouse_one_on_another_is_a_mix() {
    let mut app = ready();
    pick(&mut app);
    app.get_by_label("hamburger").click();
    app.run_steps(3);
    assert_eq!(app.state().state().class, "hamburger");
    pick(&mut app);
    let (from, to) = (app.get_by_label("red apple").rect().center(), app.get_by_label("ghost").rect().center());
    app.drag_at(from);
    app.step();
    for share in [0.3, 0.6, 1.0] {
        app.hover_at(from + share * (to - from));
        app.step();
    }
    app.drop_at(to);
    app.run_steps(3);
    assert_eq!(app.state().state().class, "red apple + ghost");
    pick(&mut app);
    app.get_by_label("Mix two").click();
    app.run_steps(3);
    let mixed = app.state().state().class;
    assert!(mixed.contains(" + ") && mixed != "red apple + ghost", "{mixed}");
}

#[test]
fn a_finger_scrolls_and_taps_on_a_narrow_screen() {
    let settings = Settings { toured: true, ..Settings::default() };
    let mut app = open(Launch::default(), settings, [390.0, 844.0]);
    // The recording too: with it everything moves down.
    until(&mut app, "model and recording are there", |s| s.model.is_some() && s.tokens > 0);
    app.state_mut().act(Action::Class(0.into()));
    app.run_steps(2);
    touch(&app, egui::TouchPhase::Start, egui::pos2(100.0, 12.0)); // now it is known to have a touch screen
    touch(&app, egui::TouchPhase::End, egui::pos2(100.0, 12.0));
    app.step();
    assert!(app.state().state().tiles.is_none(), "it touched nothing");
    pick(&mut app);
    assert!(!app.get_by_label(SEARCH).is_focused(), "no keyboard comes up over the list");
    assert!(!painted(&app).contains("drop one on another"), "a finger scrolls");
    let tile = app.get_by_label("hamburger").rect();
    assert!(tile.right() <= 390.0 && app.get_by_label(SEARCH).rect().left() >= 0.0, "it fits the screen");
    let before = tile.top();
    // A finger that moves up moves the list, and chooses nothing.
    let start = tile.center();
    touch(&app, egui::TouchPhase::Start, start);
    app.step();
    for n in 1..=6 {
        touch(&app, egui::TouchPhase::Move, start - egui::vec2(0.0, 10.0 * n as f32));
        app.step();
    }
    touch(&app, egui::TouchPhase::End, start - egui::vec2(0.0, 60.0));
    app.run_steps(3);
    let after = app.query_by_label("hamburger").map_or(f32::MIN, |node| node.rect().top());
    assert!(after < before - 20.0, "the list has moved from {before} to {after}");
    assert_eq!(app.state().state().class, "animal-bird");
    // A tap chooses.
    let at = app.get_by_label("tulip").rect().center();
    touch(&app, egui::TouchPhase::Start, at);
    app.step();
    touch(&app, egui::TouchPhase::End, at);
    app.run_steps(3);
    assert_eq!(app.state().state().class, "tulip");
}

/// What winit and eframe's web runner say of one finger: the touch, and a pointer that does the same.
fn touch(app: &Bench, phase: egui::TouchPhase, pos: egui::Pos2) {
    let (device_id, id) = (egui::TouchDeviceId(0), egui::TouchId(1));
    app.event(egui::Event::Touch { device_id, id, phase, pos, force: None });
    let button = |pressed| egui::Event::PointerButton {
        pos,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    match phase {
        egui::TouchPhase::Start => {
            app.event(egui::Event::PointerMoved(pos));
            app.event(button(true));
        }
        egui::TouchPhase::Move => app.event(egui::Event::PointerMoved(pos)),
        egui::TouchPhase::End | egui::TouchPhase::Cancel => {
            app.event(button(false));
            app.event(egui::Event::PointerGone);
        }
    }
}

/// A folder with a random model of so many classes, in groups of 50.
fn many(count: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{}/config.json", super::TINY)).unwrap()).unwrap();
    let groups = count.div_ceil(50);
    let names: Vec<String> =
        (0..count).map(|n| if n < groups { format!("group-{n}") } else { format!("thing number {n}") }).collect();
    let parents: Vec<Option<usize>> = (0..count).map(|n| (n >= groups).then(|| n % groups)).collect();
    (config["classes"], config["parents"]) = (names.into(), serde_json::to_value(parents).unwrap());
    for model in ["dpar", "baseline"] {
        config[model]["num_classes"] = count.into();
    }
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    for name in ["vq", "entropy"] {
        let file = format!("{name}.safetensors");
        std::fs::copy(format!("{}/{file}", super::TINY), dir.path().join(file)).unwrap();
    }
    for name in ["dpar", "baseline"] {
        let file = format!("{name}.safetensors");
        grow(&format!("{}/{file}", super::TINY), &dir.path().join(file), count + 1);
    }
    dir
}

/// Copies weights with a class table of so many rows.
fn grow(from: &str, to: &std::path::Path, rows: usize) {
    use safetensors::tensor::{TensorView, serialize};
    const TABLE: &str = "cls_embedding.embedding_table.weight";
    let bytes = std::fs::read(from).unwrap();
    let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let table = all.tensor(TABLE).unwrap();
    let width = table.shape()[1];
    let row = table.data()[..table.data().len() / table.shape()[0]].to_vec();
    let grown =
        TensorView::new(table.dtype(), vec![rows, width], Box::leak(row.repeat(rows).into_boxed_slice())).unwrap();
    let tensors = all.iter().map(|(name, view)| (name.to_owned(), if name == TABLE { grown.clone() } else { view }));
    std::fs::write(to, serialize(tensors.collect::<Vec<_>>(), None).unwrap()).unwrap();
}

/// What this thread has computed so far: other work on the machine does not count. Linux says so; elsewhere it is the time that
/// has passed.
fn computed() -> Duration {
    static BEGUN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = said.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// CPU time of the app's own code for a frame while the list scrolls, painting left out: the mean of many frames.
fn frame_while_scrolling(count: usize) -> Duration {
    let dir = many(count);
    let launch = Launch { model: Some(dir.path().to_string_lossy().into_owned()), ..Launch::default() };
    let mut app = open(launch, Settings { toured: true, ..Settings::default() }, [1280.0, 860.0]);
    until(&mut app, "the model is there", |s| s.model.is_some());
    assert_eq!(ModelFiles::load_dir(dir.path()).unwrap().config.num_classes(), count);
    let name = app.state().state().class;
    app.get_by_label(&name).click();
    app.run_steps(3);
    write(&mut app, "n"); // all of them
    let at = app.get_by_label(SEARCH).rect().center() + egui::vec2(0.0, 200.0);
    app.hover_at(at);
    app.step();
    const FRAMES: u32 = 120;
    let mut spent = Duration::ZERO;
    let mut seen = std::collections::HashSet::new();
    for n in 0..FRAMES {
        let way = if n % 60 < 30 { -40.0 } else { 40.0 };
        app.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            source: egui::MouseWheelSource::Wheel,
            delta: egui::vec2(0.0, way),
            phase: egui::TouchPhase::Move,
            modifiers: Modifiers::NONE,
        });
        let begun = computed();
        app.step();
        spent += computed().saturating_sub(begun);
        seen.insert(painted(&app));
    }
    assert!(seen.len() > 20 || count < 100, "it scrolled: {} different frames", seen.len());
    println!("{count} names: {:?} a frame", spent / FRAMES);
    spent / FRAMES
}

#[test]
fn thousands_of_names_take_no_longer_than_few() {
    // In turns, so that other work on the machine meets both.
    let mut rounds: Vec<(f64, f64)> = Vec::new();
    for _ in 0..7 {
        let (few, most) = (frame_while_scrolling(50).as_secs_f64(), frame_while_scrolling(5000).as_secs_f64());
        rounds.push((most / few, 1000.0 * most));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("5,000 names / 50 names, ms with 5,000: {rounds:?}");
    assert!(rounds[3].0 < 1.5 && rounds[3].1 < 4.0, "{rounds:?}");
}
