//! A model of the visitor's own, kept in the browser's own file system (`web/models.js`).

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::host::{self, Host, heard, sentence};
use crate::checkpoint::ModelFiles;
use crate::checkpoint::import::MODEL_ENDINGS;
use crate::error::{Error, Result};
use crate::platform::kept::KeptModel;
use crate::platform::progress::Progress;

/// The files that a model folder may hold.
const FILES: [&str; 6] = [
    "config.json",
    "vq.safetensors",
    "vq_encoder.safetensors",
    "entropy.safetensors",
    "dpar.safetensors",
    "baseline.safetensors",
];

fn page() -> Result<Host> {
    host::host().ok_or_else(|| Error::Internal("there is no page to ask".into()))
}

/// The page's own sentence.
fn said(e: &JsValue) -> Error {
    Error::Request(sentence(e))
}

/// Whether a person may mean a model by what they bring.
pub fn may_be_model(path: &Path) -> bool {
    path.extension().is_some_and(|e| MODEL_ENDINGS.iter().any(|known| e.eq_ignore_ascii_case(known)))
        || path.file_name().is_some_and(|name| name == "config.json")
}

/// Streams what was brought last into the browser's file system; without anything brought, what is kept there is meant. The model's
/// name.
///
/// # Errors
/// [`Error::Request`] with the page's sentence: no model, no room, PyTorch's files.
pub async fn bring_model(_paths: Vec<PathBuf>, _models: Option<PathBuf>, progress: Progress) -> Result<String> {
    let heard = heard(move |phase, done, total| progress.set(&phase, done, total));
    let name = page()?.take_model(&heard).await.map_err(|e| said(&e))?;
    Ok(name.as_string().unwrap_or_default())
}

/// Lets a person choose files; their names, or `None` where they changed their mind.
///
/// # Errors
/// [`Error::Request`] where the browser refuses.
pub async fn choose_model() -> Result<Option<Vec<PathBuf>>> {
    let names: Array = page()?.choose_model().await.map_err(|e| said(&e))?.unchecked_into();
    let names: Vec<PathBuf> = names.iter().filter_map(|name| name.as_string()).map(PathBuf::from).collect();
    Ok((!names.is_empty()).then_some(names))
}

/// Reads the model that was brought, or the kept one, whole.
///
/// # Errors
/// As [`ModelFiles::load`]; [`Error::Request`] with the page's sentence.
pub async fn read_model(name: &str, progress: Progress) -> Result<ModelFiles> {
    let heard = heard(move |phase, done, total| progress.set(&phase, done, total));
    let names = FILES.map(str::to_owned).to_vec();
    let found = page()?.read_model(names, &heard).await.map_err(|e| said(&e))?;
    let read = |file: &str| {
        let bytes = Reflect::get(&found, &file.into()).ok().and_then(|value| value.dyn_into::<Uint8Array>().ok());
        let bytes = bytes.ok_or_else(|| (format!("{name}/{file}"), "it is not among the files".to_owned()))?;
        // The page's copy goes as soon as the program has its own.
        let _ = Reflect::delete_property(found.unchecked_ref::<Object>(), &file.into());
        Ok(Cow::Owned(bytes.to_vec()))
    };
    ModelFiles::load(name, read)
}

/// What was brought can be drawn with, and is kept in place of what was; or it cannot, and goes.
pub async fn settle_model(good: bool) {
    if let Ok(page) = page()
        && let Err(e) = page.settle_model(good).await
    {
        log::warn!("{}", sentence(&e));
    }
}

/// The model that is kept.
pub fn kept_model() -> Option<KeptModel> {
    let kept = page().ok()?.kept_model();
    let text = |key: &str| Reflect::get(&kept, &key.into()).ok();
    Some(KeptModel { name: text("name")?.as_string()?, bytes: text("bytes")?.as_f64()? as u64 })
}

/// Deletes it.
///
/// # Errors
/// [`Error::Request`] where the browser refuses.
pub async fn forget_model() -> Result<()> {
    page()?.forget_model().await.map(|_| ()).map_err(|e| said(&e))
}
