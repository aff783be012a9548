//! The `dpar` program as a person runs it: real runs on a small model, files, JSON and exit codes.
//!
//! What it refuses is in `cli_errors.rs`.

#![allow(clippy::unwrap_used, reason = "a test helper that unwraps fails with the right line")]

mod cli_common;

use std::fs;
use std::path::Path;

use cli_common::{TINY, devices, dpar, generate, names, ok, size, text, trace};
use dpar::bundled::recording::Recording;
use dpar::bundled::thumbnails::{Picks, Thumbnails};
use dpar::bundled::token_swatches::TokenSwatches;
use dpar::checkpoint::ModelFiles;
use dpar::patching::{Mode, PatchRule};
use dpar::run::link::Link;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

#[test]
fn draws_the_same_picture_twice_and_says_what_the_trace_says() {
    for device in devices() {
        let dir = tempdir().unwrap();
        let first = generate(&dir, device, &["--seed", "7", "--class", "3", "--out", "a.png", "--trace", "a.json"]);
        let again = generate(&dir, device, &["--seed", "7", "--class", "3", "--out", "b.png", "--trace", "b.json"]);
        let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
        assert_eq!(read("a.png"), read("b.png"), "{device}");
        assert_eq!(read("a.json"), read("b.json"), "{device}");
        assert_eq!(size(&dir, "a.png"), (16, 16));
        assert_eq!(names(&dir), ["a.json", "a.png", "b.json", "b.png"]);

        let trace = trace(&dir, "a.json");
        let run = &trace.runs[0];
        let patches = run.starts.iter().filter(|s| **s).count();
        assert_eq!((run.seed, run.class, run.tokens.len()), (7, 3, 64));
        for report in [&first, &again] {
            assert_eq!(report["tokens"], 64);
            assert_eq!(report["patches"], patches);
            let length = report["average_patch_length"].as_f64().unwrap();
            assert!((length - 64.0 / patches as f64).abs() < 1e-9, "{length}");
            assert_eq!((&report["class"], &report["seeds"][0]), (&Value::from(3), &Value::from(7)));
            assert_eq!(report["model_hash"], *trace.model);
            assert_eq!(report["fallback"], Value::Null);
            assert!(report["ms_per_token"].as_f64().unwrap() > 0.0);
            assert_eq!(report["adapter"].as_str().unwrap().contains("CPU twins ("), device == "cpu");
        }
        let out = ok(&dir, &["replay", "a.json", "--model", TINY, "--device", device]);
        assert!(out.contains("identical, 64 tokens"), "{out}");
    }
}

#[test]
fn several_pictures_make_a_grid_and_an_overlay_each() {
    for device in devices() {
        let dir = tempdir().unwrap();
        let args =
            ["--count", "3", "--seed", "4294967295", "--out", "g.png", "--overlay", "o.png", "--trace", "t.json"];
        let report = generate(&dir, device, &args);
        assert_eq!(report["seeds"], serde_json::json!([4_294_967_295_u32, 0, 1]));
        assert_eq!(report["tokens"], 3 * 64);
        assert_eq!(report["files"]["overlays"], serde_json::json!(["o-1.png", "o-2.png", "o-3.png"]));
        assert_eq!(names(&dir), ["g.png", "o-1.png", "o-2.png", "o-3.png", "t.json"]);
        // Two columns and two rows of pictures of 16 pixels, 16 times as large, 8 pixels apart and around.
        assert_eq!(size(&dir, "g.png"), (2 * 256 + 3 * 8, 2 * 256 + 3 * 8));
        let patches: usize = trace(&dir, "t.json").runs.iter().flat_map(|r| &r.starts).filter(|s| **s).count();
        assert_eq!(report["patches"], patches);
        // The second picture of a command is the first of another: nothing of a run stays in the engine.
        generate(&dir, device, &["--seed", "0", "--out", "one.png", "--trace", "one.json"]);
        assert_eq!(trace(&dir, "one.json").runs[0], trace(&dir, "t.json").runs[1], "{device}");
        let out = ok(&dir, &["replay", "t.json", "--model", TINY, "--device", device]);
        assert_eq!(out.matches("identical").count(), 3, "{out}");
    }
}

#[test]
fn every_setting_reaches_the_run() {
    let dir = tempdir().unwrap();
    let all = [
        "--mode=static",
        "--p-max=3",
        "--threshold=-1",
        "--cfg=1",
        "--temperature=0.5",
        "--top-k=9",
        "--top-p=0.5",
        "--trace=t.json",
        "--out=p.png",
    ];
    generate(&dir, "cpu", &all);
    let run = trace(&dir, "t.json").runs.remove(0);
    let s = &run.controls.sampling;
    assert_eq!((run.controls.mode, run.controls.p_max, run.controls.threshold), (Mode::Static, 3, -1.0));
    assert_eq!((s.cfg_scale, s.temperature, s.top_k, s.top_p), (1.0, 0.5, 9, 0.5));
    assert!(run.starts.iter().enumerate().all(|(i, start)| *start == i.is_multiple_of(3)));

    // Everything is above a threshold of -1, nothing above 100: the extremes of the patch rule.
    let every = generate(&dir, "cpu", &["--threshold", "-1", "--out", "p.png"]);
    assert_eq!(every["patches"], 64);
    let rows = generate(&dir, "cpu", &["--threshold", "100", "--p-max", "0", "--out", "p.png"]);
    assert_eq!(rows["patches"], 9);
    assert_eq!(size(&dir, "p.png"), (16, 16));
    generate(&dir, "cpu", &["--scale", "5", "--out", "p.png"]);
    assert_eq!(size(&dir, "p.png"), (80, 80));
}

#[test]
fn links_draw_the_same_picture() {
    let dir = tempdir().unwrap();
    let settings = ["--class=3", "--seed=7", "--threshold=3.9", "--cfg=1.5", "--top-p=0.9", "--mode=entropy"];
    let first = generate(&dir, "cpu", &[&settings as &[_], &["--trace", "a.json", "--out", "a.png"]].concat());
    let link = first["runs"][0]["link"].as_str().unwrap();
    let model = first["model_hash"].as_str().unwrap();
    let sum = dpar::run::link::sum(trace(&dir, "a.json").runs[0].tokens.iter().copied());
    let end = format!("&model={model}&sum={sum}");
    assert!(link.starts_with("#class=3&seed=7&t=3.9&") && link.ends_with(&end), "{link}");
    let address = format!("https://example.org/dpar/{link}&view=grid");
    let again = generate(&dir, "cpu", &["--link", &address, "--trace", "b.json", "--details", "--out", "b.png"]);
    assert_eq!(again["runs"][0]["link"], link);
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(read("a.png"), read("b.png"));
    let (a, b) = (trace(&dir, "a.json"), trace(&dir, "b.json"));
    assert!(b.runs[0].is_detailed() && !a.runs[0].is_detailed());
    assert_eq!(a.runs[0], b.runs[0].clone().plain());
    ok(&dir, &["replay", "b.json", "--model", TINY, "--device", "cpu"]);

    // Another sum, as a device that rounds differently would have it: the receiver is told.
    let other = link.replace(&sum, "00000000");
    let run = dpar(&dir).args(["generate", "--model", TINY, "--device", "cpu", "--link", &other]).assert().success();
    let notes = text(&run.get_output().stderr);
    assert!(notes.contains(&format!("sum {sum}, the sender's 00000000")) && notes.contains("CPU"), "{notes}");

    // Several pictures begin at the link's seed; a completion's link says nothing of somebody's image: the trace does.
    let several = generate(&dir, "cpu", &["--link", link, "--count", "2", "--out", "e.png"]);
    assert_eq!(several["seeds"], serde_json::json!([7, 8]));
    let kept =
        generate(&dir, "cpu", &["--complete", "a.png", "--keep-rows", "3", "--out", "c.png", "--trace", "c.json"]);
    let link = kept["runs"][0]["link"].as_str().unwrap();
    assert!(!link.contains("given=") && !link.contains("sum="), "{link}");
    let request = trace(&dir, "c.json").runs[0].request();
    let whole = Link::of(&request, "", &ModelFiles::load_dir(TINY.as_ref()).unwrap().config).to_string();
    assert!(whole.contains("&given=0:"), "{whole}");
    generate(&dir, "cpu", &["--link", &whole, "--out", "d.png", "--trace", "d.json"]);
    assert_eq!((read("c.png"), read("c.json")), (read("d.png"), read("d.json")));

    // A link of the future, or of another model, is drawn with a word on stderr.
    let args = ["generate", "--model", TINY, "--device", "cpu", "--link", "#class=1&zoom=2&model=0123"];
    let run = dpar(&dir).args(args).assert().success();
    let notes = text(&run.get_output().stderr);
    assert!(notes.contains("note: the link says \"zoom\"") && notes.contains("made with model 0123"), "{notes}");
    assert!(text(&run.get_output().stdout).contains("link       #class=1&seed=1&"));
}

#[test]
fn animations_show_the_run() {
    let dir = tempdir().unwrap();
    let report = generate(&dir, "cpu", &["--out", "a.png", "--animation"]);
    assert_eq!(report["files"]["animations"], serde_json::json!(["a.gif"]));
    generate(&dir, "cpu", &["--out", "b.png", "--count", "2", "--baseline", "--animation", "b.gif"]);
    assert_eq!(names(&dir), ["a.gif", "a.png", "b-1.gif", "b-2.gif", "b.png"]);
    for (name, frames) in [("a.gif", 65), ("b-1.gif", 64), ("b-2.gif", 64)] {
        let file = std::io::BufReader::new(fs::File::open(dir.path().join(name)).unwrap());
        let decoder = image::codecs::gif::GifDecoder::new(file).unwrap();
        assert_eq!(image::AnimationDecoder::into_frames(decoder).count(), frames, "{name}");
    }
}

#[test]
fn the_pictures_of_the_app_are_written_and_read() {
    let dir = tempdir().unwrap();
    let place = ["--model", TINY, "--device", "cpu"];
    let run = |args: &[&str]| ok(&dir, &[args, &place as &[_]].concat());
    let files = ModelFiles::load_dir(Path::new(TINY)).unwrap();
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();

    let said = run(&["record", "--class", "3", "--seed", "7", "--every", "16", "--out", "r"]);
    assert!(said.contains("one every 16 tokens, 4 a run"), "{said}");
    let sheet = |name: &str| Ok(std::borrow::Cow::Owned(read(&format!("r/{name}"))));
    let recording = Recording::parse(&read("r/recording.json"), sheet).unwrap();
    generate(&dir, "cpu", &["--class", "3", "--seed", "7", "--trace", "t.json", "--details", "--out", "p.png"]);
    assert_eq!((&recording.model, &recording.dpar.run), (&files.hash, &trace(&dir, "t.json").runs[0]));
    let picture = image::open(dir.path().join("p.png")).unwrap().to_rgb8();
    assert_eq!(recording.dpar.frame(64).unwrap().image, picture);
    assert!(recording.baseline.unwrap().run.baseline);

    run(&["looks", "--out", "l.png"]);
    assert!(TokenSwatches::parse(&read("l.png"), "l.png", &files.config).unwrap().tile(63).is_some());
    run(&["thumbnails", "--out", "h.png"]);
    let picks = Picks::parse(&read("h.json"), "h.json", &files.config).unwrap();
    let thumbnails = Thumbnails::parse(&read("h.png"), "h.png", &picks, &files.config).unwrap();
    generate(&dir, "cpu", &["--class", "9", "--out", "p.png"]);
    let picture = image::open(dir.path().join("p.png")).unwrap().to_rgb8();
    assert_eq!((thumbnails.classes()[9], thumbnails.sheet().tile(9)), (9, Some(picture)));
}

#[test]
fn the_baseline_draws_without_patches() {
    for device in devices() {
        let dir = tempdir().unwrap();
        let report = generate(&dir, device, &["--baseline", "--trace", "t.json"]);
        assert_eq!((&report["generator"], &report["patches"]), (&Value::from("baseline"), &Value::from(0)));
        assert_eq!(report["average_patch_length"], 1.0);
        let trace = trace(&dir, "t.json");
        assert!(trace.runs[0].baseline && trace.runs[0].entropies.is_empty());
        assert_eq!(size(&dir, "dpar.png"), (16, 16));
        ok(&dir, &["replay", "t.json", "--model", TINY, "--device", device]);
    }
}

#[test]
fn completion_keeps_its_rows_and_agrees_with_the_analysis() {
    for device in devices() {
        let dir = tempdir().unwrap();
        generate(&dir, device, &["--seed", "5", "--out", "given.png", "--scale", "2"]);
        let json = ok(&dir, &["analyze", "given.png", "--model", TINY, "--device", device, "--json"]);
        let found: Value = serde_json::from_str(&json).unwrap();
        let tokens: Vec<u32> = serde_json::from_value(found["tokens"].clone()).unwrap();

        let keep = ["--complete", "given.png", "--keep-rows", "3", "--trace", "t.json", "--overlay", "o.png"];
        generate(&dir, device, &[&keep[..], &["--out", "c.png"]].concat());
        let run = trace(&dir, "t.json").runs.remove(0);
        assert_eq!(run.tokens[..24], tokens[..24], "{device}");
        assert_eq!(run.forced, tokens[..24].iter().map(|t| Some(*t)).collect::<Vec<_>>());
        ok(&dir, &["replay", "t.json", "--model", TINY, "--device", device]);

        // All rows kept: the token loop reads what the parallel pass read, and must find the same entropies.
        generate(
            &dir,
            device,
            &["--complete", "given.png", "--keep-rows", "8", "--trace", "all.json", "--out", "c.png"],
        );
        let run = trace(&dir, "all.json").runs.remove(0);
        assert_eq!(run.tokens, tokens);
        let entropies: Vec<f32> = serde_json::from_value(found["entropies"].clone()).unwrap();
        // On a GPU the loop's weights are f16, the pass on flex is f32.
        let tolerance = if device == "gpu" { 2e-2 } else { 1e-3 };
        for (i, (a, b)) in entropies.iter().zip(&run.entropies).enumerate() {
            assert!((a - b).abs() < tolerance, "{device}, token {i}: {a} in parallel, {b} in the loop");
        }
    }
}

#[test]
fn an_analysis_is_consistent() {
    let dir = tempdir().unwrap();
    generate(&dir, "cpu", &["--out", "p.png"]);
    let args = ["analyze", "p.png", "--model", TINY, "--device", "cpu", "--out", "a.json", "--overlay", "o.png"];
    let said = ok(&dir, &args);
    assert!(said.contains("PSNR") && said.contains("64 (8 x 8)"), "{said}");
    let written: Value = serde_json::from_slice(&fs::read(dir.path().join("a.json")).unwrap()).unwrap();
    let printed: Value =
        serde_json::from_str(&ok(&dir, &["analyze", "p.png", "--model", TINY, "--device", "cpu", "--json"])).unwrap();
    assert_eq!(written, printed);

    let entropies: Vec<f32> = serde_json::from_value(written["entropies"].clone()).unwrap();
    let rule: PatchRule = serde_json::from_value(written["rule"].clone()).unwrap();
    let patches = rule.patches(&entropies);
    assert_eq!(written["starts"], serde_json::json!(patches.starts()));
    assert_eq!(written["patches"], patches.count());
    let lengths: Vec<usize> = serde_json::from_value(written["lengths"].clone()).unwrap();
    assert_eq!((lengths.len(), lengths.iter().sum::<usize>()), (patches.count(), 64));
    assert!(written["psnr_db"].as_f64().unwrap() > 0.0);
    assert!(size(&dir, "o.png").0 > 1000);
}

#[test]
fn info_describes_models() {
    let dir = tempdir().unwrap();
    let said = ok(&dir, &["info"]);
    for part in [
        "built-in model",
        "1/8/3 layers, width 192, 3 heads",
        "threshold 4.3 nats",
        "58 groups of 499 things",
        "  8 cat-monkey-face\n",
        "371 owl",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    let info: Value = serde_json::from_str(&ok(&dir, &["info", "--model", TINY, "--json"])).unwrap();
    assert_eq!((&info["num_classes"], &info["image_size"]), (&Value::from(10), &Value::from(16)));
    assert_eq!(info["models"].as_array().unwrap().len(), 4);
    assert!(info["adapters"].is_array());
}

#[test]
fn help_and_version_succeed() {
    let dir = tempdir().unwrap();
    assert!(ok(&dir, &["--help"]).contains("generate"));
    assert!(ok(&dir, &["generate", "--help"]).contains("--threshold <NATS>"));
    assert!(ok(&dir, &["--version"]).starts_with("dpar "));
}

#[test]
fn the_built_in_model_draws_a_class_by_name() {
    let dir = tempdir().unwrap();
    let args = ["generate", "--device", "cpu", "--class", "Red  Apple", "--overlay", "o.png"];
    let said = ok(&dir, &args);
    for part in ["red apple (416)", "tokens     256", "ms/token", "CPU twins (", "dpar.png (128 x 128 pixels)"] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    assert_eq!(size(&dir, "dpar.png"), (128, 128));
}

#[test]
fn a_mix_is_drawn_by_both_models_and_its_link_and_trace_draw_it_again() {
    let dir = tempdir().unwrap();
    let cpu = ["--device", "cpu"];
    for model in [&[][..], &["--baseline"]] {
        let args = [
            &["generate", "--class", "2 \u{1F989} + red apple", "-o", "dpar.png", "--trace", "t.json", "--json"],
            model,
            &cpu,
        ]
        .concat();
        let report: Value = serde_json::from_str(&ok(&dir, &args)).unwrap();
        assert_eq!(
            (&report["class_name"], &report["mix"]),
            (&"2 owl + red apple".into(), &serde_json::json!([[2.0, 371], [1.0, 416]]))
        );
        let link = report["runs"][0]["link"].as_str().unwrap();
        assert!(link.contains("class=2%20owl%20%2B%20red%20apple&seed=1"), "{link}");
        let first = fs::read(dir.path().join("dpar.png")).unwrap();
        ok(&dir, &[&["generate", "--link", link, "--out", "again.png"], &cpu[..]].concat());
        assert_eq!(first, fs::read(dir.path().join("again.png")).unwrap());
        assert!(
            ok(&dir, &[&["replay", "t.json"], &cpu[..]].concat())
                .contains("class 2 owl + red apple, seed 1: identical")
        );
        ok(&dir, &[&["generate", "--class", "owl", "--out", "owl.png"], model, &cpu].concat());
        assert!(first != fs::read(dir.path().join("owl.png")).unwrap(), "the apple counts too");
    }
}

#[test]
fn drivers_stay_silent_on_a_machine_without_a_session() {
    for device in devices() {
        let dir = tempdir().unwrap();
        let args = ["generate", "--model", TINY, "--device", device];
        let run = dpar(&dir).env_remove("XDG_RUNTIME_DIR").args(args).assert().success();
        assert_eq!(text(&run.get_output().stderr), "", "{device}");
    }
}

#[test]
fn without_a_command_a_picture_and_its_overlay_appear() {
    let dir = tempdir().unwrap();
    // No adapter, so that this test takes a second everywhere; that is also the fallback of `--device auto`.
    // And no display, so that no window opens.
    let mut command = without_adapters(&dir);
    let out = command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    let out = out.assert().success().get_output().clone();
    assert!(text(&out.stdout).contains("`dpar --help` lists"), "{}", text(&out.stdout));
    let notes = text(&out.stderr);
    let mut lines = notes.lines();
    assert_eq!(lines.next(), Some("note: no window (no display was found), so here is a picture"));
    assert!(lines.next().is_some_and(|l| l.starts_with("note: running on the CPU: ")), "{notes}");
    assert_eq!(lines.next(), None, "{notes}");
    assert_eq!(names(&dir), ["dpar-overlay.png", "dpar.png"]);
    assert_eq!(size(&dir, "dpar.png"), (128, 128));
}

#[test]
fn a_gpu_that_is_demanded_but_missing_is_an_error() {
    let dir = tempdir().unwrap();
    let run = without_adapters(&dir).args(["generate", "--model", TINY, "--device", "gpu"]).assert().code(1);
    let said = text(&run.get_output().stderr);
    assert!(said.starts_with("error: no GPU adapter was found") && said.lines().count() == 1, "{said}");
    assert!(names(&dir).is_empty());
}

fn without_adapters(dir: &TempDir) -> assert_cmd::Command {
    let mut command = dpar(dir);
    command.env("VK_ICD_FILENAMES", "/nonexistent").env("WGPU_BACKEND", "vulkan");
    command
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_dpar"));
    let mut child = std::process::Command::new(program)
        .arg("info")
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .env("XDG_RUNTIME_DIR", dir.path())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", text(&out.stderr));
}
