//! What a command reads and writes: `-` for the program's own streams, names that nobody typed, paths checked early, and
//! outputs that appear together.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use dpar::analysis::PICTURE_ENDINGS;
use dpar::platform::{self, FileSet};
use dpar::{Error, Result};

use super::output::{STDOUT, keep_stdout_for_data, note, write_stdout};

/// Other names of standard output. Where it is redirected into a file these lead to that file, which must not be renamed
/// away from under the shell.
const STDOUT_NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Whether a path stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    STDOUT_NAMES.iter().any(|name| path.as_os_str() == *name)
}

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What messages call an input.
pub fn input_name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// What summaries call an output.
pub fn output_name(path: &Path) -> String {
    if is_stdout(path) { STDOUT.to_owned() } else { path.display().to_string() }
}

/// Reads a file, or what comes on standard input.
///
/// # Errors
/// The operating system's.
pub fn read_input(path: &Path) -> io::Result<Vec<u8>> {
    if !is_stdin(path) {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The outputs of a command: all appear when it is done, or none.
#[derive(Debug, Default)]
pub struct OutputFiles {
    files: FileSet,
    stdout: Option<Vec<u8>>,
}

impl OutputFiles {
    /// Adds one.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn add(&mut self, path: &Path, bytes: Vec<u8>) -> Result<()> {
        if is_stdout(path) {
            self.stdout = Some(bytes);
            return Ok(());
        }
        self.files.add(path, &bytes)
    }

    /// Gives the files their names; what goes to standard output goes last.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn commit(self) -> Result<()> {
        self.files.commit()?;
        self.stdout.map_or(Ok(()), |bytes| write_stdout(&bytes))
    }
}

/// Refuses outputs that could not be written in the end, before the long work begins. Where one goes to standard output,
/// words go to stderr from here on; `json` says whether `--json` wants that stream, too.
///
/// # Errors
/// [`Error::Output`] for a folder that is missing or closed to us, [`Error::Request`] where one file is named twice,
/// or is the `input`, or two outputs want standard output.
pub fn check_outputs(outputs: &[&Path], input: Option<&Path>, json: bool) -> Result<()> {
    // Through links and `..`: an existing file by itself, one to be made by its folder.
    let place = |path: &Path| {
        let made = || {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name))
        };
        path.canonicalize().ok().or_else(made).unwrap_or_else(|| path.to_owned())
    };
    let streams = outputs.iter().filter(|path| is_stdout(path)).count();
    if streams + usize::from(json) > 1 && streams > 0 {
        let also = if json { "--json and an output called -" } else { "two outputs called -" };
        return Err(Error::Request(format!("{also} cannot share standard output: give all but one a file")));
    }
    if streams > 0 {
        keep_stdout_for_data();
    }
    let mut seen: Vec<PathBuf> = input.filter(|path| !is_stdin(path)).map(place).into_iter().collect();
    for path in outputs.iter().filter(|path| !is_stdout(path)) {
        let here = place(path);
        if seen.contains(&here) {
            return Err(Error::Request(format!(
                "{} is named twice: every output needs a file of its own, and not that of the input",
                path.display()
            )));
        }
        seen.push(here);
        platform::check_writable(path)?;
    }
    Ok(())
}

/// Refuses a folder that files of these names could not be written into, before the work is done; `what` they are together.
///
/// # Errors
/// [`Error::Request`] for standard output, [`Error::Output`].
pub fn check_folder<'a>(out: &Path, what: &str, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    if is_stdout(out) {
        let problem = format!("{what} is a folder of several files: --out cannot be standard output");
        return Err(Error::Request(problem));
    }
    if out.exists() && !out.is_dir() {
        return Err(Error::Output {
            file: out.display().to_string(),
            problem: "it is a file, a folder is needed".into(),
        });
    }
    if out.is_dir() {
        return names.into_iter().try_for_each(|name| platform::check_writable(&out.join(name)));
    }
    // It is made in the end; what its first new folder stands in is there.
    let made = out.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).last();
    let fits = made.map_or(Ok(()), platform::check_writable);
    fits.map_err(|e| match e {
        Error::Output { problem, .. } => Error::Output { file: out.display().to_string(), problem },
        other => other,
    })
}

/// Writes all files into a folder, or none.
///
/// # Errors
/// [`Error::Output`].
pub fn write_folder(out: &Path, files: impl IntoIterator<Item = (impl AsRef<Path>, Vec<u8>)>) -> Result<()> {
    let made = !out.exists();
    let unwritable = |e: io::Error| Error::Output { file: out.display().to_string(), problem: e.to_string() };
    fs::create_dir_all(out).map_err(unwritable)?;
    let mut outputs = OutputFiles::default();
    let written = files
        .into_iter()
        .try_for_each(|(name, bytes)| outputs.add(&out.join(name.as_ref()), bytes))
        .and_then(|()| outputs.commit());
    if made && written.is_err() {
        // Only where it is empty; the first error is the one that counts.
        let _ = fs::remove_dir(out);
    }
    written
}

/// Refuses names of other picture formats. Devices and pipes may be called anything.
///
/// # Errors
/// [`Error::Request`].
pub fn check_png(path: &Path) -> Result<()> {
    check_ending(path, "png", "pictures are written as PNG only")
}

/// As [`check_png`], for animations.
///
/// # Errors
/// [`Error::Request`].
pub fn check_gif(path: &Path) -> Result<()> {
    check_ending(path, "gif", "animations are written as GIF only")
}

fn check_ending(path: &Path, ending: &str, only: &str) -> Result<()> {
    if is_stdout(path) {
        return check_piped(path);
    }
    let right = path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    let special = path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir());
    if right || special || path.is_dir() {
        return Ok(());
    }
    Err(Error::Request(format!("{}: {only}, choose a name that ends in .{ending}", path.display())))
}

/// Refuses to send bytes that nobody can read to a terminal.
///
/// # Errors
/// [`Error::Request`].
pub fn check_piped(path: &Path) -> Result<()> {
    if is_stdout(path) && io::stdout().is_terminal() {
        let problem =
            "this output is not text and standard output is a terminal: send it to a file or a program, with > or |";
        return Err(Error::Request(problem.into()));
    }
    Ok(())
}

/// Refuses a picture's name for what is written as JSON; `instead` says what to do about it.
///
/// # Errors
/// [`Error::Request`].
pub fn check_json(path: &Path, instead: &str) -> Result<()> {
    if is_picture_name(path) {
        return Err(Error::Request(format!("{}: this output is JSON, not a picture: {instead}", path.display())));
    }
    Ok(())
}

/// Whether a file is called as pictures are.
pub fn is_picture_name(path: &Path) -> bool {
    path.extension().is_some_and(|e| PICTURE_ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending)))
}

/// `picture.png` -> `picture-3.png`.
pub fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// `picture.png` -> `picture-overlay.png`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(ending);
    path.with_file_name(name)
}

/// A name for what nobody has named: `first`, or with a number (`dpar-2.png`) where it, or one of the files that `all`
/// says are named after it, is there already. What somebody has made is not overwritten by a name that nobody typed.
pub fn free_name(first: &Path, all: impl Fn(&Path) -> Vec<PathBuf>) -> PathBuf {
    // A link that leads nowhere is there, too.
    let taken = |name: &Path| all(name).iter().any(|path| path.symlink_metadata().is_ok());
    let mut name = first.to_owned();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = numbered(first, number);
    }
    if number > 1 {
        note(&format!("{} is there already: this one is {}", first.display(), name.display()));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_before_the_extension() {
        assert_eq!(numbered(Path::new("a/b.c.png"), 2), Path::new("a/b.c-2.png"));
        assert_eq!(numbered(Path::new("b"), 1), Path::new("b-1"));
        assert_eq!(beside(Path::new("a/b.c.jpg"), "-overlay.png"), Path::new("a/b.c-overlay.png"));
    }

    #[test]
    fn a_name_that_nobody_typed_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("p.png");
        let all = |name: &Path| vec![name.to_owned(), beside(name, "-overlay.png")];
        assert_eq!(free_name(&first, all), first);
        fs::write(dir.path().join("p-overlay.png"), b"mine").unwrap();
        fs::write(dir.path().join("p-2.png"), b"mine").unwrap();
        assert_eq!(free_name(&first, all), dir.path().join("p-3.png"));
    }
}
