//! What the program says: answers and summaries, notes and errors, each to the stream where it is expected.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use dpar::error::plain;
use dpar::{Error, Result};

/// What messages call the stream that `-` stands for.
pub const STDOUT: &str = "standard output";

/// `--quiet`. One for the process, as its streams are.
static QUIET: AtomicBool = AtomicBool::new(false);
/// Whether standard output carries a file.
static CARRIES_DATA: AtomicBool = AtomicBool::new(false);

/// From here on no summary, no notes and no progress.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether `--quiet` was asked for.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// From here on standard output carries a file: words go to stderr.
pub fn keep_stdout_for_data() {
    CARRIES_DATA.store(true, Ordering::Relaxed);
}

/// Prints what was asked for (a list, figures, JSON) on stdout. A reader that has gone (`dpar info | head`) is no failure.
///
/// # Errors
/// [`Error::Output`], for instance where stdout is a full disk.
pub fn print(text: &str) -> Result<()> {
    write_stdout(format!("{text}\n").as_bytes())
}

/// Prints a summary for people: on stdout, or on stderr where stdout carries a file; nothing with `--quiet`.
///
/// # Errors
/// As [`print`].
pub fn say(text: &str) -> Result<()> {
    if is_quiet() {
        return Ok(());
    }
    if CARRIES_DATA.load(Ordering::Relaxed) {
        // Nobody is left to tell where stderr itself is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
        return Ok(());
    }
    print(text)
}

/// Writes a file to stdout, as [`print`] writes words.
///
/// # Errors
/// As [`print`].
pub fn write_stdout(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Output { file: STDOUT.into(), problem: e.to_string() })
        }
        _ => Ok(()),
    }
}

/// Prints `error: ...` on stderr, on one line whatever is in it.
pub fn complain(message: &str) {
    stderr_line("error", message);
}

/// Prints `note: ...` on stderr, on one line whatever is in it; nothing with `--quiet`.
pub fn note(message: &str) {
    if !is_quiet() {
        stderr_line("note", message);
    }
}

fn stderr_line(kind: &str, message: &str) {
    // Nobody is left to tell where stderr itself is closed.
    let _ = writeln!(io::stderr().lock(), "{kind}: {}", one_line(message));
}

/// Messages of drivers and of the operating system may come in paragraphs, names with commands for the terminal.
fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    plain(&lines.join(" ")).into_owned()
}

/// The summary of a command: names on the left, values in a column.
#[derive(Debug, Default)]
pub struct Card(Vec<(String, String)>);

impl Card {
    /// Adds a line, whatever is in it: names of classes and files were chosen by others.
    pub fn row(&mut self, name: &str, value: impl AsRef<str>) {
        self.0.push((name.to_owned(), plain(value.as_ref()).into_owned()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_many_lines_become_one() {
        assert_eq!(one_line("no adapter:\n  * vulkan\n\n  * gl\n"), "no adapter: * vulkan * gl");
        assert_eq!(one_line("\u{1b}]8;;http://a\u{7}cat"), "\\u{1b}]8;;http://a\\u{7}cat");
    }

    #[test]
    fn cards_line_up() {
        let mut card = Card::default();
        card.row("a", "1");
        card.row("long name", "2");
        assert_eq!(card.text(), "a          1\nlong name  2");
    }
}
