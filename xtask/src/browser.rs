//! The page in real browsers: `web/tests/run.mjs` drives Chromium over the folder that `dist` has made, `firefox.mjs`
//! Firefox.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{root, status, tools};

/// Whether the page opens and starts at all: one test.
///
/// # Errors
/// Where it does not, or the browser cannot be had.
pub fn smoke(folder: &Path) -> Result<()> {
    run(folder, "run.mjs", &["opens"])
}

/// All browser tests.
///
/// # Errors
/// Where one fails, or the browser cannot be had.
pub fn all(folder: &Path) -> Result<()> {
    run(folder, "run.mjs", &[])
}

/// The page in a second engine: one visit, from the first paint to a link that draws the same picture again.
///
/// # Errors
/// As [`all`].
pub fn firefox(folder: &Path) -> Result<()> {
    run(folder, "firefox.mjs", &[])
}

fn run(folder: &Path, script: &str, only: &[&str]) -> Result<()> {
    tools::ensure(&[if script == "firefox.mjs" { tools::Need::Firefox } else { tools::Need::Browser }])?;
    tools::node()?;
    let mut command = Command::new("node");
    command.arg(format!("tests/{script}")).arg(folder).args(only).current_dir(root().join("web"));
    status(&mut command, &format!("node web/tests/{script}"))
}
