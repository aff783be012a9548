//! What the program says and where it writes: stdout that may be closed, one-line errors, paths checked early.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use dpar::{Error, Result, platform};

/// Prints one line, or a block of them, on stdout. A reader that has gone (`dpar info | head`) is no failure.
///
/// # Errors
/// [`Error::Output`], for instance where stdout is a full disk.
pub fn say(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Output { file: "standard output".into(), problem: e.to_string() })
        }
        _ => Ok(()),
    }
}

/// Prints `error: ...` on stderr, on one line whatever is in it.
pub fn complain(message: &str) {
    stderr_line("error", message);
}

/// Prints `note: ...` on stderr, on one line whatever is in it.
pub fn note(message: &str) {
    stderr_line("note", message);
}

fn stderr_line(kind: &str, message: &str) {
    // Nobody is left to tell where stderr itself is closed.
    let _ = writeln!(io::stderr().lock(), "{kind}: {}", one_line(message));
}

/// Messages of drivers and of the operating system may come in paragraphs.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The summary of a command: names on the left, values in a column.
#[derive(Debug, Default)]
pub struct Card(Vec<(String, String)>);

impl Card {
    /// Adds a line.
    pub fn row(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// All lines.
    pub fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<width$}  {value}");
        }
        text.trim_end().to_owned()
    }
}

/// Refuses output files that could not be written in the end, before the long work begins.
///
/// # Errors
/// [`Error::Output`] for a folder that is missing or closed to us, [`Error::Request`] where one file is named twice,
/// or is the `input` (the default `dpar.png` makes that an easy slip).
pub fn check_outputs(outputs: &[&Path], input: Option<&Path>) -> Result<()> {
    // Through links and `..`: an existing file by itself, one to be made by its folder.
    let place = |path: &Path| {
        let made = || {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name))
        };
        path.canonicalize().ok().or_else(made).unwrap_or_else(|| path.to_owned())
    };
    let mut seen: Vec<PathBuf> = input.map(place).into_iter().collect();
    for path in outputs {
        let here = place(path);
        if seen.contains(&here) {
            return Err(Error::Request(format!(
                "{} is named twice: every output needs a file of its own, and not that of the input",
                path.display()
            )));
        }
        seen.push(here);
        platform::check_writable(path)?;
    }
    Ok(())
}

/// Refuses names of other picture formats. Devices and pipes (`/dev/stdout`) may be called anything.
///
/// # Errors
/// [`Error::Request`].
pub fn check_png(path: &Path) -> Result<()> {
    check_ending(path, "png", "pictures are written as PNG only")
}

/// As [`check_png`], for animations.
///
/// # Errors
/// [`Error::Request`].
pub fn check_gif(path: &Path) -> Result<()> {
    check_ending(path, "gif", "animations are written as GIF only")
}

fn check_ending(path: &Path, ending: &str, only: &str) -> Result<()> {
    let right = path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    let special = path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir());
    if right || special || path.is_dir() {
        return Ok(());
    }
    Err(Error::Request(format!("{}: {only}, choose a name that ends in .{ending}", path.display())))
}

/// `picture.png` -> `picture-3.png`.
pub fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_many_lines_become_one() {
        assert_eq!(one_line("no adapter:\n  * vulkan\n\n  * gl\n"), "no adapter: * vulkan * gl");
    }

    #[test]
    fn numbers_go_before_the_extension() {
        assert_eq!(numbered(Path::new("a/b.c.png"), 2), Path::new("a/b.c-2.png"));
        assert_eq!(numbered(Path::new("b"), 1), Path::new("b-1"));
    }

    #[test]
    fn cards_line_up() {
        let mut card = Card::default();
        card.row("a", "1");
        card.row("long name", "2");
        assert_eq!(card.text(), "a          1\nlong name  2");
    }
}
