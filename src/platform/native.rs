//! A computer: files, and a model built into the program.

use std::borrow::Cow;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use eframe::egui::DroppedFileHandle;

use super::progress::Progress;
use crate::bundled::Extras;
use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};

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
const MODEL: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/config.json"))),
    ("vq.safetensors", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/model/vq.safetensors"))),
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

/// Commands of a page; a window has none.
pub fn take_commands() -> Vec<(String, String)> {
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
    let Some(file) = rfd::AsyncFileDialog::new().add_filter(kind, extensions).pick_file().await else {
        return Ok(None);
    };
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

/// Writes a file whole or not at all: into a new file beside it, which then takes its name.
///
/// A file that existed keeps its old content until then. Permissions are those of any new file (0666 less the umask).
/// What is there but is no regular file (`/dev/stdout`, a named pipe) is written in place: renaming over it would
/// destroy it. A symbolic link stays, the file it points to is replaced.
///
/// # Errors
/// [`Error::Output`] with the operating system's reason.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes)
        .map_err(|e| Error::Output { file: path.display().to_string(), problem: without_temporary_name(&e) })
}

/// Whether [`write_atomic`] could write `path` now: asked before long work, so that it is not lost in the end.
///
/// # Errors
/// As [`write_atomic`].
pub fn check_writable(path: &Path) -> Result<()> {
    probe(path).map_err(|e| Error::Output { file: path.display().to_string(), problem: without_temporary_name(&e) })
}

fn probe(path: &Path) -> io::Result<()> {
    match destination(path)? {
        Destination::InPlace => Ok(()),
        // The file is gone again when it is dropped.
        Destination::Beside(target) => temporary(&target).map(drop),
    }
}

/// How a path is written.
enum Destination {
    /// It is there, but no regular file.
    InPlace,
    /// Into a file beside this one, which then takes its name.
    Beside(PathBuf),
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        Ok(found) if !found.is_file() => Ok(Destination::InPlace),
        Ok(_) => Ok(Destination::Beside(path.canonicalize()?)),
        Err(_) => Ok(Destination::Beside(path.to_owned())),
    }
}

/// A new file beside `target`.
fn temporary(target: &Path) -> io::Result<tempfile::NamedTempFile<File>> {
    // A bare file name has the empty path as its parent, which means the current folder.
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // `make_in` and not `tempfile_in`: a temporary file is private (0600) by default, and would stay so under its name.
    tempfile::Builder::new().prefix(".dpar-").make_in(folder, |p| File::create_new(p))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match destination(path)? {
        Destination::InPlace => return fs::write(path, bytes),
        Destination::Beside(target) => target,
    };
    let mut file = temporary(&target)?;
    file.as_file_mut().write_all(bytes)?;
    // Before the rename, so that a power cut cannot leave the name on an empty file.
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|e| e.error)?;
    Ok(())
}

/// tempfile adds the temporary file's path to its messages, which a person never asked for.
fn without_temporary_name(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = e.to_string();
            text.split(" at path ").next().map_or(text.clone(), str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        write_atomic(&path, b"one, the longer content").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn permissions_are_those_of_any_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write_atomic(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        assert_eq!(fs::metadata(ours).unwrap().permissions(), fs::metadata(plain).unwrap().permissions());
    }

    #[test]
    fn failures_name_the_file_and_keep_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no").join("a.png");
        let e = write_atomic(&missing, b"x").unwrap_err();
        assert!(matches!(&e, Error::Output { file, .. } if *file == missing.display().to_string()), "{e}");
        assert!(e.to_string().ends_with("cannot be written: its folder does not exist"), "{e}");
        assert!(write_atomic(dir.path(), b"x").unwrap_err().to_string().contains("it is a folder"));
        for path in [&missing, dir.path()] {
            assert_eq!(
                check_writable(path).unwrap_err().to_string(),
                write_atomic(path, b"x").unwrap_err().to_string()
            );
        }
        check_writable(&dir.path().join("a.png")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn built_in_model_loads() {
        let files = embedded_model().unwrap();
        assert_eq!(files.source, "built-in model");
        assert_eq!(files.config.num_classes(), 557);
        assert!(files.dpar.is_some() && files.entropy.is_some() && files.baseline.is_some());
    }
}
