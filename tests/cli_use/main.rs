//! The `dpar` program as people use it beside its happy path: pipes, long batches, names that are taken, first tries.

#![allow(clippy::unwrap_used, reason = "a test helper that unwraps fails with the right line")]

mod batches;
#[path = "../cli_common/mod.rs"]
mod cli_common;
mod convert;
mod drawn;
mod looking;
mod names;
mod replays;
mod streams;

use cli_common::{TINY, dpar, text};
use tempfile::TempDir;

/// The small model, on the CPU.
const PLACE: [&str; 4] = ["--model", TINY, "--device", "cpu"];

/// What a command has said.
struct Said {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

/// Runs a command on the small model, with `input` on its standard input.
fn run(dir: &TempDir, args: &[&str], input: &[u8]) -> Said {
    let run = dpar(dir).args(args).args(PLACE).write_stdin(input).assert();
    let out = run.get_output();
    Said { code: out.status.code(), stdout: out.stdout.clone(), stderr: text(&out.stderr) }
}

/// Expects success; stdout and stderr.
fn fine(dir: &TempDir, args: &[&str]) -> (String, String) {
    let said = run(dir, args, &[]);
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.stderr);
    (text(&said.stdout), said.stderr)
}

/// Expects `code`, one line of error that contains `says`, and no new file.
fn refused(dir: &TempDir, args: &[&str], code: i32, says: &str) {
    let before = cli_common::names(dir);
    let said = run(dir, args, &[]);
    assert_eq!(said.code, Some(code), "{args:?}: {}", said.stderr);
    assert!(said.stderr.starts_with("error: ") && said.stderr.lines().count() == 1, "{args:?}: {}", said.stderr);
    assert!(said.stderr.contains(says), "{args:?}: {}", said.stderr);
    assert_eq!((text(&said.stdout), cli_common::names(dir)), (String::new(), before), "{args:?}");
}
