//! How the tests run the `dpar` program.
#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test helper that unwraps fails with the right line")]

use std::fs;

use assert_cmd::Command;
use dpar::run::trace::Trace;
use serde_json::Value;
use tempfile::TempDir;

/// The small model: random weights, 8 x 8 tokens.
pub const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");

/// The program, in a folder of its own.
pub fn dpar(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dpar"));
    // Drivers complain on stderr where there is no session folder (Mesa's Wayland layer, on a headless machine).
    command.current_dir(dir.path()).env("XDG_RUNTIME_DIR", dir.path()).env("RUST_BACKTRACE", "1");
    command
}

/// Runs it to success without a word on stderr; returns stdout.
pub fn ok(dir: &TempDir, args: &[&str]) -> String {
    let run = dpar(dir).args(args).assert().success();
    assert_eq!(text(&run.get_output().stderr), "", "{args:?}");
    text(&run.get_output().stdout)
}

/// What devices to test: `DPAR_NO_GPU=1` leaves the GPU (or the software adapter) out.
pub fn devices() -> Vec<&'static str> {
    if std::env::var("DPAR_NO_GPU").is_ok_and(|v| v == "1") { vec!["cpu"] } else { vec!["cpu", "gpu"] }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs `dpar generate` on the small model, with `--json`, and returns the JSON.
pub fn generate(dir: &TempDir, device: &str, args: &[&str]) -> Value {
    let mut all = vec!["generate", "--model", TINY, "--device", device, "--json"];
    all.extend(args);
    serde_json::from_str(&ok(dir, &all)).unwrap()
}

pub fn trace(dir: &TempDir, name: &str) -> Trace {
    serde_json::from_slice(&fs::read(dir.path().join(name)).unwrap()).unwrap()
}

pub fn size(dir: &TempDir, name: &str) -> (u32, u32) {
    image::open(dir.path().join(name)).unwrap().to_rgb8().dimensions()
}

pub fn names(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
