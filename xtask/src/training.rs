//! The training package (`training/`): its own tests, and the whole chain on a handful of pictures, from rendering them to a
//! model folder that the Rust engine loads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};

use super::{dpar_binary, root, status, tools};

/// Pictures a style in the smoke run.
const PICTURES: &str = "20";

/// The environment that [`begin`] makes.
static UNDER_WAY: Mutex<Option<JoinHandle<Result<PathBuf>>>> = Mutex::new(None);

/// Makes the environment beside what else is done: PyTorch arrives and is unpacked while things compile.
pub fn begin() {
    if let Ok(mut under_way) = UNDER_WAY.lock() {
        *under_way = Some(thread::spawn(python));
    }
}

/// Model folders with what PyTorch makes of them, for the parity tests to read.
pub struct Trained {
    /// What the chain made.
    pub smoke: PathBuf,
    /// Random weights of a public model's size, converted.
    pub public: PathBuf,
}

/// Runs the package's tests.
///
/// # Errors
/// What failed: a missing tool, the tests themselves.
pub fn test() -> Result<Trained> {
    let begun = UNDER_WAY.lock().map_or(None, |mut under_way| under_way.take());
    let python = match begun.map(JoinHandle::join) {
        Some(made) => made.map_err(|_| anyhow!("making the environment for training panicked"))??,
        None => python()?,
    };
    let work = root().join("target/training");
    let (pictures, smoke, public) = (work.join("data"), work.join("model"), work.join("public"));
    tools::node()?; // the pictures are rendered by a package of npm's
    run(&python, &["training/data.py", "build", "--limit", PICTURES, "--out", &pictures.to_string_lossy()], &[])?;
    let program = dpar_binary()?;
    let places =
        [("DPAR_DATA", &pictures), ("DPAR_SMOKE_OUT", &smoke), ("DPAR_PUBLIC_OUT", &public), ("DPAR_BIN", &program)];
    let env = places.map(|(name, path)| (name, path.as_path()));
    run(&python, &["-m", "pytest", "training", "-q", "-rs"], &env)?;
    Ok(Trained { smoke, public })
}

fn run(python: &Path, args: &[&str], env: &[(&str, &Path)]) -> Result<()> {
    let shown = format!("{} {}", python.display(), args.join(" "));
    println!("   {shown}");
    status(Command::new(python).args(args).envs(env.iter().copied()).current_dir(root()), &shown)
}

/// A Python with what `training/pyproject.toml` pins: the one `DPAR_PYTHON` names, else an environment in `target/`, made
/// when that file has changed (PyTorch is large: 5.5 GB on a disk, about two minutes; pip's cache would be 3 GB more).
fn python() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("DPAR_PYTHON") {
        return Ok(named.into());
    }
    let wanted = fs::read(root().join("training/pyproject.toml")).context("cannot read training/pyproject.toml")?;
    let home = root().join("target/training-venv");
    let (python, stamp) = (home.join("bin/python"), home.join("installed.toml"));
    if fs::read(&stamp).is_ok_and(|done| done == wanted) {
        return Ok(python);
    }
    tools::ensure(&[tools::Need::Python])?;
    println!("   python3 -m venv {}", home.display());
    status(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home), "python3 -m venv")?;
    let install =
        ["-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", "./training[dev]"];
    run(&python, &install, &[])?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}
