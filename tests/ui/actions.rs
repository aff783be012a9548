//! What a person can ask for, by command and by key; and what is remembered of it.

use std::collections::BTreeSet;

use dpar::app::input::command::{AppCommand, Most, Shortcut, Takes};
use dpar::app::input::commands::COMMANDS;
use dpar::app::input::lookup;
use dpar::app::input::published::LABELS;
use dpar::app::state::own::Attend;
use dpar::app::{Action, Settings};
use dpar::controls::CONTROLS;
use dpar::platform::built_in_config;
use eframe::egui::{Key, ThemePreference};

use super::{Bench, draw, ready, tiny, until};

/// eframe's storage with one text in it.
struct Stored(String);

impl eframe::Storage for Stored {
    fn get_string(&self, key: &str) -> Option<String> {
        (key == "dpar").then(|| self.0.clone())
    }

    fn set_string(&mut self, _key: &str, value: String) {
        self.0 = value;
    }

    fn remove_string(&mut self, _key: &str) {
        self.0.clear();
    }

    fn flush(&mut self) {}
}

fn parse(app: &Bench, name: &str, value: &str) -> Result<Action, String> {
    match app.state().command(name, value) {
        Ok(action) => Ok(action.unwrap_or_else(|| panic!("{name} {value} means nothing now"))),
        Err(e) => Err(e.to_string()),
    }
}

/// A value that each command takes.
fn value_of(command: &AppCommand) -> &'static str {
    match (command.name, command.takes) {
        ("class", _) => "0.7 owl + 0.3 panda",
        ("attend", _) => "2.0",
        ("crop", _) => "2 0.5 0.25",
        ("link", _) => "#seed=1",
        ("tour", _) => "0",
        ("strip", _) => "0.5",
        ("top_p" | "temperature", _) => "0.5",
        (_, Takes::Switch) => "off",
        (_, Takes::Number(..)) => "3",
        (_, Takes::Choice(options)) => options[0].0,
        (_, Takes::Nothing) => "",
        (name, Takes::Text) => panic!("a value for {name} is needed here"),
    }
}

#[test]
fn every_command_is_understood_and_means_something_else() {
    let mut app = ready();
    until(&mut app, "a picture", |s| s.tokens > 0);
    let mut names = BTreeSet::new();
    let mut meanings = Vec::new();
    for command in lookup::all() {
        assert!(names.insert(command.name), "{} is there twice", command.name);
        assert!(!command.label.is_empty() && !command.about.is_empty(), "{}", command.name);
        let action = parse(&app, command.name, value_of(&command)).unwrap_or_else(|e| panic!("{e}"));
        meanings.push((command.name, action));
    }
    for (n, (name, action)) in meanings.iter().enumerate() {
        let same: Vec<&str> = meanings[n + 1..].iter().filter(|(_, a)| a == action).map(|(name, _)| *name).collect();
        // These depend on what goes on; lots are drawn anew each time.
        let known = ["toggle", "pause", "resume", "play", "close", "back", "forward", "up", "down", "first", "last"];
        assert!(
            same.iter().all(|other| known.contains(other) && known.contains(name)),
            "{name} is {same:?}: {action:?}"
        );
    }
    for (value, says) in [("red heart", "red heart"), ("\u{1F989}", "owl"), ("animal-bird", "animal-bird")] {
        let Ok(Action::Class(mix)) = parse(&app, "class", value) else { panic!("{value}") };
        assert_eq!(dpar::run::prompt::describe(&mix, &built_in_config()), says);
    }
    assert_eq!(parse(&app, "seed", " 7 "), Ok(Action::Seed(7)));
    for (value, on) in
        [("on", true), ("", true), ("1", true), ("true", true), ("false", false), ("off", false), ("0", false)]
    {
        assert_eq!(parse(&app, "grid", value), Ok(Action::Grid(on)));
    }
    for (value, stop) in [("3", Some(3)), ("off", None), ("", None)] {
        assert_eq!(parse(&app, "tour", value), Ok(Action::Tour(stop)));
    }
    assert_eq!(parse(&app, "seek", ""), Ok(Action::Seek(None)));
    assert_eq!(parse(&app, "theme", "light"), Ok(Action::Theme(ThemePreference::Light)));
    assert_eq!(parse(&app, "attend", "1"), Ok(Action::Attend(Some(Attend { layer: 1, head: None }))));
    assert_eq!(parse(&app, "attend", "off"), Ok(Action::Attend(None)));
    let Ok(Action::Controls(controls)) = parse(&app, "threshold", "4.5") else { panic!("a threshold") };
    assert_eq!((controls.threshold, controls.p_max), (4.5, 4), "the other controls stay");
}

#[test]
fn what_means_nothing_is_one_clear_sentence() {
    let app = ready();
    for (name, value, says) in [
        ("fly", "", "the app knows no command \"fly\""),
        ("generate", "now", "generate \"now\" must be said alone"),
        ("seed", "-1", "seed \"-1\" must be a whole number from 0 to 4294967295"),
        ("seed", "many", "seed \"many\""),
        ("threshold", "high", "threshold \"high\" must be a number"),
        ("threshold", "NaN", "must be a number"),
        ("threshold", "inf", "must be a number"),
        ("temperature", "-2", "temperature -2 is out of range"),
        ("top_p", "1.5", "top-p 1.5 is out of range"),
        ("guidance", "1e9", "guidance scale"),
        ("mode", "fast", "must be token, static, entropy, entropy_row_boundary"),
        ("theme", "pink", "must be light, dark or system"),
        ("class", "zebra crossing", "nothing is called 'zebra crossing'"),
        ("class", "557", "557"),
        ("p_max", "", "p_max \"\""),
        ("seek", "x", "seek \"x\""),
        ("seek", "257", "from 0 to 256, or off"),
        ("select", "256", "from 0 to 255, or off"),
        ("grid", "maybe", "grid \"maybe\" must be on or off"),
        ("tour", "-1", "tour \"-1\" must be a whole number from 0 to 9, or off"),
        ("tour", "10", "from 0 to 9"),
        ("tour", "start", "tour \"start\""),
        ("attend", "8", "a layer from 0 to 7"),
        ("attend", "1.99", "a head from 0 to"),
        ("attend", "all", "attend \"all\""),
        ("keep_rows", "17", "from 0 to 16"),
        ("crop", "0", "a zoom from 1 to 8"),
        ("crop", "2 3 4", "two shares"),
        ("speed", "-1", "from 0 to 1000"),
        ("speed", "NaN", "from 0 to 1000"),
        ("link", "#seed=x", ""),
    ] {
        let e = parse(&app, name, value).err().unwrap_or_default();
        assert!(e.contains(says) && !e.contains('\n'), "{name} {value}: {e}");
    }
}

#[test]
fn keys_are_unique_and_what_they_mean_changes_with_what_goes_on() {
    let keys: Vec<(&str, &Shortcut)> = COMMANDS.iter().flat_map(|c| c.keys.iter().map(|k| (c.name, k))).collect();
    assert!(keys.len() >= 28);
    for (n, (name, a)) in keys.iter().enumerate() {
        assert!(!a.label.is_empty());
        for (other, b) in &keys[n + 1..] {
            assert!((a.modifiers, a.key) != (b.modifiers, b.key), "{} means {name} and {other}", a.label);
        }
    }
    // A key turns over what is on or off.
    let mut app = ready();
    for on in [true, false] {
        app.key_press(Key::K);
        app.step();
        app.step();
        assert_eq!(app.state().state().view.pinned, on);
    }
}

/// Every key of the published state, as the text panel shows them: `view.grid`.
fn flat(state: &serde_json::Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (key, value) in state.as_object().unwrap() {
        match value {
            serde_json::Value::Object(inner) => keys.extend(inner.keys().map(|inner| format!("{key}.{inner}"))),
            _ => drop(keys.insert(key.clone())),
        }
    }
    keys
}

#[test]
fn the_text_panel_has_a_label_for_every_figure_and_a_state_for_every_control() {
    let mut app = tiny();
    app.state_mut().act(Action::Compare(true));
    draw(&mut app, 0, 1);
    let mut state = app.state().state();
    assert!(state.compare.is_some());
    state.progress = Some(dpar::platform::ProgressStep { phase: "download".into(), done: 1, total: 2 });
    state.places.clear();
    let state = serde_json::to_value(&state).unwrap();
    let keys = flat(&state);
    let labels: BTreeSet<&str> = LABELS.iter().map(|(key, _)| *key).collect();
    let controls: BTreeSet<&str> = CONTROLS.iter().map(|control| control.name).collect();
    for key in &keys {
        assert!(labels.contains(&key[..]) != controls.contains(&key[..]), "{key} has one label");
    }
    for label in labels {
        // What is an object now is nothing at other times, and nothing is inside of it then.
        assert!(keys.contains(label) || state.get(label).is_some(), "{label} is no key of the state");
    }
    for command in lookup::all() {
        assert!(command.state.is_none_or(|key| keys.contains(key)), "{}: {:?}", command.name, command.state);
        if let Takes::Number(_, Some(Most::State(most))) = command.takes {
            assert!(keys.contains(most), "{}: {most}", command.name);
        }
    }
}

#[test]
fn settings_survive_what_was_broken() {
    let read = |text: &str| Settings::load(Some(&Stored(text.to_owned())));
    assert_eq!(Settings::load(None), Settings::default());
    for broken in ["", "{", "null", r#"{"seed": -1}"#, r#"{"seed": "many"}"#, r#"{"theme": "pink"}"#, "\u{0}\u{1}"] {
        assert_eq!(read(broken), Settings::default(), "{broken:?}");
    }
    // What is not there, or not known any more, does no harm to the rest.
    let some = read(r#"{"seed": 9, "heat": true, "colour": "red"}"#);
    assert_eq!(some, Settings { seed: 9, heat: true, ..Settings::default() });
    // A speed that no run could have.
    for speed in ["-5.0", "1e39", "1e9"] {
        assert_eq!(read(&format!(r#"{{"seed": 9, "speed": {speed}}}"#)).speed, 0.0);
    }
}
