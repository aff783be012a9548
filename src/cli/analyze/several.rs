//! Many pictures to look at: a row each, as soon as it is known; a file that is no picture stops nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use dpar::error::plain;
use dpar::render::Provenance;
use dpar::{Error, platform};
use serde::Serialize;

use super::found::{AnalysisReport, Examiner};
use crate::cli::files::{beside, free_name, is_picture_name, numbered};
use crate::cli::json::to_json_line;
use crate::cli::output::{complain, note, write_stdout};

/// Where the overlays of several pictures go.
#[derive(Debug)]
pub enum OverlayPlaces {
    /// There are none.
    None,
    /// Beside each picture.
    Beside,
    /// Into this folder.
    Folder(PathBuf),
}

/// A picture as one row.
#[derive(Serialize)]
struct PictureRow<'a> {
    image: &'a str,
    tokens: usize,
    patches: usize,
    average_patch_length: f32,
    /// Nats.
    mean_entropy: f64,
    /// Of the patch transformer, which runs once a patch.
    steps: usize,
    psnr_db: Option<f64>,
    mean_abs_error: f64,
    overlay: Option<&'a str>,
}

/// The pictures that were named, and those of the folders among them (not of folders in folders), by name.
pub fn pictures(named: &[PathBuf]) -> Vec<dpar::Result<PathBuf>> {
    named.iter().flat_map(|path| if path.is_dir() { within(path) } else { vec![Ok(path.clone())] }).collect()
}

/// Whether a file is what `--overlay` has made of another one.
fn is_overlay(path: &Path) -> bool {
    let called = path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("-overlay"));
    called && fs::read(path).is_ok_and(|file| Provenance::is_ours(&file))
}

fn counted(pictures: usize) -> String {
    format!("{pictures} picture{}", if pictures == 1 { "" } else { "s" })
}

fn within(folder: &Path) -> Vec<dpar::Result<PathBuf>> {
    let bad = |problem: String| vec![Err(Error::Image { file: folder.display().to_string(), problem })];
    let entries: std::io::Result<Vec<_>> = fs::read_dir(folder).and_then(Iterator::collect);
    let mut found: Vec<PathBuf> = match entries {
        Ok(entries) => entries.iter().map(fs::DirEntry::path).filter(|p| is_picture_name(p) && p.is_file()).collect(),
        Err(e) => return bad(format!("cannot be read ({e})")),
    };
    let all = found.len();
    found.retain(|path| !is_overlay(path));
    if found.len() < all {
        note(&format!("{}: left out what --overlay has made: {}", folder.display(), counted(all - found.len())));
    }
    found.sort();
    if found.is_empty() {
        return bad("is a folder without pictures (PNG, JPEG, WebP, GIF, BMP)".into());
    }
    found.into_iter().map(Ok).collect()
}

/// Looks at every picture and prints its row: CSV, or a line of JSON.
///
/// # Errors
/// What a device or a full disk says; a sentence where files were no pictures, each of which was named before.
pub fn run(
    examiner: &Examiner,
    pictures: Vec<dpar::Result<PathBuf>>,
    overlays: &OverlayPlaces,
    json: bool,
) -> Result<()> {
    if let OverlayPlaces::Folder(folder) = overlays {
        let unwritable =
            |e: std::io::Error| Error::Output { file: folder.display().to_string(), problem: e.to_string() };
        fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let (count, mut bad, mut first) = (pictures.len(), 0, true);
    let mut taken = BTreeSet::new();
    for picture in pictures {
        let found = picture.and_then(|path| Ok((examiner.look_at(&path)?, path)));
        let (found, path) = match found {
            Ok(found) => found,
            Err(e @ Error::Image { .. }) => {
                complain(&e.to_string());
                bad += 1;
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        let overlay = place(overlays, &path, &mut taken);
        if let Some(to) = &overlay {
            platform::write_atomic(to, &examiner.overlay(&found)?)?;
        }
        let overlay = overlay.map(|path| path.display().to_string());
        let row = row(&found.report, overlay.as_deref());
        let line = if json { (to_json_line(&row)? + "\n").into_bytes() } else { csv(&row, first)? };
        first = false;
        write_stdout(&line)?;
    }
    if bad > 0 {
        bail!("{bad} of {count} files could not be read; the others are done");
    }
    Ok(())
}

/// Where a picture's overlay goes. Pictures of several folders may have one name.
fn place(overlays: &OverlayPlaces, picture: &Path, taken: &mut BTreeSet<PathBuf>) -> Option<PathBuf> {
    let name = beside(picture, "-overlay.png");
    match overlays {
        OverlayPlaces::None => None,
        OverlayPlaces::Beside => Some(free_name(&name, |name| vec![name.to_owned()])),
        OverlayPlaces::Folder(folder) => {
            let name = folder.join(name.file_name()?);
            let mut free = name.clone();
            let mut number = 1;
            while !taken.insert(free.clone()) {
                number += 1;
                free = numbered(&name, number);
            }
            Some(free)
        }
    }
}

fn row<'a>(report: &'a AnalysisReport, overlay: Option<&'a str>) -> PictureRow<'a> {
    PictureRow {
        image: &report.image,
        tokens: report.tokens.len(),
        patches: report.patches,
        average_patch_length: report.average_patch_length,
        mean_entropy: report.mean_entropy,
        steps: report.patches,
        psnr_db: report.psnr_db,
        mean_abs_error: report.mean_abs_error,
        overlay,
    }
}

/// A row as CSV, the names of the columns above the first one.
fn csv(row: &PictureRow, first: bool) -> Result<Vec<u8>> {
    // CSV has no escapes for what a terminal obeys.
    let (image, overlay) = (plain(row.image), row.overlay.map(plain));
    let mut writer = csv::WriterBuilder::new().has_headers(first).from_writer(Vec::new());
    let internal = |e: String| Error::Internal(format!("no CSV: {e}"));
    let row = PictureRow { image: &image, overlay: overlay.as_deref(), ..*row };
    writer.serialize(row).map_err(|e| internal(e.to_string()))?;
    Ok(writer.into_inner().map_err(|e| internal(e.to_string()))?)
}
