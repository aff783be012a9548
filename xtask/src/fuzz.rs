//! `cargo xtask test fuzz`: everything that reads bytes or text from outside, on made-up input (`fuzz/`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::test::Options;
use super::{Steps, output, root};

/// Formats and builds the targets, then runs each as long as is asked for. What it tries goes on where the last run ended
/// (`target/fuzz/corpus`); it begins with `fuzz/seeds`.
///
/// # Errors
/// What failed; for a target whose input broke it, where that input is.
pub fn check(steps: &mut Steps, options: Options) -> Result<()> {
    steps.cargo("format of fuzz/", &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"], &[])?;
    // Without a sanitizer it needs no nightly compiler; `fuzz/Cargo.toml` says why that is enough.
    let build = ["fuzz", "build", "--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir", "target/fuzz"];
    steps.cargo("fuzz targets", &build, &[])?;
    let programs = root().join("target/fuzz").join(host()?).join("release");
    let mut broken = Vec::new();
    steps.run("fuzzing", || {
        for target in targets()? {
            if !runs(&programs, &target, options.seconds)? {
                broken.push(target);
            }
        }
        ensure!(
            broken.is_empty(),
            "input was found that breaks {}; `cargo fuzz tmin --sanitizer none --target-dir target/fuzz TARGET FILE` makes it \
             smaller, and in fuzz/seeds/TARGET it is tried again every time",
            broken.join(", ")
        );
        Ok(())
    })
}

/// The names of the targets: the files in `fuzz/targets`.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/targets");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Runs one target; whether nothing broke it.
fn runs(programs: &Path, target: &str, seconds: u32) -> Result<bool> {
    let work = root().join("target/fuzz");
    let (corpus, found) = (work.join("corpus").join(target), work.join("found").join(target));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let log = work.join(format!("{target}.log"));
    let written = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(programs.join(target));
    command.arg(&corpus).arg(root().join("fuzz/seeds").join(target));
    command.args([&format!("-max_total_time={seconds}"), "-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/", found.display())).stdout(written.try_clone()?).stderr(written);
    let status = command.status().with_context(|| format!("the fuzz target {target} could not be started"))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    println!("   {target}: {}", summary(&said));
    if !status.success() {
        println!("   {target}: BROKEN ({status}) by {}; what it said: {}", found_in(&said), log.display());
    }
    Ok(status.success())
}

/// `12345 inputs, 678 of them new, 901 places reached`, from what libFuzzer prints.
fn summary(said: &str) -> String {
    let value = |name: &str| said.lines().rev().find_map(|line| line.strip_prefix(name)).map_or("?", str::trim);
    let places =
        said.lines().rev().find_map(|line| line.split_once(" cov: ")).and_then(|(_, rest)| rest.split(' ').next());
    format!(
        "{} inputs, {} of them new, {} places reached, {} MB",
        value("stat::number_of_executed_units:"),
        value("stat::new_units_added:"),
        places.unwrap_or("?"),
        value("stat::peak_rss_mb:")
    )
}

/// The file that holds the input, from what libFuzzer prints.
fn found_in(said: &str) -> &str {
    said.lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map_or("nothing that it wrote down", |(_, file)| file)
}

/// This computer's target, as rustc names it: cargo-fuzz builds for it by name.
fn host() -> Result<PathBuf> {
    let said = output("rustc", &["-vV"]).context("rustc does not say what it compiles for")?;
    match said.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.into()),
        None => bail!("rustc does not say what it compiles for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb\n#9\tNEW    cov: 120 ft: 130 corp: 2/9b\n\
        thread '<unnamed>' panicked\nartifact_prefix='/f/'; Test unit written to /f/crash-1\n\
        stat::number_of_executed_units: 9\nstat::new_units_added:          2\nstat::peak_rss_mb:              41\n";

    #[test]
    fn what_a_fuzzer_prints_is_read() {
        assert_eq!(summary(SAID), "9 inputs, 2 of them new, 120 places reached, 41 MB");
        assert_eq!(found_in(SAID), "/f/crash-1");
        assert_eq!(found_in(""), "nothing that it wrote down");
    }

    #[test]
    fn every_target_has_seeds_and_is_built() {
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        for target in targets().unwrap() {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target} is in fuzz/Cargo.toml");
            assert!(root().join("fuzz/seeds").join(&target).read_dir().unwrap().count() > 0, "{target} has seeds");
        }
    }
}
