//! `dpar analyze` of one's own pictures: one, several, a folder, and what is none.

use std::fs;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::cli_common::{names, size, text};
use crate::{fine, refused, run};

/// A folder with two pictures (one as a camera calls it), a text that is called a picture, and a text that is not.
fn photos() -> TempDir {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join("photos").join(name);
    fs::create_dir(dir.path().join("photos")).unwrap();
    fine(&dir, &["generate", "--out", "photos/a.png"]);
    fine(&dir, &["generate", "--out", "b.png", "--seed", "2"]);
    fs::rename(dir.path().join("b.png"), at("B, the second.JPG")).unwrap();
    fs::write(at("bad.jfif"), b"this is no picture").unwrap();
    fs::write(at("notes.txt"), b"words").unwrap();
    dir
}

#[test]
fn a_folder_is_a_row_for_each_picture_and_a_bad_one_stops_nothing() {
    let dir = photos();
    let said = run(&dir, &["analyze", "photos"], &[]);
    assert_eq!(said.code, Some(1));
    assert_eq!(
        said.stderr,
        "error: photos/bad.jfif: is not a picture this program reads (PNG, JPEG, WebP, GIF, BMP)\n\
         error: 1 of 3 files could not be read; the others are done\n"
    );
    let csv = text(&said.stdout);
    let mut lines = csv.lines();
    assert!(
        lines.next().unwrap().starts_with("image,tokens,patches,average_patch_length,mean_entropy,steps,"),
        "{csv}"
    );
    assert!(lines.next().unwrap().starts_with("\"photos/B, the second.JPG\",64,"), "{csv}");
    assert!(lines.next().unwrap().starts_with("photos/a.png,64,") && lines.next().is_none(), "{csv}");
}

#[test]
fn several_files_are_a_line_of_json_each_with_overlays_in_a_folder() {
    let dir = photos();
    fs::copy(dir.path().join("photos/a.png"), dir.path().join("a.gif")).unwrap();
    let args = ["analyze", "photos/a.png", "a.gif", "--json", "--out", "overlays", "--threshold", "3"];
    let (out, _) = fine(&dir, &args);
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (one, _) = fine(&dir, &["analyze", "a.gif", "--json", "--threshold", "3"]);
    let one: Value = serde_json::from_str(&one).unwrap();
    for row in &rows {
        for key in ["patches", "mean_entropy", "average_patch_length", "psnr_db"] {
            assert_eq!(row[key], one[key], "{key}");
        }
        assert_eq!((&row["steps"], &row["tokens"]), (&one["patches"], &64.into()));
    }
    // Two of one name do not overwrite each other.
    assert_eq!(rows[0]["overlay"], "overlays/a-overlay.png");
    assert_eq!(rows[1]["overlay"], "overlays/a-overlay-2.png");
    assert!(size(&dir, "overlays/a-overlay-2.png").0 > 1000);
    refused(&dir, &["analyze", "photos/a.png", "a.gif", "--out", "a.json"], 2, "one file for several pictures");
    refused(&dir, &["analyze", "photos/a.png", "a.gif", "--overlay", "o.png"], 2, "one file for several pictures");
    refused(&dir, &["analyze", "photos/a.png", "a.gif", "--out", "photos/notes.txt"], 1, "it is a file");
}

#[test]
fn an_overlay_without_a_name_is_named_after_the_picture() {
    let dir = photos();
    fine(&dir, &["analyze", "photos/a.png", "--overlay"]);
    assert!(size(&dir, "photos/a-overlay.png").0 > 1000);
    fs::write(dir.path().join("photos/a-overlay.png"), b"mine").unwrap();
    let (out, err) = fine(&dir, &["analyze", "photos/a.png", "--overlay"]);
    assert!(out.contains("photos/a-overlay-2.png") && err.contains("is there already"), "{out}{err}");
    assert_eq!(fs::read(dir.path().join("photos/a-overlay.png")).unwrap(), b"mine");
    // A folder's second look is not one at what the first has made.
    fs::remove_file(dir.path().join("photos/bad.jfif")).unwrap();
    fs::remove_file(dir.path().join("photos/a-overlay.png")).unwrap();
    let (rows, said) = fine(&dir, &["analyze", "photos"]);
    assert_eq!(
        (rows.lines().count(), said.as_str()),
        (3, "note: photos: left out what --overlay has made: 1 picture\n")
    );
}

#[test]
fn a_picture_after_overlay_is_not_overwritten() {
    let dir = photos();
    let picture = dir.path().join("mine.png");
    image::RgbImage::new(8, 8).save(&picture).unwrap();
    let before = fs::read(&picture).unwrap();
    refused(&dir, &["analyze", "--overlay", "mine.png"], 2, "no picture is named: `dpar analyze mine.png --overlay`");
    refused(&dir, &["analyze", "--overlay"], 2, "no picture is named: `dpar analyze photo.png --overlay`");
    let twice = ["analyze", "--overlay", "mine.png", "photos/a.png"];
    refused(&dir, &twice, 2, "that picture is not one of dpar's");
    assert_eq!(fs::read(&picture).unwrap(), before);
    // What it has written itself it writes again.
    for _ in 0..2 {
        fine(&dir, &["analyze", "photos/a.png", "--overlay", "o.png"]);
    }
}

#[test]
fn json_is_not_written_into_a_file_that_is_called_a_picture() {
    let dir = photos();
    refused(&dir, &["analyze", "photos/a.png", "--out", "x.png"], 2, "x.png: this output is JSON, not a picture");
    refused(&dir, &["analyze", "photos/a.png", "--out", "x.PNG"], 2, "--overlay x.PNG");
    refused(&dir, &["generate", "--out", "p.png", "--trace", "t.png"], 2, "t.png: this output is JSON");
    assert_eq!(names(&dir), ["photos"]);
}
