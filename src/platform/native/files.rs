//! Files of a computer, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::{Error, Result};

/// Writes a file whole or not at all: into a new file beside it, which then takes its name.
///
/// A file that existed keeps its old content until then. Permissions are those of any new file (0666 less the umask).
/// What is there but is no regular file (`/dev/stdout`, a named pipe) is written in place: renaming over it would
/// destroy it. A symbolic link stays, the file it points to is replaced.
///
/// # Errors
/// [`Error::Output`] with the operating system's reason.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut set = FileSet::default();
    set.add(path, bytes)?;
    set.commit()
}

/// Whether [`write_atomic`] could write `path` now: asked before long work, so that it is not lost in the end.
///
/// # Errors
/// As [`write_atomic`].
pub fn check_writable(path: &Path) -> Result<()> {
    probe(path).map_err(|e| unwritable(path, &e))
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

/// Files that appear together: each waits under another name beside its own until [`FileSet::commit`]; a set that is
/// dropped before leaves nothing. Each is written as by [`write_atomic`].
#[derive(Debug, Default)]
pub struct FileSet(Vec<WaitingFile>);

/// What of a [`FileSet`] is still to be done: the path as a person named it, and how its content gets there.
#[derive(Debug)]
enum WaitingFile {
    InPlace(PathBuf, Vec<u8>),
    Renamed { named: PathBuf, target: PathBuf, temporary: TempPath },
}

impl FileSet {
    /// Adds a file. Nothing shows under its name yet.
    ///
    /// # Errors
    /// [`Error::Output`] with the operating system's reason.
    pub fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.0.push(waiting(path, bytes).map_err(|e| unwritable(path, &e))?);
        Ok(())
    }

    /// Adds a file that `write` makes under another name, which it is given.
    ///
    /// # Errors
    /// Those of `write`; else as [`Self::add`].
    pub fn add_with(&mut self, path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let target = match destination(path).map_err(|e| unwritable(path, &e))? {
            Destination::InPlace => return write(path),
            Destination::Beside(target) => target,
        };
        let file = temporary(&target).map_err(|e| unwritable(path, &e))?.into_temp_path();
        let permissions = fs::metadata(&file).map(|made| made.permissions()).map_err(|e| unwritable(path, &e))?;
        write(&file)?;
        // Whoever writes may put another file in its place, and a private one (safetensors does).
        let kept = fs::set_permissions(&file, permissions).and_then(|()| File::open(&file)?.sync_all());
        kept.map_err(|e| unwritable(path, &e))?;
        self.0.push(WaitingFile::Renamed { named: path.to_owned(), target, temporary: file });
        Ok(())
    }

    /// Gives every file its name. All bytes are on the disk by then: what can still fail is a rename within a folder.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn commit(self) -> Result<()> {
        for file in self.0 {
            match file {
                WaitingFile::InPlace(path, bytes) => fs::write(&path, bytes).map_err(|e| unwritable(&path, &e))?,
                WaitingFile::Renamed { named, target, temporary } => {
                    temporary.persist(target).map_err(|e| unwritable(&named, &e.error))?;
                }
            }
        }
        Ok(())
    }
}

fn waiting(path: &Path, bytes: &[u8]) -> io::Result<WaitingFile> {
    let target = match destination(path)? {
        Destination::InPlace => return Ok(WaitingFile::InPlace(path.to_owned(), bytes.to_vec())),
        Destination::Beside(target) => target,
    };
    let mut file = temporary(&target)?;
    file.as_file_mut().write_all(bytes)?;
    // Before the rename, so that a power cut cannot leave the name on an empty file.
    file.as_file().sync_all()?;
    // Closed: a thousand overlays would be more open files than a process may have.
    Ok(WaitingFile::Renamed { named: path.to_owned(), target, temporary: file.into_temp_path() })
}

fn unwritable(path: &Path, e: &io::Error) -> Error {
    Error::Output { file: path.display().to_string(), problem: without_temporary_name(e) }
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

/// Linux's dialogs tell `png` from the `PNG` of a camera.
pub(super) fn in_both_cases(extensions: &[&str]) -> Vec<String> {
    extensions.iter().flat_map(|e| [e.to_lowercase(), e.to_uppercase()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogs_show_what_cameras_call_their_pictures() {
        assert_eq!(in_both_cases(&["jpg", "jfif"]), ["jpg", "JPG", "jfif", "JFIF"]);
    }

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
    fn a_set_appears_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let mut set = FileSet::default();
        set.add(&a, b"1").unwrap();
        assert!(set.add(&dir.path().join("no").join("c"), b"3").is_err());
        assert!(!a.exists());
        drop(set);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut set = FileSet::default();
        set.add(&a, b"1").unwrap();
        set.add(&b, b"2").unwrap();
        set.commit().unwrap();
        assert_eq!((fs::read(a).unwrap(), fs::read(b).unwrap()), (b"1".to_vec(), b"2".to_vec()));
    }
}
