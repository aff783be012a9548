//! What a person can ask for, by command and by key; and what is remembered of it.

use dpar::app::Settings;
use dpar::app::input::action::{Action, Does, KEYS};
use dpar::platform::built_in_config;
use eframe::egui::ThemePreference;

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

fn parse(name: &str, value: &str) -> Result<Action, String> {
    let config = built_in_config();
    Action::parse(name, value, &config.controls(), Some(&config)).map_err(|e| e.to_string())
}

#[test]
fn every_command_is_understood() {
    // The commands of the page (web/boot.js) and of tests, each with a value that it takes.
    let all = [
        ("generate", ""),
        ("redraw", ""),
        ("play", ""),
        ("pause", ""),
        ("resume", ""),
        ("stop", ""),
        ("step_token", ""),
        ("step_patch", ""),
        ("dice", ""),
        ("random_thing", ""),
        ("random_mix", ""),
        ("class", "animal-bird"),
        ("class", "0.7 owl + 0.3 panda"),
        ("class", "\u{1F989}"),
        ("seed", "7"),
        ("threshold", "4.5"),
        ("p_max", "8"),
        ("guidance", "1.5"),
        ("temperature", "0.9"),
        ("top_k", "100"),
        ("top_p", "0.9"),
        ("mode", "static"),
        ("pin", "true"),
        ("grid", "false"),
        ("heat", "on"),
        ("compare", "1"),
        ("theme", "dark"),
        ("speed", "30"),
        ("seek", "12"),
        ("select", "3"),
        ("open_image", ""),
        ("keep_rows", "4"),
        ("attend", "2"),
        ("complete", ""),
        ("export_png", ""),
        ("export_overlay", ""),
        ("export_gif", ""),
        ("export_trace", ""),
        ("copy_image", ""),
        ("copy_link", ""),
        ("link", "#seed=1"),
        ("tour", "0"),
        ("about", "true"),
        ("keys", "true"),
        ("reload_model", ""),
        ("dismiss", ""),
        ("use_cpu", ""),
    ];
    for (name, value) in all {
        parse(name, value).unwrap_or_else(|e| panic!("{name} {value}: {e}"));
    }
    assert_eq!(parse("seed", " 7 "), Ok(Action::Seed(7)));
    assert_eq!(parse("grid", "false"), Ok(Action::Grid(false)));
    assert_eq!(parse("seek", ""), Ok(Action::Seek(None)));
    assert_eq!(parse("theme", "light"), Ok(Action::Theme(ThemePreference::Light)));
    let Ok(Action::Controls(controls)) = parse("threshold", "4.5") else { panic!("a threshold") };
    assert_eq!((controls.threshold, controls.p_max), (4.5, 4), "the other controls stay");
}

#[test]
fn what_means_nothing_is_one_clear_sentence() {
    for (name, value, says) in [
        ("fly", "", "the app knows no command \"fly\""),
        ("seed", "-1", "seed \"-1\" is not a number"),
        ("seed", "many", "seed \"many\""),
        ("threshold", "high", "threshold \"high\""),
        ("threshold", "NaN", "not a finite number"),
        ("threshold", "inf", "not a finite number"),
        ("temperature", "-2", "temperature -2 is out of range"),
        ("top_p", "1.5", "top-p 1.5 is out of range"),
        ("guidance", "1e9", "guidance scale"),
        ("mode", "fast", "is none of token, static, entropy, entropy_row_boundary"),
        ("theme", "pink", "is none of light, dark, system"),
        ("class", "zebra crossing", "nothing is called 'zebra crossing'"),
        ("class", "557", "557"),
        ("p_max", "", "p_max \"\""),
        ("seek", "x", "seek \"x\""),
    ] {
        let e = parse(name, value).unwrap_err();
        assert!(e.contains(says) && !e.contains('\n'), "{name} {value}: {e}");
    }
}

#[test]
fn keys_are_unique_and_each_has_words() {
    for (n, a) in KEYS.iter().enumerate() {
        assert!(!a.label.is_empty() && !a.about.is_empty());
        for b in &KEYS[n + 1..] {
            assert!((a.modifiers, a.key) != (b.modifiers, b.key), "{} is there twice", a.label);
        }
    }
    let every = [
        Does::Generate,
        Does::Again,
        Does::Toggle,
        Does::Stop,
        Does::StepToken,
        Does::StepPatch,
        Does::Back,
        Does::Forward,
        Does::Up,
        Does::Down,
        Does::First,
        Does::Last,
        Does::Lower,
        Does::Raise,
        Does::Pin,
        Does::Grid,
        Does::Heat,
        Does::Compare,
        Does::Dice,
        Does::Open,
        Does::Save,
        Does::Link,
        Does::Copy,
        Does::Theme,
        Does::Tour,
        Does::Keys,
        Does::Close,
    ];
    for does in every {
        assert!(KEYS.iter().any(|k| k.does == does), "no key does {does:?}");
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
