//! The browser: no file system, and weights that arrive over the network instead of inside the program.
//!
//! The page around the canvas (`web/boot.js`) makes a [`Host`] and a [`Dpar`]; what this module offers under the same
//! names as the desktop's goes through that host: fetching, checking and keeping files is the page's business.

mod files;
mod host;
mod interim;
mod start;

use std::future::Future;
use std::path::Path;

use crate::checkpoint::ModelFiles;
use crate::error::{Error, Result};

pub use files::{open_file, save_file};
pub use host::{Host, Step, fetch, model_hash, publish, set_link, take_commands};
pub use start::Dpar;

/// What may move to where the work is done: anything, a page has one thread.
pub trait MaybeSend {}
impl<T> MaybeSend for T {}

/// The files of the model, as the page's manifest names them.
const MODEL: [&str; 5] =
    ["config.json", "vq.safetensors", "entropy.safetensors", "dpar.safetensors", "baseline.safetensors"];

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

/// Fetches the model through the page, which checks every file's SHA-256; `progress` hears of every step.
///
/// # Errors
/// [`Error::Checkpoint`] with the page's sentence where a download fails or is cancelled, else as
/// [`ModelFiles::load`].
pub async fn fetch_model(progress: impl Fn(Step) + 'static) -> Result<ModelFiles> {
    let mut files = fetch(&MODEL, progress).await?;
    let files = std::cell::RefCell::new(&mut files);
    ModelFiles::load("model", |name| {
        let taken = files.borrow_mut().remove(name);
        taken.map(Into::into).ok_or_else(|| (name.to_owned(), "the page did not fetch it".to_owned()))
    })
}

/// Runs `work` to its end beside the caller: between frames.
pub fn run(work: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(work);
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
