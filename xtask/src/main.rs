//! `cargo xtask`: the project's chores, in Rust, so that they are the same on every machine and in CI.

mod browser;
mod dist;
mod fuzz;
#[path = "../../src/checkpoint/plain_text.rs"]
mod plain_text;
#[cfg(test)]
mod sharing;
mod sizes;
mod systems;
mod test;
mod tools;
mod training;
mod wasm;
mod web;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const WASM: &str = "wasm32-unknown-unknown";

/// A sub-command: its name, what it does in one line, and the function, which takes the arguments after the name.
struct Chore {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const CHORES: &[Chore] = &[
    Chore { name: "test", about: "everything CI checks, or parts by name", run: test::test },
    Chore {
        name: "web",
        about: "build the page and serve it on this computer [--port N] [--base /path/]",
        run: web::web,
    },
    Chore {
        name: "dist",
        about: "build the page into dist/ for any static host, check its size [--record]",
        run: dist::dist,
    },
];

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    tools::take_flag(&mut args);
    let name = args.first().map_or("help", String::as_str);
    if matches!(name, "help" | "-h" | "--help") {
        help();
        return ExitCode::SUCCESS;
    }
    let Some(chore) = CHORES.iter().find(|c| c.name == name) else {
        eprintln!("xtask: there is no `{name}`; `cargo xtask help` lists what there is");
        return ExitCode::from(2);
    };
    match (chore.run)(args.get(1..).unwrap_or_default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("\nxtask {name}: FAILED: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn help() {
    println!("cargo xtask CHORE\n");
    for chore in CHORES {
        println!("  {:<8} {}", chore.name, chore.about);
        if chore.name == "test" {
            test::help();
        }
    }
    println!("  {:<8} this list", "help");
    println!("\n--install: install what is missing without asking (as root or with CI=true nobody is asked)");
}

/// Steps of a chore: announced, timed, listed at the end.
#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("== {name}");
        let start = Instant::now();
        let result = work().with_context(|| format!("step `{name}`"));
        let took = start.elapsed();
        println!("== {name}: {} in {:.1} s\n", if result.is_ok() { "ok" } else { "FAILED" }, took.as_secs_f32());
        self.done.push((name, took));
        result
    }

    fn cargo(&mut self, name: &'static str, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
        self.run(name, || {
            // Cargo names itself here, so the same toolchain is used; rustup's proxy would do as well.
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            println!("   cargo {}", args.join(" "));
            let mut command = Command::new(cargo);
            command.args(args).envs(env.iter().copied()).current_dir(root());
            status(&mut command, &format!("cargo {}", args.join(" ")))
        })
    }

    fn summary(&self, remark: &str) {
        let parts: Vec<String> = self.done.iter().map(|(n, t)| format!("{n} {:.0} s", t.as_secs_f32())).collect();
        let total: f32 = self.done.iter().map(|(_, t)| t.as_secs_f32()).sum();
        println!("xtask: all {} steps passed in {total:.0} s ({}){remark}", self.done.len(), parts.join(", "));
    }
}

/// Runs a command with our output; an error names it in words a person can paste.
fn status(command: &mut Command, shown: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("`{shown}` could not be started"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// What a command prints, or `None` where it cannot be run or fails.
fn output(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program as tests use it, built again where it is older than its sources.
fn dpar_binary() -> Result<PathBuf> {
    wasm::built(&["build", "--package", "dpar"], &test::LINTED)
}

/// The workspace's folder: the parent of this package's.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
