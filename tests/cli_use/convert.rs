//! `dpar convert` and `--weights`.

use std::fs;

use tempfile::TempDir;

use crate::cli_common::{TINY, dpar, ok, text};

/// The tokens of a picture, and the model's name.
fn drawn(dir: &TempDir, model: &str, more: &[&str]) -> (serde_json::Value, String) {
    let args = ["generate", "--model", model, "--class", "1", "--device", "cpu", "--out", "a.png", "--trace", "a.json"];
    ok(dir, &[&args[..], more].concat());
    let trace: serde_json::Value = serde_json::from_slice(&fs::read(dir.path().join("a.json")).unwrap()).unwrap();
    (trace["runs"][0]["tokens"].clone(), trace["model"].as_str().unwrap().to_owned())
}

#[test]
fn a_converted_folder_draws_what_its_weights_draw_when_they_are_kept_like_that() {
    let dir = TempDir::new().unwrap();
    let said = ok(&dir, &["convert", TINY, "--out", "int8", "--weights", "int8"]);
    assert!(said.contains("vq_encoder.safetensors") && said.contains("config.json"), "{said}");
    let size = |folder: &str| fs::metadata(dir.path().join(folder).join("dpar.safetensors")).unwrap().len();
    assert!(size("int8") * 2 < fs::metadata(format!("{TINY}/dpar.safetensors")).unwrap().len() * 3 / 2);
    let (kept, converted) = (drawn(&dir, TINY, &["--weights", "int8"]), drawn(&dir, "int8", &[]));
    assert_eq!(kept.0, converted.0);
    let plain = drawn(&dir, TINY, &[]);
    assert_ne!(kept.1, plain.1, "another model, by name");
    // Back in f32 the numbers are those of int8.
    ok(&dir, &["convert", "int8", "--out", "f32", "--weights", "f32"]);
    assert_eq!(drawn(&dir, "f32", &[]).0, converted.0);
    assert!(size("f32") > 3 * size("int8"));
    // As they are: the same file.
    ok(&dir, &["convert", "int8", "--out", "same"]);
    let bytes = |folder: &str| fs::read(dir.path().join(folder).join("dpar.safetensors")).unwrap();
    assert_eq!(bytes("same"), bytes("int8"));
    // The tokenizer reads pictures from its second file.
    let analysed = |model: &str| ok(&dir, &["analyze", "a.png", "--model", model, "--device", "cpu", "--json"]);
    let tokens = |said: String| serde_json::from_str::<serde_json::Value>(&said).unwrap()["tokens"].clone();
    assert_eq!(tokens(analysed("same")), tokens(analysed(TINY)));
}

#[test]
fn what_cannot_be_converted_is_one_sentence() {
    let dir = TempDir::new().unwrap();
    let refused = |args: &[&str]| {
        let run = dpar(&dir).args(args).assert().code(2);
        let said = text(&run.get_output().stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    assert!(refused(&["convert", "nowhere", "--out", "x"]).contains("config.json"));
    assert!(refused(&["convert", TINY, "--out", TINY]).contains("is the model itself: choose another folder"));
    assert!(refused(&["convert", TINY, "--out", "-"]).contains("cannot be standard output"));
    assert!(refused(&["convert", TINY, "--out", "x", "--weights", "int4"]).contains("int8"));
    assert!(!dir.path().join("x").exists());
}
