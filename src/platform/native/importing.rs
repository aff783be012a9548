//! Model folders made of others' files, and what a person brings that may be a model.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{FileSet, in_both_cases};
use super::foreign::open_foreign;
use crate::checkpoint::config::PatchingConfig;
use crate::checkpoint::import::{ForeignFile, Hints, ImportedModel, MODEL_ENDINGS, assemble, paper_controls};
use crate::error::{Error, Result};
use crate::platform::kept::KeptModel;
use crate::platform::progress::Progress;

/// Writes a folder, all of it or nothing. `done` hears of the bytes of each tensor that is written.
///
/// # Errors
/// [`Error::Checkpoint`] where a tensor cannot be read, [`Error::Output`] where the folder cannot be written.
pub fn write_model(model: &ImportedModel<'_>, out: &Path, done: &dyn Fn(usize)) -> Result<Vec<PathBuf>> {
    let made = !out.exists();
    let unwritable = |e: std::io::Error| Error::Output { file: out.display().to_string(), problem: e.to_string() };
    fs::create_dir_all(out).map_err(unwritable)?;
    let written = write_into(model, out, done);
    if made && written.is_err() {
        // Only where it is empty; the first error is the one that counts.
        let _ = fs::remove_dir(out);
    }
    written
}

fn write_into(model: &ImportedModel<'_>, out: &Path, done: &dyn Fn(usize)) -> Result<Vec<PathBuf>> {
    let (mut set, mut paths) = (FileSet::default(), Vec::new());
    let json = serde_json::to_vec_pretty(&model.config).map_err(|e| Error::Internal(e.to_string()))?;
    paths.push(out.join("config.json"));
    set.add(&paths[0], &json)?;
    for part in &model.parts {
        let path = out.join(format!("{}.safetensors", part.name));
        set.add_with(&path, |file| part.write(file, done))?;
        paths.push(path);
    }
    set.commit()?;
    Ok(paths)
}

/// Whether a person may mean a model by what they bring: a folder, or a file of a model.
pub fn may_be_model(path: &Path) -> bool {
    let config = path.file_name().is_some_and(|name| name == "config.json");
    config
        || path.is_dir()
        || path.extension().is_some_and(|e| MODEL_ENDINGS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// The model folder that a person means: the one they bring, the one that its `config.json` is in, or one that is made of others'
/// files under the paper's settings, in `models`, or below the folder where the app keeps its own things.
///
/// # Errors
/// As [`open_foreign`], [`assemble`] and [`write_model`].
pub async fn bring_model(paths: Vec<PathBuf>, models: Option<PathBuf>, progress: Progress) -> Result<String> {
    let said = |path: &Path| path.display().to_string();
    let of_a_folder = |path: &&PathBuf| path.is_dir() || path.file_name().is_some_and(|name| name == "config.json");
    if let Some(brought) = paths.iter().find(of_a_folder) {
        let folder = if brought.is_dir() { brought } else { brought.parent().unwrap_or(brought) };
        if let Some(other) = paths.iter().find(|path| path.parent() != Some(folder) && *path != brought) {
            let (one, other) = (said(folder), said(other));
            return Err(Error::Request(format!(
                "{one} is a model folder, and {other} is none of its files: bring one or the other"
            )));
        }
        return Ok(said(folder));
    }
    let files = paths.iter().map(|path| open_foreign(path)).collect::<Result<Vec<ForeignFile>>>()?;
    let controls = paper_controls();
    let model = assemble(&files, &Hints::default(), PatchingConfig::of(&controls), controls.sampling)?;
    let out = place_of(&model, models)?;
    let (bytes, written) = (model.bytes() as u64, Cell::new(0));
    write_model(&model, &out, &|more| {
        written.set(written.get() + more as u64);
        progress.set("convert", written.get(), bytes);
    })?;
    Ok(said(&out))
}

/// Where the app keeps a model that it has made, by the name of the file that draws.
fn place_of(model: &ImportedModel<'_>, models: Option<PathBuf>) -> Result<PathBuf> {
    let nowhere = || Error::Request("there is no folder for the app's own things: convert it with dpar convert".into());
    let home = models.or_else(|| Some(eframe::storage_dir("dpar")?.join("models"))).ok_or_else(nowhere)?;
    let main = model
        .parts
        .iter()
        .max_by_key(|part| ["vq", "entropy", "baseline", "dpar"].iter().position(|name| *name == part.name));
    let name = main.and_then(|part| Path::new(part.file).file_stem()).ok_or_else(nowhere)?;
    Ok(home.join(name))
}

/// Lets a person choose a model: the `config.json` of a folder, or others' files; `None` where they changed their mind.
///
/// # Errors
/// None.
pub async fn choose_model() -> Result<Option<Vec<PathBuf>>> {
    let endings: Vec<&str> = MODEL_ENDINGS.into_iter().chain(["json"]).collect();
    let dialog = rfd::AsyncFileDialog::new().add_filter("config.json, or weights to convert", &in_both_cases(&endings));
    let files = dialog.add_filter("all files", &["*"]).pick_files().await;
    Ok(files.map(|files| files.iter().map(|file| file.path().to_owned()).collect()))
}

/// Nothing to do: a computer has folders.
pub async fn settle_model(_good: bool) {}

/// Nothing: a computer has folders.
pub fn kept_model() -> Option<KeptModel> {
    None
}

/// Nothing to do: a computer has folders.
///
/// # Errors
/// None.
pub async fn forget_model() -> Result<()> {
    Ok(())
}
