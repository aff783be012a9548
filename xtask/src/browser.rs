//! The page in a real browser: `web/tests/run.mjs` drives Chromium over the folder that `dist` has made.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{root, status, tools};

/// Whether the page opens and starts at all: one test.
///
/// # Errors
/// Where it does not, or the browser cannot be had.
pub fn smoke(folder: &Path) -> Result<()> {
    run(folder, &["opens"])
}

/// All browser tests.
///
/// # Errors
/// Where one fails, or the browser cannot be had.
pub fn all(folder: &Path) -> Result<()> {
    run(folder, &[])
}

fn run(folder: &Path, only: &[&str]) -> Result<()> {
    tools::ensure(&[tools::Need::Browser])?;
    tools::node()?;
    let tests = root().join("web");
    let mut command = Command::new("node");
    command.arg("tests/run.mjs").arg(folder).args(only).current_dir(tests);
    status(&mut command, "node web/tests/run.mjs")
}
