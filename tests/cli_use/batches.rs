//! Long batches: Ctrl-C and `kill` keep what is done, `--resume` goes on; files appear together or not at all.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::cli_common::{names, text, trace};
use crate::{PLACE, fine, refused};

const HELD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny/expected.safetensors");

fn start(dir: &TempDir, args: &[&str]) -> Child {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_dpar")));
    command.current_dir(dir.path()).env("XDG_RUNTIME_DIR", dir.path()).args(args).args(PLACE);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Presses Ctrl-C (or sends another signal) in a command that is at work: later and later, until it has done something by then. What it has
/// said.
fn interrupted(dir: &TempDir, signal: &str, args: &[&str]) -> String {
    let mut wait = Duration::from_millis(400);
    loop {
        let child = start(dir, args);
        sleep(wait);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let out = child.wait_with_output().unwrap();
        let said = text(&out.stderr);
        if out.status.code() == Some(130) && !said.contains("none of") {
            assert!(said.starts_with("error: interrupted: ") && said.lines().count() == 1, "{said}");
            return said;
        }
        // Before it listened, or before the first picture.
        assert!(!out.status.success() && wait < Duration::from_secs(60), "{said}");
        assert!(names(dir).is_empty(), "{:?}", names(dir));
        wait *= 2;
    }
}

#[test]
fn ctrl_c_in_a_grid_keeps_what_is_drawn_and_resume_draws_the_rest() {
    let dir = tempdir().unwrap();
    let batch = ["generate", "--out", "g.png", "--overlay", "--trace", "t.json"];
    let said = interrupted(&dir, "-INT", &[&batch[..], &["--count", "1024"]].concat());
    let done = trace(&dir, "t.json").runs.len();
    assert!(done > 0 && said.contains(&format!("{done} of 1024 pictures are written to g.png")), "{said}");
    assert!(said.contains("the same command with --resume draws the rest"), "{said}");
    assert_eq!(names(&dir).iter().filter(|name| name.starts_with("g-overlay")).count(), done);

    let count = (done + 2).to_string();
    let (out, _) = fine(&dir, &[&batch[..], &["--count", &count, "--resume"]].concat());
    assert!(out.contains(&format!("{done} of {count} pictures were drawn before")), "{out}");
    // As if nobody had pressed anything.
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let resumed = (read("g.png"), read("t.json"), read("g-overlay-1.png"));
    fine(&dir, &[&batch[..], &["--count", &count]].concat());
    assert!(resumed == (read("g.png"), read("t.json"), read("g-overlay-1.png")));
}

#[test]
fn kill_among_samples_keeps_them_and_resume_draws_the_rest() {
    let dir = tempdir().unwrap();
    let samples = |name: &str| {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        ["tokens", "classes", "seeds", "patches"].map(|name| tensors.tensor(name).unwrap().data().to_vec())
    };
    let said = interrupted(&dir, "-TERM", &["eval", HELD, "--sample", "100000", "--out", "s.safetensors"]);
    let done = samples("s.safetensors")[2].len() / 4;
    assert!(said.contains(&format!("{done} of 100000 samples are written to s.safetensors")), "{said}");
    let count = (done + 2).to_string();
    let (out, _) = fine(&dir, &["eval", HELD, "--sample", &count, "--out", "s.safetensors", "--resume", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["samples"], &report["resumed"]), (&(done + 2).into(), &done.into()));
    fine(&dir, &["eval", HELD, "--sample", &count, "--out", "whole.safetensors"]);
    assert!(samples("s.safetensors") == samples("whole.safetensors"));
}

#[test]
fn resume_goes_on_with_the_same_only() {
    let dir = tempdir().unwrap();
    let batch = ["generate", "--out", "g.png", "--trace", "t.json"];
    // Where there is nothing yet it begins.
    fine(&dir, &[&batch[..], &["--count", "3", "--resume"]].concat());
    let other = |args: &[&str], says: &str| refused(&dir, &[&batch[..], &["--resume"], args].concat(), 2, says);
    other(&["--count", "4", "--seed", "2"], "t.json: has picture 1 of another request (0, seed 1)");
    other(&["--count", "4", "--threshold", "1"], "of another request");
    other(&["--count", "4", "--details"], "without the --details");
    other(&["--count", "2"], "holds 3 pictures, 2 are asked for");
    refused(&dir, &["generate", "--resume", "--out", "g.png"], 2, "--trace");
    refused(&dir, &["generate", "--resume", "--trace", "t.json"], 2, "--out <FILE>");
    refused(&dir, &["generate", "--resume", "--out", "g.png", "--trace", "-"], 2, "must be a file");
    let mut foreign: Value = serde_json::from_slice(&fs::read(dir.path().join("t.json")).unwrap()).unwrap();
    foreign["model"] = "0123".into();
    fs::write(dir.path().join("f.json"), foreign.to_string()).unwrap();
    refused(&dir, &["generate", "--out", "h.png", "--trace", "f.json", "--resume"], 2, "was drawn with model 0123");

    let eval = ["eval", HELD, "--out", "s.safetensors", "--sample"];
    fine(&dir, &[&eval[..], &["3"]].concat());
    let other = |args: &[&str], says: &str| refused(&dir, &[&eval[..], args, &["--resume"]].concat(), 2, says);
    other(&["4", "--cfg", "1"], "holds samples of another model, or with other settings");
    other(&["2"], "holds 3 samples that are not the first of those asked for");
    other(&["8", "--shard", "1/2"], "not the first of those asked for");
    let foreign = ["eval", HELD, "--sample", "3", "--resume", "--out", HELD];
    refused(&dir, &foreign, 2, "is named twice");
}

/// However many are drawn at once: the same pictures, in the same order; also where they do not divide evenly.
#[test]
fn a_batch_changes_no_picture() {
    let dir = tempdir().unwrap();
    let draw = |batch: &str, more: &[&str]| {
        let name = format!("b{batch}.png");
        let args = ["generate", "--count", "5", "--batch", batch, "--out", &name, "--trace", "t.json", "--details"];
        let (out, _) = fine(&dir, &[&args[..], more].concat());
        assert!(out.contains("320 in 5 pictures"), "{out}");
        (fs::read(dir.path().join(&name)).unwrap(), fs::read(dir.path().join("t.json")).unwrap())
    };
    for more in [&[][..], &["--baseline"], &["--cfg", "1"]] {
        let alone = draw("1", more);
        assert!([draw("2", more), draw("5", more), draw("32", more)].iter().all(|drawn| *drawn == alone), "{more:?}");
    }
    for wrong in ["0", "33", "-1", "many"] {
        refused(&dir, &["generate", "--count", "5", "--batch", wrong], 2, "--batch");
    }
    refused(&dir, &["eval", HELD, "--batch", "2"], 2, "--sample");
}

#[test]
fn samples_are_reported_as_json_and_flags_that_change_nothing_are_refused() {
    let dir = tempdir().unwrap();
    let (out, _) = fine(&dir, &["eval", HELD, "--sample", "3", "--out", "s", "--baseline", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["file"], &report["samples"]), (&"s".into(), &3.into()));
    assert_eq!((&report["generator"], &report["patch_length"]), (&"baseline".into(), &1.0.into()));
    refused(&dir, &["eval", HELD, "--cfg", "2"], 2, "--cfg is about drawing, and measuring draws nothing");
    refused(&dir, &["eval", HELD, "--top-p", "0.5"], 2, "--top-p is about drawing");
    let baseline = ["eval", HELD, "--sample", "3", "--out", "b", "--baseline", "--threshold", "3"];
    refused(&dir, &baseline, 2, "cannot be used with");
    refused(&dir, &["eval", HELD, "--mode", "token", "--thresholds", "1,2"], 2, "--thresholds changes nothing");
}

#[test]
fn a_recording_that_cannot_be_written_is_refused_before_it_is_drawn() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("file"), b"precious").unwrap();
    fs::create_dir_all(dir.path().join("r/baseline.png")).unwrap();
    let started = std::time::Instant::now();
    refused(&dir, &["record", "--out", "file"], 1, "file: cannot be written: it is a file, a folder is needed");
    refused(&dir, &["record", "--out", "file/r"], 1, "file/r: cannot be written");
    refused(&dir, &["record", "--out", "r"], 1, "baseline.png: cannot be written: it is a folder");
    assert!(started.elapsed() < Duration::from_secs(60));
    // Nothing of the other two.
    assert_eq!(fs::read_dir(dir.path().join("r")).unwrap().count(), 1);
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"precious");
    fine(&dir, &["record", "--out", "new/r"]);
    assert_eq!(fs::read_dir(dir.path().join("new/r")).unwrap().count(), 3);
}
