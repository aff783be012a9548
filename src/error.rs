//! The library's one error type.
//!
//! Every variant prints as one sentence that says what is wrong, where, and what to do. The command line maps
//! [`Error::is_bad_input`] to exit code 2 and everything else to 1.

use thiserror::Error;

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, each as one sentence for a person.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A model's `config.json` is missing, unreadable, or describes a model that cannot exist.
    #[error("{file}: {problem}")]
    Config {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A `.safetensors` file is missing, truncated, hostile, or contradicts its config.
    #[error("{file}: {problem}")]
    Checkpoint {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// An image file cannot be used.
    #[error("{file}: {problem}")]
    Image {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A trace file cannot be used.
    #[error("{file}: {problem}")]
    Trace {
        /// The file, as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A share link cannot be used.
    #[error("{0}")]
    Link(String),
    /// A request (class, threshold, sampling, ...) is out of range.
    #[error("{0}")]
    Request(String),
    /// No GPU adapter, or one that cannot run the engine.
    #[error("{0}")]
    Adapter(String),
    /// The GPU device failed while running.
    #[error("the GPU device was lost: {0}; run again, or use --device cpu")]
    DeviceLost(String),
    /// A file could not be written.
    #[error("{file}: cannot be written: {problem}")]
    Output {
        /// The file, as the user named it.
        file: String,
        /// The operating system's reason.
        problem: String,
    },
    /// The app's window could not be opened.
    #[error("the window cannot be opened: {0}; without a display, use `dpar generate`")]
    Window(String),
    /// The page could not fetch something; its sentence.
    #[error("{0}")]
    Download(String),
    /// A defect of this program, not of its input.
    #[error("internal error: {0}; please report it")]
    Internal(String),
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
