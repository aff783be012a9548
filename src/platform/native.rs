//! A computer: files, and a model built into the program.

mod files;
mod foreign;
mod importing;

use std::borrow::Cow;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use eframe::egui::DroppedFileHandle;

use super::progress::Progress;
use crate::bundled::Extras;
use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};

use files::in_both_cases;
pub use files::{FileSet, check_writable, write_atomic};
pub use foreign::open_foreign;
pub use importing::{bring_model, choose_model, forget_model, kept_model, may_be_model, settle_model, write_model};

/// What may move to the thread that does the work: `Send` on a computer, anything in a browser, which has one thread.
pub trait MaybeSend: Send {}
impl<T: Send> MaybeSend for T {}

/// What is shown before and beside the model.
const EXTRAS: [(&str, &[u8]); 6] = [
    ("recording.json", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/recording/recording.json"))),
    ("dpar.png", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/recording/dpar.png"))),
    ("baseline.png", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/recording/baseline.png"))),
    ("looks.png", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/looks.png"))),
    ("thumbnails.json", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/thumbnails.json"))),
    ("thumbnails.png", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/thumbnails.png"))),
];

/// The model folder `assets/model`, as it was when the program was built.
const MODEL: [(&str, &[u8]); 6] = [
    ("config.json", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/config.json"))),
    ("vq.safetensors", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/vq.safetensors"))),
    (
        "vq_encoder.safetensors",
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/vq_encoder.safetensors")),
    ),
    ("entropy.safetensors", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/entropy.safetensors"))),
    ("dpar.safetensors", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/dpar.safetensors"))),
    ("baseline.safetensors", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/baseline.safetensors"))),
];

/// The model that is part of the program. The weights are borrowed from the program's own memory, not copied.
///
/// # Errors
/// As [`ModelFiles::load`]; only a build from a damaged checkout can fail.
pub fn embedded_model() -> Result<ModelFiles> {
    ModelFiles::load("built-in model", |name| {
        let file = MODEL.iter().find(|(n, _)| *n == name);
        let missing = || (format!("built-in model/{name}"), "it was not built into this program".to_owned());
        file.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(missing)
    })
}

/// The config of the model that comes with the app: what there is to show before its weights are there.
pub fn built_in_config() -> ModelConfig {
    // ok: a test parses the very same bytes.
    #[allow(clippy::expect_used)]
    ModelConfig::parse(MODEL[0].1, "config.json").expect("the config in assets/model is tested to parse")
}

/// Runs `work` to its end beside the caller, in a thread of its own. The future is made there, so it need not be `Send`
/// (wgpu's error scopes are not).
pub fn run<F: Future<Output = ()> + 'static>(work: impl FnOnce() -> F + Send + 'static) {
    std::thread::spawn(move || pollster::block_on(work()));
}

/// Reads the model folder `source`, or the model that is part of the program.
///
/// # Errors
/// As [`ModelFiles::load_dir`].
pub async fn load_model(source: Option<String>, progress: Progress) -> Result<ModelFiles> {
    progress.set("check", 0, 1);
    source.map_or_else(embedded_model, |dir| ModelFiles::load_dir(Path::new(&dir)))
}

/// What comes with the built-in model.
pub async fn load_extras(config: &ModelConfig) -> Extras {
    Extras::parse(config, |name| EXTRAS.iter().find(|(n, _)| *n == name).map(|(_, bytes)| Cow::Borrowed(*bytes)))
}

/// Nothing to do: a folder's baseline is read with the rest of it.
///
/// # Errors
/// None.
pub async fn load_baseline(_progress: Progress) -> Result<Vec<u8>> {
    Ok(Vec::new())
}

/// Nothing to do: a folder's tokenizer is read with the rest of it.
///
/// # Errors
/// None.
pub async fn load_encoder(_progress: Progress) -> Result<Vec<u8>> {
    Ok(Vec::new())
}

/// Commands of a page; a window has none.
pub fn take_commands() -> Vec<(String, String)> {
    Vec::new()
}

/// Models let go over a page; a window gets them from egui.
pub fn take_models() -> Vec<Vec<PathBuf>> {
    Vec::new()
}

/// Pictures pasted into a page; a window gets them from egui.
pub fn take_pictures() -> Vec<(String, Vec<u8>)> {
    Vec::new()
}

/// Lets a person choose a file; its name and content, or `None` where they changed their mind.
///
/// # Errors
/// [`Error::Image`] where it cannot be read.
pub async fn open_file(kind: &'static str, extensions: &'static [&'static str]) -> Result<Option<(String, Vec<u8>)>> {
    let dialog =
        rfd::AsyncFileDialog::new().add_filter(kind, &in_both_cases(extensions)).add_filter("all files", &["*"]);
    let Some(file) = dialog.pick_file().await else { return Ok(None) };
    let name = file.path().display().to_string();
    let bytes = fs::read(file.path())
        .map_err(|e| Error::Image { file: name.clone(), problem: format!("cannot be read ({e})") })?;
    Ok(Some((name, bytes)))
}

/// Lets a person choose where to put a file and writes it there; where it went, or `None` where they changed their mind.
///
/// # Errors
/// As [`write_atomic`].
pub async fn save_file(name: String, bytes: Vec<u8>) -> Result<Option<String>> {
    let Some(file) = rfd::AsyncFileDialog::new().set_file_name(&name).save_file().await else { return Ok(None) };
    write_atomic(file.path(), &bytes)?;
    Ok(Some(file.path().display().to_string()))
}

/// Where the state of the app goes for those who cannot see the window: into the file `DPAR_STATE` names (tests), the
/// accessibility tree is egui's own matter.
pub fn publish(state: &str) {
    // Renamed into place: a reader never sees half of it.
    if let Some(path) = std::env::var_os("DPAR_STATE").map(PathBuf::from)
        && let Err(e) =
            fs::write(path.with_extension("new"), state).and_then(|()| fs::rename(path.with_extension("new"), &path))
    {
        log::warn!("DPAR_STATE {}: {e}", path.display());
    }
}

/// A link as people pass it on: the part after `#`, which the app (paste it) and the command line (`--link`) follow.
pub fn address(link: &str) -> String {
    link.to_owned()
}

/// Reads a file that was let go over the window.
///
/// # Errors
/// [`Error::Image`] where it cannot be read.
pub async fn read_dropped(file: DroppedFileHandle) -> Result<Option<(String, Vec<u8>)>> {
    let name = file.path().display().to_string();
    let bytes =
        file.bytes().map_err(|e| Error::Image { file: name.clone(), problem: format!("cannot be read ({e})") })?;
    Ok(Some((name, bytes)))
}

/// Whether the app can close itself.
pub const CLOSES: bool = true;
/// How a person demands a GPU, whatever it is.
pub const DEMAND_GPU: &str = "--device gpu";

/// Prints what the bench has found.
pub fn finish_bench(text: &str) {
    use std::io::Write as _;
    // A closed pipe is not worth a word.
    let _ = writeln!(io::stdout(), "{text}");
}

/// A window has no address bar.
pub fn set_link(_link: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_model_loads() {
        let files = embedded_model().unwrap();
        assert_eq!(files.source, "built-in model");
        assert_eq!(files.config.num_classes(), 557);
        assert!(files.dpar.is_some() && files.entropy.is_some() && files.baseline.is_some());
    }
}
