//! `cargo run` and `cargo test` share what they compile, as long as both ask for the same features of everything.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use super::output;

/// Every package with its features, as `cargo tree` says.
fn packages(args: &[&str]) -> Result<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args: Vec<&str> =
        ["tree", "--prefix", "none", "--format", "{p} {f}"].into_iter().chain(args.iter().copied()).collect();
    let text = output(cargo, &args).with_context(|| format!("`cargo {}` failed", args.join(" ")))?;
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
}

/// Looks for packages that `cargo run` would compile again after `cargo test`.
///
/// # Errors
/// Their names, and what to do.
pub fn check() -> Result<()> {
    if std::env::consts::OS != "linux" {
        return Ok(()); // the manifest is written for what is shared here
    }
    let run = packages(&["--package", "dpar", "--edges", "normal,build"])?;
    let test = packages(&["--workspace", "--edges", "normal,build,dev"])?;
    let again: Vec<&str> = run.difference(&test).map(String::as_str).collect();
    if !again.is_empty() {
        let list = again.join("\n  ");
        bail!(
            "`cargo run` compiles these again after `cargo test`, and all that stands on them:\n  {list}\n\
             give them the features that the tests ask for, as Cargo.toml does under \"Not used by name\""
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_compiled_twice() {
        super::check().unwrap();
    }
}
