//! `cargo xtask test`: what CI checks, whole or in parts, and long checks of their own.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::dist::{self, Optimised};
use super::tools::{self, Need};
use super::{Steps, browser, sizes, systems, training};

/// A part of the checks.
struct Part {
    name: &'static str,
    needs: &'static [Need],
    run: fn(&mut Steps, NoGpu) -> Result<()>,
    /// Belongs to `cargo xtask test` without a name.
    always: bool,
}

const PARTS: &[Part] = &[
    Part { name: "rust", needs: &[Need::Toolchain, Need::Vulkan, Need::Screen], run: rust, always: true },
    Part { name: "training", needs: &[Need::Vulkan, Need::Node, Need::Python], run: trained, always: true },
    Part { name: "web", needs: &[Need::Toolchain, Need::Browser, Need::Node], run: web, always: true },
    Part { name: "systems", needs: &[], run: systems::check, always: false },
];

/// What tests are told where there is no adapter: without one the GPU tests would fail; so they skip, and say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGpu(bool);

impl NoGpu {
    fn env(self) -> &'static [(&'static str, &'static str)] {
        if self.0 { &[("DPAR_NO_GPU", "1")] } else { &[] }
    }
}

/// Runs the parts that are asked for, or all that CI runs, stopping at the first failure.
///
/// # Errors
/// What failed; a part that there is none of.
pub fn test(args: &[String]) -> Result<()> {
    let parts = asked(args)?;
    let mut steps = Steps::default();
    let mut gpu = NoGpu(std::env::var_os("DPAR_NO_GPU").is_some());
    steps.run("tools", || {
        let mut needs: Vec<Need> = Vec::new();
        for need in parts.iter().flat_map(|part| part.needs).filter(|need| **need != Need::Vulkan || !gpu.0) {
            if !needs.contains(need) {
                needs.push(*need);
            }
        }
        gpu.0 |= tools::ensure(&needs)?.contains(&Need::Vulkan);
        Ok(())
    })?;
    for part in parts {
        (part.run)(&mut steps, gpu)?;
    }
    steps.summary(&format!("GPU tests {}", if gpu.0 { "SKIPPED, no adapter" } else { "included" }));
    Ok(())
}

fn asked(args: &[String]) -> Result<Vec<&'static Part>> {
    if args.is_empty() {
        return Ok(PARTS.iter().filter(|part| part.always).collect());
    }
    let mut parts = Vec::new();
    for name in args {
        let Some(part) = PARTS.iter().find(|part| part.name == name) else {
            let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
            bail!("`{name}` is no part of the tests: there are {}", names.join(", "));
        };
        parts.push(part);
    }
    Ok(parts)
}

fn rust(steps: &mut Steps, gpu: NoGpu) -> Result<()> {
    steps.cargo("format", &["fmt", "--all", "--check"], &[])?;
    steps.cargo("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    steps.cargo("tests", &["test", "--workspace"], gpu.env())
}

fn trained(steps: &mut Steps, gpu: NoGpu) -> Result<()> {
    let mut model = PathBuf::new();
    steps.run("training", || {
        model = training::test()?;
        Ok(())
    })?;
    // What was trained a minute ago, in the Rust engine: logits and whole runs against what PyTorch computes.
    let model = model.to_string_lossy().into_owned();
    let args = ["test", "--workspace", "--test", "parity_model", "--test", "parity_loop", "smoke"];
    steps.cargo("trained", &args, &[&[("DPAR_SMOKE", model.as_str())], gpu.env()].concat())
}

fn web(steps: &mut Steps, _: NoGpu) -> Result<()> {
    let mut page = PathBuf::new();
    steps.run("page", || {
        // Without the two minutes of `wasm-opt`: `dist` runs it, and the same browser test over its result.
        let (folder, plain) = dist::build(Optimised::No)?;
        page = folder;
        sizes::check_plain(plain)
    })?;
    steps.run("browser", || browser::all(&page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Result<Vec<&'static str>> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Ok(asked(&args)?.into_iter().map(|part| part.name).collect())
    }

    #[test]
    fn without_a_name_it_is_what_ci_checks() {
        assert_eq!(names(&[]).unwrap(), ["rust", "training", "web"]);
        assert_eq!(names(&["web", "systems"]).unwrap(), ["web", "systems"]);
        let said = names(&["rust", "all"]).unwrap_err().to_string();
        assert_eq!(said, "`all` is no part of the tests: there are rust, training, web, systems");
    }
}
