//! Names that nobody typed, flags that newcomers try, sizes that do not fit.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use crate::cli_common::{dpar, generate, names, ok, size, text};
use crate::{fine, refused};

#[test]
fn a_picture_that_is_there_is_not_overwritten_by_a_name_that_nobody_typed() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("dpar.png"), b"mine").unwrap();
    fs::write(dir.path().join("dpar-2.gif"), b"mine").unwrap();
    let (out, err) = fine(&dir, &["generate", "--overlay"]);
    assert_eq!(err, "note: dpar.png is there already: this one is dpar-2.png\n");
    assert!(out.contains("dpar-2.png") && out.contains("dpar-2-overlay.png"), "{out}");
    // All that is named after it has to be free.
    let (out, _) = fine(&dir, &["generate", "--animation", "--trace"]);
    assert!(out.contains("dpar-3.png") && out.contains("dpar-3.gif") && out.contains("dpar-3-trace.json"), "{out}");
    assert_eq!(fs::read(dir.path().join("dpar.png")).unwrap(), b"mine");
    // A name that was typed is meant.
    fine(&dir, &["generate", "--out", "dpar.png"]);
    assert_eq!(size(&dir, "dpar.png"), (16, 16));
}

#[test]
fn overlay_and_trace_without_a_name_are_named_after_out() {
    let dir = tempdir().unwrap();
    fine(&dir, &["generate", "--out", "cat.png", "--overlay", "--trace", "--seed", "2"]);
    assert_eq!(names(&dir), ["cat-overlay.png", "cat-trace.json", "cat.png"]);
}

#[test]
fn the_first_look_finds_a_free_name_too() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("dpar.png"), b"mine").unwrap();
    let mut command = dpar(&dir);
    command.env("VK_ICD_FILENAMES", "/nonexistent").env("WGPU_BACKEND", "vulkan");
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    let said = text(&command.assert().success().get_output().stderr);
    assert!(said.contains("note: dpar.png is there already: this one is dpar-2.png"), "{said}");
    assert_eq!(names(&dir), ["dpar-2-overlay.png", "dpar-2.png", "dpar.png"]);
}

#[test]
fn an_enlargement_that_does_not_fit_is_refused() {
    let dir = tempdir().unwrap();
    let built_in = |args: &[&str]| {
        let run = dpar(&dir).args(["generate", "--device", "cpu", "--out", "g.png"]).args(args).assert().code(2);
        text(&run.get_output().stderr)
    };
    let said = built_in(&["--count", "9", "--scale", "64"]);
    assert!(said.starts_with("error: --scale 64 is too large for a grid of 9 pictures of 128 x 128 pixels"), "{said}");
    assert!(said.contains("8192 pixels a side: --scale 21 is the most"), "{said}");
    fine(&dir, &["generate", "--count", "9", "--scale", "64", "--out", "g.png"]);
    assert!(size(&dir, "g.png").0 >= 3 * 16 * 64);
}

#[test]
fn a_thing_without_its_flag_is_understood() {
    let dir = tempdir().unwrap();
    refused(&dir, &["generate", "heart"], 2, "'heart' belongs to no flag: did you mean --class heart?");
    refused(&dir, &["generate", "--class", "red", "apple"], 2, "did you mean --class \"red apple\"?");
    refused(&dir, &["generate", "owl + panda"], 2, "did you mean --class \"owl + panda\"?");
    let help = ok(&dir, &["generate", "--help"]);
    assert!(help.contains("Usage: dpar generate [OPTIONS]\n"), "{help}");
}

#[test]
fn o_is_short_for_out() {
    let dir = tempdir().unwrap();
    fine(&dir, &["generate", "-o", "p.png"]);
    fine(&dir, &["analyze", "p.png", "-o", "a.json"]);
    fine(&dir, &["looks", "-o", "l.png"]);
    fine(&dir, &["record", "-o", "r"]);
    assert_eq!(names(&dir), ["a.json", "l.png", "p.png", "r"]);
}

#[test]
fn a_random_seed_is_said_and_draws_the_picture_again() {
    let dir = tempdir().unwrap();
    let first = generate(&dir, "cpu", &["--seed", "random", "--out", "a.png"]);
    let seed = first["seeds"][0].as_u64().unwrap().to_string();
    let (out, _) = fine(&dir, &["generate", "--seed", &seed, "--out", "b.png"]);
    assert!(out.contains(&seed), "{out}");
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(read("a.png"), read("b.png"));
    let other = generate(&dir, "cpu", &["--seed", "random", "--out", "a.png"]);
    assert_ne!(other["seeds"], first["seeds"]);
    refused(&dir, &["generate", "--seed", "dice"], 2, "a whole number from 0 to 4294967295, or random");
}

#[test]
fn help_says_what_the_defaults_are() {
    let dir = tempdir().unwrap();
    let config: Value = serde_json::from_str(&ok(&dir, &["info", "--json"])).unwrap();
    let threshold = format!("[default: {}]", config["defaults"]["threshold"]);
    let best = format!("[default: {};", config["featured"][0].as_str().unwrap());
    for command in ["generate", "analyze", "eval", "record"] {
        let help = ok(&dir, &[command, "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!help.contains("the model's"), "{command}: {help}");
        assert!(command == "record" || help.contains(&threshold), "{command}: {help}");
        assert!(["analyze", "eval"].contains(&command) || help.contains(&best), "{command}: {help}");
    }
}
