//! A person's picture file: from a path to what the library reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use dpar::analysis::{self, MAX_BYTES};
use dpar::{Error, Result};
use image::RgbImage;

use super::files::{input_name, is_stdin};
use super::output::note;

/// Reads a picture, cuts its middle square out and resizes it to `side` pixels. Notes about it go to stderr.
///
/// # Errors
/// [`Error::Image`].
pub fn read_square(path: &Path, side: usize) -> Result<RgbImage> {
    let file = input_name(path);
    let bad = |problem: String| Error::Image { file: file.clone(), problem };
    let unreadable = |e: io::Error| bad(format!("cannot be read ({e})"));
    let mut bytes = Vec::new();
    // Bounded, because a path can name something without an end. The decoder refuses what is longer for its size.
    let mut read = |from: &mut dyn Read| from.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable);
    if is_stdin(path) {
        read(&mut io::stdin().lock())?;
    } else {
        if path.metadata().map_err(unreadable)?.is_dir() {
            return Err(bad("is a folder, not a picture".into()));
        }
        read(&mut File::open(path).map_err(unreadable)?)?;
    }
    let read = analysis::read_picture(&bytes, &file)?;
    read.notes.iter().for_each(|told| note(told));
    Ok(analysis::square(&read.image, None, side as u32))
}
