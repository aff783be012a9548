//! The browser: no file system, and weights that arrive over the network instead of inside the program.
//!
//! The page around the canvas (`web/boot.js`) makes a [`Host`] and a [`Dpar`]; what this module offers under the same
//! names as the desktop's goes through that host: fetching, checking and keeping files is the page's business.

mod files;
pub(crate) mod host;
mod models;

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;

use super::progress::Progress;
use crate::bundled::Extras;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::{Later, ModelFiles};
use crate::error::{Error, Result};

pub use files::{open_file, read_dropped, save_file};
pub use host::{address, publish, set_link, take_commands, take_models, take_pictures};
pub use models::{bring_model, choose_model, forget_model, kept_model, may_be_model, settle_model};

/// What may move to where the work is done: anything, a page has one thread.
pub trait MaybeSend {}
impl<T> MaybeSend for T {}

/// The files that are fetched at once; the others follow when someone compares, or brings a picture.
const MODEL: [&str; 4] = ["config.json", "vq.safetensors", "entropy.safetensors", "dpar.safetensors"];
/// The baseline's weights.
const BASELINE: &str = "baseline.safetensors";
/// The tokenizer's encoder.
const ENCODER: &str = "vq_encoder.safetensors";
/// What is shown before and beside the model.
const EXTRAS: [&str; 6] =
    ["recording.json", "dpar.png", "baseline.png", "looks.png", "thumbnails.json", "thumbnails.png"];

/// The config of the model that comes with the app: what there is to show before its weights are there.
pub fn built_in_config() -> ModelConfig {
    const CONFIG: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/config.json"));
    // ok: a test parses the very same bytes.
    #[allow(clippy::expect_used)]
    ModelConfig::parse(CONFIG, "config.json").expect("the config in assets/model is tested to parse")
}

/// Always an error: 12 MB of weights do not belong inside the wasm file, the page fetches them beside it.
///
/// # Errors
/// [`Error::Config`].
pub fn embedded_model() -> Result<ModelFiles> {
    Err(Error::Config {
        file: "built-in model".into(),
        problem: "is not part of the web build: the page fetches config.json and the weights from assets/model".into(),
    })
}

/// Fetches the model through the page, or reads the visitor's own from the browser's file system. The page checks every file's SHA-256; `progress` hears of every step.
///
/// # Errors
/// [`Error::Download`] with the page's sentence where a download fails or is cancelled, else as
/// [`ModelFiles::load`].
pub async fn load_model(source: Option<String>, progress: Progress) -> Result<ModelFiles> {
    if let Some(name) = source {
        return models::read_model(&name, progress).await;
    }
    let files = host::fetch(&MODEL, move |phase, done, total| progress.set(&phase, done, total)).await?;
    let files = std::cell::RefCell::new(files);
    ModelFiles::load_some(
        "built-in model",
        |name| {
            let taken = files.borrow_mut().remove(name);
            taken.map(Into::into).ok_or_else(|| (name.to_owned(), "the page did not fetch it".to_owned()))
        },
        Later::Rest,
    )
}

/// Fetches the baseline's weights.
///
/// # Errors
/// As [`load_model`].
pub async fn load_baseline(progress: Progress) -> Result<Vec<u8>> {
    load_one(BASELINE, progress).await
}

/// Fetches the tokenizer's encoder.
///
/// # Errors
/// As [`load_model`].
pub async fn load_encoder(progress: Progress) -> Result<Vec<u8>> {
    load_one(ENCODER, progress).await
}

async fn load_one(name: &str, progress: Progress) -> Result<Vec<u8>> {
    let files = host::fetch(&[name], move |phase, done, total| progress.set(&phase, done, total)).await?;
    files.into_values().next().ok_or_else(|| Error::Internal("the page fetched nothing".into()))
}

/// What comes with the built-in model; parts that cannot be fetched are left out.
pub async fn load_extras(config: &ModelConfig) -> Extras {
    let files = match host::fetch(&EXTRAS, |_, _, _| {}).await {
        Ok(files) => files,
        Err(e) => {
            log::warn!("{e}");
            HashMap::new()
        }
    };
    Extras::parse(config, |name| files.get(name).map(|bytes| bytes.clone().into()))
}

/// Whether the app can close itself: a page cannot.
pub const CLOSES: bool = false;
/// How a person demands a GPU, whatever it is.
pub const DEMAND_GPU: &str = "?gpu in the address";

/// Nothing: the page's text panel has what the bench has found.
pub fn finish_bench(_text: &str) {}

/// Runs `work` to its end beside the caller: between frames.
pub fn run<F: Future<Output = ()> + 'static>(work: impl FnOnce() -> F + 'static) {
    wasm_bindgen_futures::spawn_local(work());
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
