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

/// Files as PyTorch writes them (training/foreign.py).
fn foreign(name: &str) -> String {
    format!("{}/tests/fixtures/foreign/{name}", env!("CARGO_MANIFEST_DIR"))
}

const VQ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny/vq.safetensors");

#[test]
fn checkpoints_of_others_draw_here_what_they_draw_in_pytorch() {
    let dir = TempDir::new().unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&fs::read(foreign("expected.json")).unwrap()).unwrap();
    for (file, left_out) in [("training.pt", "args, optimizer, steps"), ("legacy.pt", "module"), ("wrapped.pth", "")] {
        let hints = ["--heads", "2", "--grid", "8", "--groups", "8"];
        let said = dpar(&dir).args(["convert", &foreign(file), VQ, "--out", file]).args(hints).assert().success();
        let (out, notes) = (text(&said.get_output().stdout), text(&said.get_output().stderr));
        assert!(
            out.contains("7.8 nats, P_max 4") && out.contains("guidance 2, temperature 1, top-k 2000, top-p 1"),
            "{out}"
        );
        assert!(
            notes.contains("baseline from ") && notes.contains("2 layers x 32, 2 heads, 64 codes, 1 class,"),
            "{notes}"
        );
        let rest =
            notes.lines().find_map(|line| line.split_once("not needed and left out: ")).map_or("", |(_, rest)| rest);
        assert_eq!(rest, left_out, "{file}");
        for (seed, tokens) in expected["tokens"].as_array().unwrap().iter().enumerate() {
            let seed = seed.to_string();
            let how = ["--baseline", "--seed", &seed, "--cfg", "1.5"];
            let args =
                ["generate", "--model", file, "--class", "0", "--device", "cpu", "--out", "a.png", "--trace", "a.json"];
            ok(&dir, &[&args[..], &how].concat());
            let trace: serde_json::Value =
                serde_json::from_slice(&fs::read(dir.path().join("a.json")).unwrap()).unwrap();
            assert_eq!(trace["runs"][0]["tokens"], *tokens, "{file}, seed {seed}");
        }
    }
    // Shards of safetensors, and flags for what the folder draws with by itself; int8 on the way.
    let shards = [("a.safetensors", "entropy"), ("b.safetensors", "entropy")];
    for (name, from) in shards {
        fs::copy(format!("{TINY}/{from}.safetensors"), dir.path().join(name)).unwrap();
    }
    let map =
        serde_json::json!({"weight_map": {"norm.weight": "a.safetensors", "tok_embeddings.weight": "b.safetensors"}});
    fs::write(dir.path().join("model.safetensors.index.json"), map.to_string()).unwrap();
    let how =
        ["--heads", "2", "--grid", "8", "--groups", "8", "--threshold", "2.5", "--top-k", "7", "--weights", "int8"];
    let args = ["convert", "model.safetensors.index.json", VQ, "--out", "shards"];
    dpar(&dir).args(args).args(how).assert().success();
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("shards/config.json")).unwrap()).unwrap();
    assert_eq!((&config["patching"]["threshold"], &config["sampling"]["top_k"]), (&2.5.into(), &7.into()));
    let size = |path: &str| fs::metadata(dir.path().join(path)).unwrap().len();
    assert!(size("shards/baseline.safetensors") < size("legacy.pt/baseline.safetensors"));
    let packed = dpar(&dir).args(["convert", &foreign("packed.pt"), VQ, "--out", "y"]).assert().code(2);
    assert!(text(&packed.get_output().stderr).contains("is packed"));
    let outside = serde_json::json!({"weight_map": {"norm.weight": "../a.safetensors"}});
    fs::write(dir.path().join("outside.index.json"), outside.to_string()).unwrap();
    let run = dpar(&dir).args(["convert", "outside.index.json", VQ, "--out", "y"]).assert().code(2);
    assert!(text(&run.get_output().stderr).contains("no name of a file beside it"));
}

#[test]
fn a_folder_does_what_its_models_can_and_says_so() {
    let dir = TempDir::new().unwrap();
    let hints = ["--heads", "2", "--grid", "8", "--groups", "8"];
    let convert = |out: &str, more: &[&str]| {
        let gpt = foreign("wrapped.pth");
        let args = [&["convert", &gpt, VQ, "--out", out][..], &hints, more].concat();
        text(&dpar(&dir).args(args).assert().success().get_output().stdout)
    };
    let commands = |model: &str| {
        let said = ok(&dir, &["info", "--model", model, "--json"]);
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["commands"].clone()
    };
    let refused = |args: &[&str]| text(&dpar(&dir).args(args).assert().code(2).get_output().stderr);

    let said = convert("looks", &["--entropy-only"]);
    assert!(said.contains("dpar analyze PICTURE --model looks"), "{said}");
    assert_eq!(commands("looks"), serde_json::json!(["analyze"]));
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pictures/turned.png");
    let analysed = |model: &str| {
        let said = ok(&dir, &["analyze", picture, "--model", model, "--device", "cpu", "--json"]);
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["entropies"].clone()
    };
    for args in [
        &["generate", "--model", "looks"][..],
        &["generate", "--model", "looks", "--baseline"],
        &["bench", "--model", "looks"],
    ] {
        assert!(refused(args).contains("has a tokenizer and an entropy model alone"), "{args:?}: {}", refused(args));
    }

    let said = convert("both", &[]);
    assert!(said.contains("dpar generate --model both --baseline --class '0'"), "{said}");
    assert_eq!(commands("both"), serde_json::json!(["generate --baseline", "analyze"]));
    assert!(refused(&["generate", "--model", "both"]).contains("dpar generate --baseline"));
    // Whoever may read one of its files may read all.
    let mode = |file: &str| fs::metadata(dir.path().join("both").join(file)).unwrap().permissions();
    assert_eq!(mode("baseline.safetensors"), mode("config.json"));
    // Its weights are there once, for both.
    assert!(!dir.path().join("both/entropy.safetensors").exists());
    let (a, b) = (analysed("looks"), analysed("both"));
    assert!(a.as_array().is_some_and(|all| all.len() == 64) && a == b, "{a} {b}");
    ok(&dir, &["convert", "both", "--out", "int8", "--weights", "int8"]);
    assert_eq!(commands("int8"), commands("both"));

    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("both/config.json")).unwrap()).unwrap();
    config["entropy"]["n_layer"] = 1.into();
    fs::write(dir.path().join("both/config.json"), config.to_string()).unwrap();
    assert!(refused(&["info", "--model", "both"]).contains("`entropy` and `baseline` are not the same"));
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
    assert!(refused(&["convert", "nowhere", "--out", "x"]).contains("nowhere: cannot be read"));
    assert!(refused(&["convert", TINY, "nowhere", "--out", "x"]).contains("give one folder, or files"));
    assert!(refused(&["convert", TINY, "--out", "x", "--heads", "2"]).contains("--heads is for files of others"));
    assert!(refused(&["convert", TINY, "--out", "x", "--top-k", "2"]).contains("--top-k is for files of others"));
    assert!(refused(&["convert", &foreign("legacy.pt"), "--out", "x", "--heads", "2"]).contains("no VQ tokenizer"));
    assert!(refused(&["convert", &foreign("legacy.pt"), VQ, "--out", "x"]).contains("--heads"));
    assert!(
        refused(&["convert", &foreign("expected.json"), VQ, "--out", "x"]).contains("no index of safetensors shards")
    );
    fs::write(dir.path().join("cut.pt"), &fs::read(foreign("training.pt")).unwrap()[..40_000]).unwrap();
    assert!(refused(&["convert", "cut.pt", VQ, "--out", "x"]).contains("cut.pt: is no checkpoint that can be read"));
    fs::write(dir.path().join("cut.safetensors"), &fs::read(VQ).unwrap()[..40_000]).unwrap();
    assert!(refused(&["convert", "cut.safetensors", "--out", "x"]).contains("it was cut off"));
    assert!(refused(&["convert", TINY, "--out", TINY]).contains("is the model itself: choose another folder"));
    assert!(refused(&["convert", TINY, "--out", "-"]).contains("cannot be standard output"));
    assert!(refused(&["convert", TINY, "--out", "x", "--weights", "int4"]).contains("int8"));
    assert!(!dir.path().join("x").exists());
}
