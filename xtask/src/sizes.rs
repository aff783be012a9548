//! How large the page is, and that it does not grow unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::root;

/// Growth over the recorded size that fails the build.
const ALLOWED: f64 = 1.05;
/// What the page without its weights should stay below: bytes raw, bytes with brotli.
const GOAL: Size = Size { raw: 14_000_000, brotli: 3_500_000 };

/// Bytes of a file, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Size {
    raw: u64,
    brotli: u64,
}

impl Size {
    fn and(self, other: Self) -> Self {
        Self { raw: self.raw + other.raw, brotli: self.brotli + other.brotli }
    }
}

/// `web/sizes.json`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Recorded {
    /// What has to arrive before the app starts: HTML, scripts, style, program.
    page: Size,
    /// The program among it.
    program: Size,
    /// The program before `wasm-opt`, raw.
    program_plain: u64,
    /// What the app shows besides: recording, pictures.
    extras: u64,
    /// The weights, raw.
    weights: u64,
}

/// Prints the table of `folder` and compares it with `web/sizes.json`, or writes that file. `plain`: bytes of the program
/// before `wasm-opt`.
///
/// # Errors
/// Where something grew by more than 5%.
pub fn check(folder: &Path, plain: u64, record: bool) -> Result<()> {
    let mut files = BTreeMap::new();
    list(folder, folder, &mut files)?;
    let mut found = Recorded { program_plain: plain, ..Recorded::default() };
    println!("\n{:<58} {:>10} {:>10}", "file", "raw", "brotli");
    for (path, bytes) in &files {
        let raw = bytes.len() as u64;
        if path.ends_with(".safetensors")
            || path.ends_with(".png")
            || path.starts_with("data/") && !path.ends_with(".wasm")
        {
            // Floating-point weights and pictures hardly shrink, and hosts do not try.
            println!("{path:<58} {:>10}", kb(raw));
            *(if path.ends_with(".safetensors") { &mut found.weights } else { &mut found.extras }) += raw;
            continue;
        }
        let size = Size { raw, brotli: brotli(bytes)? };
        println!("{path:<58} {:>10} {:>10}", kb(size.raw), kb(size.brotli));
        found.page = found.page.and(size);
        if path.ends_with(".wasm") {
            found.program = found.program.and(size);
        }
    }
    println!("{:<58} {:>10} {:>10}", "the page", kb(found.page.raw), kb(found.page.brotli));
    println!("{:<58} {:>10} {:>10}", "  goal", kb(GOAL.raw), kb(GOAL.brotli));
    println!("{:<58} {:>10}", "recording and pictures", kb(found.extras));
    println!("{:<58} {:>10}", "weights", kb(found.weights));
    if record {
        let file = file();
        let text = serde_json::to_string_pretty(&found)? + "\n";
        return fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()));
    }
    compare(&recorded()?, &found)
}

/// Compares the program before `wasm-opt` with what is recorded.
///
/// # Errors
/// Where it grew by more than 5%.
pub fn check_plain(bytes: u64) -> Result<()> {
    let before = recorded()?;
    compare(&before, &Recorded { program_plain: bytes, ..before })
}

fn file() -> PathBuf {
    root().join("web/sizes.json")
}

fn recorded() -> Result<Recorded> {
    let file = file();
    let shown = file.display();
    let text = fs::read_to_string(&file);
    let text = text.with_context(|| format!("cannot read {shown}; `cargo xtask dist --record` writes it"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is damaged; `cargo xtask dist --record` writes it"))
}

fn compare(before: &Recorded, now: &Recorded) -> Result<()> {
    let pairs = [
        ("the page, raw", before.page.raw, now.page.raw),
        ("the page, brotli", before.page.brotli, now.page.brotli),
        ("the program, raw", before.program.raw, now.program.raw),
        ("the program, brotli", before.program.brotli, now.program.brotli),
        ("the program before wasm-opt", before.program_plain, now.program_plain),
        ("recording and pictures", before.extras, now.extras),
        ("the weights", before.weights, now.weights),
    ];
    let mut grown = Vec::new();
    for (what, before, now) in pairs.into_iter().filter(|(_, before, now)| before != now) {
        let ratio = now as f64 / (before as f64).max(1.0);
        println!("   {what}: {} now, {} recorded ({:+.1}%)", kb(now), kb(before), (ratio - 1.0) * 100.0);
        if ratio > ALLOWED {
            grown.push(what);
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    bail!(
        "grown by more than 5%: {}; make it smaller, or write it down with `cargo xtask dist --record`",
        grown.join(", ")
    )
}

fn brotli(bytes: &[u8]) -> Result<u64> {
    // The best that hosts which compress ahead of time do: level 11, a window of 4 MiB.
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 11, 22);
    writer.write_all(bytes)?;
    writer.flush()?;
    Ok(writer.into_inner().len() as u64)
}

fn kb(bytes: u64) -> String {
    format!("{:.1} kB", bytes as f64 / 1000.0)
}

fn list(base: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            list(base, &path, files)?;
        } else {
            let name = path.strip_prefix(base)?.to_string_lossy().replace('\\', "/");
            files.insert(name, fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_of_more_than_five_percent_fails() {
        let size = |raw| Size { raw, brotli: raw / 3 };
        let of = |raw| Recorded { page: size(raw), program: size(raw), program_plain: raw, extras: 10, weights: 10 };
        assert!(compare(&of(10_000), &of(10_400)).is_ok());
        assert!(compare(&of(10_000), &of(5_000)).is_ok());
        let e = compare(&of(10_000), &of(10_600)).unwrap_err().to_string();
        assert!(e.starts_with("grown by more than 5%: the page, raw, the page, brotli"), "{e}");
    }
}
