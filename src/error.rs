//! The library's one error type.
//!
//! Every variant prints as one sentence that says what is wrong, where, and what to do. The command line maps
//! [`Error::is_bad_input`] to exit code 2 and everything else to 1.

use std::borrow::Cow;

use thiserror::Error;

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, each as one sentence for a person.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A model's `config.json` is missing, unreadable, or describes a model that cannot exist.
    #[error("{}: {}", plain(file), plain(problem))]
    Config {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A `.safetensors` file is missing, truncated, hostile, or contradicts its config.
    #[error("{}: {}", plain(file), plain(problem))]
    Checkpoint {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// An image file cannot be used.
    #[error("{}: {}", plain(file), plain(problem))]
    Image {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A trace file cannot be used.
    #[error("{}: {}", plain(file), plain(problem))]
    Trace {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A share link cannot be used.
    #[error("{}", plain(.0))]
    Link(String),
    /// A request (class, threshold, sampling, ...) is out of range.
    #[error("{}", plain(.0))]
    Request(String),
    /// No GPU adapter, or one that cannot run the engine.
    #[error("{}", plain(.0))]
    Adapter(String),
    /// The GPU device failed while running.
    #[error("the GPU device was lost: {}; run again, or use --device cpu", plain(.0))]
    DeviceLost(String),
    /// A file could not be written.
    #[error("{}: cannot be written: {}", plain(file), plain(problem))]
    Output {
        /// The file, as the user named it.
        file: String,
        /// The operating system's reason.
        problem: String,
    },
    /// The app's window could not be opened.
    #[error("the window cannot be opened: {}; without a display, use `dpar generate`", plain(.0))]
    Window(String),
    /// The page could not fetch something; its sentence.
    #[error("{}", plain(.0))]
    Download(String),
    /// A defect of this program, not of its input.
    #[error("internal error: {}; please report it", plain(.0))]
    Internal(String),
}

/// Text as it may be put before a person, whoever has written it: on one line, with nothing in it that a terminal obeys.
pub fn plain(text: &str) -> Cow<'_, str> {
    let text = text.trim_end();
    if !text.contains(is_strange) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => plain.push(' '),
            c if is_strange(c) => plain.extend(c.escape_unicode()),
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Whether a terminal may obey a character instead of showing it, or show others in another order for it.
pub fn is_strange(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Error {
    /// Whether the user's input is at fault (exit code 2) rather than the machine (exit code 1).
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Config { .. }
            | Self::Checkpoint { .. }
            | Self::Image { .. }
            | Self::Trace { .. }
            | Self::Link(_)
            | Self::Request(_) => true,
            Self::Adapter(_)
            | Self::DeviceLost(_)
            | Self::Output { .. }
            | Self::Download(_)
            | Self::Window(_)
            | Self::Internal(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_has_written_stays_on_one_line_and_commands_nothing() {
        let problem = "holds \u{1b}[31mred\u{7},\nand \u{202e}more\n".to_owned();
        let said = Error::Trace { file: "a\r\nb".into(), problem }.to_string();
        assert_eq!(said, "a  b: holds \\u{1b}[31mred\\u{7}, and \\u{202e}more");
        assert!(matches!(plain("caf\u{e9} \u{1F989}"), Cow::Borrowed(_)));
    }
}
