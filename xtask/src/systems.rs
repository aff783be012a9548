//! `cargo xtask test systems`: the program type-checks for the systems that nobody runs it on here.

use anyhow::Result;

use super::test::Options;
use super::{Steps, tools};

/// Windows and macOS. `cargo check` needs no linker and no C compiler for them, as no dependency builds C there.
const TARGETS: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// Checks the program for each of them.
///
/// # Errors
/// Where it does not compile, or the target cannot be had.
pub fn check(steps: &mut Steps, _: Options) -> Result<()> {
    steps.run("targets", || TARGETS.into_iter().try_for_each(tools::target))?;
    for target in TARGETS {
        steps.cargo(target, &["check", "--package", "dpar", "--target", target], &[])?;
    }
    Ok(())
}
