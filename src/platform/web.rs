//! The browser: no file system, and weights that arrive over the network instead of inside the program.

use std::path::Path;

use crate::checkpoint::ModelFiles;
use crate::error::{Error, Result};

/// Always an error: 36 MB of weights do not belong inside the wasm file, the page fetches them beside it.
///
/// # Errors
/// [`Error::Config`].
pub fn embedded_model() -> Result<ModelFiles> {
    Err(Error::Config {
        file: "built-in model".into(),
        problem: "is not part of the web build: the page fetches config.json and the weights from assets/model".into(),
    })
}

/// Always an error: a page cannot write to a path.
///
/// # Errors
/// [`Error::Output`].
pub fn write_atomic(path: &Path, _bytes: &[u8]) -> Result<()> {
    Err(Error::Output {
        file: path.display().to_string(),
        problem: "a web page has no file system, offer the file as a download instead".into(),
    })
}

/// Always an error, as [`write_atomic`].
///
/// # Errors
/// [`Error::Output`].
pub fn check_writable(path: &Path) -> Result<()> {
    write_atomic(path, &[])
}
