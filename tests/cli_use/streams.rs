//! Pipes: data on one stream, words on the other, and nothing in either that a terminal obeys.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::cli_common::{TINY, dpar, names, text};
use crate::{PLACE, fine, refused, run};

fn read(dir: &TempDir, name: &str) -> Vec<u8> {
    fs::read(dir.path().join(name)).unwrap()
}

#[test]
fn what_goes_to_dash_is_data_and_words_go_to_stderr() {
    let dir = tempdir().unwrap();
    fine(&dir, &["generate", "--out", "p.png", "--overlay", "o.png", "--animation", "a.gif", "--trace", "t.json"]);
    for (flag, file) in [("--out", "p.png"), ("--overlay", "o.png"), ("--animation", "a.gif"), ("--trace", "t.json")] {
        let out = if flag == "--out" { vec![] } else { vec!["--out", "q.png"] };
        let said = run(&dir, &[&["generate", flag, "-"], &out[..]].concat(), &[]);
        assert_eq!((said.code, said.stdout == read(&dir, file)), (Some(0), true), "{flag}: {}", said.stderr);
        assert!(said.stderr.contains("seed") && said.stderr.contains("standard output"), "{flag}: {}", said.stderr);
    }
    let said = run(&dir, &["analyze", "p.png", "--out", "-"], &[]);
    let json: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert!(json["image"] == "p.png" && said.stderr.contains("PSNR"), "{}", said.stderr);
    let said = run(&dir, &["analyze", "p.png", "--overlay", "-"], &[]);
    assert!(said.stdout.starts_with(b"\x89PNG") && said.stderr.contains("PSNR"), "{}", said.stderr);
    for command in ["looks", "thumbnails"] {
        let said = run(&dir, &[command, "--out", "-"], &[]);
        assert!(said.stdout.starts_with(b"\x89PNG") && said.stderr.contains("bytes)"), "{command}: {}", said.stderr);
    }
    assert_eq!(names(&dir), ["a.gif", "o.png", "p.png", "q.png", "t.json"]);
}

#[test]
fn standard_output_by_its_path_is_the_same_and_stays_where_the_shell_put_it() {
    let dir = tempdir().unwrap();
    fine(&dir, &["generate", "--out", "p.png"]);
    let redirected = dir.path().join("r.png");
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_dpar")));
    command.current_dir(dir.path()).env("XDG_RUNTIME_DIR", dir.path()).args(["generate", "--out", "/dev/stdout"]);
    let child = command.args(PLACE).stdout(File::create(&redirected).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && text(&out.stderr).contains("seed"), "{}", text(&out.stderr));
    assert_eq!(read(&dir, "r.png"), read(&dir, "p.png"));
}

#[test]
fn two_outputs_do_not_share_a_stream() {
    let dir = tempdir().unwrap();
    let says = "share standard output";
    refused(&dir, &["generate", "--out", "-", "--trace", "-"], 2, says);
    refused(&dir, &["generate", "--out", "-", "--json"], 2, says);
    refused(&dir, &["generate", "--out", "a.png", "--overlay", "-", "--count", "2"], 2, says);
    refused(&dir, &["generate", "--out", "-", "--trace", "/dev/stdout"], 2, says);
    refused(&dir, &["record", "--out", "-"], 2, "a folder of several files");
}

#[test]
fn dash_reads_what_comes_down_a_pipe() {
    let dir = tempdir().unwrap();
    fine(&dir, &["generate", "--out", "p.png", "--trace", "t.json", "--seed", "5"]);
    let picture = read(&dir, "p.png");
    let json = |said: crate::Said| serde_json::from_slice::<Value>(&said.stdout).unwrap();
    let (file, _) = fine(&dir, &["analyze", "p.png", "--json"]);
    let file: Value = serde_json::from_str(&file).unwrap();
    let piped = json(run(&dir, &["analyze", "-", "--json"], &picture));
    assert_eq!((&piped["tokens"], &piped["image"]), (&file["tokens"], &"standard input".into()));

    let keep = ["generate", "--keep-rows", "3", "--out", "c.png", "--trace", "-", "--complete"];
    let piped = run(&dir, &[&keep[..], &["-"]].concat(), &picture).stdout;
    assert_eq!(piped, run(&dir, &[&keep[..], &["p.png"]].concat(), &[]).stdout);

    let said = run(&dir, &["generate", "--link", "-", "--out", "-"], b"https://example.org/#class=0&seed=5\n");
    assert_eq!(said.stdout, picture, "{}", said.stderr);
    let said = run(&dir, &["replay", "-"], &read(&dir, "t.json"));
    assert!(text(&said.stdout).contains("identical, 64 tokens"), "{}", said.stderr);
    refused(&dir, &["analyze", "-"], 2, "standard input: is empty");
}

#[test]
fn quiet_leaves_what_was_asked_for_and_errors() {
    let dir = tempdir().unwrap();
    let (out, err) = fine(&dir, &["generate", "--quiet", "--link", "#class=1&zoom=2", "--out", "p.png"]);
    assert_eq!((&out[..], &err[..], names(&dir)), ("", "", vec!["p.png".to_owned()]));
    let (out, err) = fine(&dir, &["-q", "analyze", "p.png", "--json"]);
    assert!(serde_json::from_str::<Value>(&out).is_ok() && err.is_empty(), "{err}");
    refused(&dir, &["generate", "-q", "--class", "99"], 2, "class 99 does not exist");
}

#[test]
fn names_that_others_chose_command_no_terminal() {
    let dir = tempdir().unwrap();
    let model = dir.path().join("m\u{1b}[31m");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(TINY).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    let mut config: Value = serde_json::from_slice(&fs::read(model.join("config.json")).unwrap()).unwrap();
    let names: Vec<String> = (0..10).map(|n| format!("{n} \u{1b}]8;;http://evil\u{7}cat\u{9b}31m\u{202e}")).collect();
    config["classes"] = names.into();
    fs::write(model.join("config.json"), config.to_string()).unwrap();
    let place = ["--device", "cpu", "--model", model.to_str().unwrap()];
    let out = "p\u{1b}[31m.png";
    for args in [
        &["info", "--model", model.to_str().unwrap()][..],
        &[&["generate", "--class", "3", "--out", out, "--overlay", "--trace", "t.json"], &place[..]].concat(),
        &[&["generate", "--class", "3", "--json", "--out", out], &place[..]].concat(),
        &[&["analyze", out], &place[..]].concat(),
        &[&["analyze", out, out], &place[..]].concat(),
        &[&["replay", "t.json"], &place[..]].concat(),
        &[&["record", "--class", "3"], &place[..]].concat(),
        &["generate", "--class", "\u{1b}[31mno", "--device", "cpu"],
        &["generate", "--sede\u{1b}[31m"],
    ] {
        let run = dpar(&dir).args(args).assert();
        for stream in [&run.get_output().stdout, &run.get_output().stderr] {
            let said = text(stream);
            let strange = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(strange, None, "{args:?}: {said}");
        }
    }
}
