use image::{Rgb, RgbImage};

use super::contact_sheet::MAX_SHEET;
use super::legend::TITLE;
use super::overlay::MARGIN;
use super::palette::BACKGROUND;
use super::*;
use crate::patching::{Mode, PatchRule};

fn entropies(tokens: usize) -> Vec<f32> {
    (0..tokens).map(|i| (i * 7 % 13) as f32 / 2.0).collect()
}

fn sheet(rule: PatchRule, f: u32, drawn: usize, labels: &[(&str, String)]) -> RgbImage {
    let picture = RgbImage::from_fn(rule.grid * f, rule.grid * f, |x, y| Rgb([x as u8, y as u8, 128]));
    let nats = entropies(drawn);
    let patches = rule.patches(&nats);
    overlay(&OverlayInput { picture: &picture, entropies: &nats, patches: &patches, rule: &rule, vocab: 1024, labels })
        .unwrap()
}

fn rule(grid: u32, max_patch_length: u32, mode: Mode) -> PatchRule {
    PatchRule { mode, threshold: 3.0, max_patch_length, grid }
}

#[test]
fn every_supported_layout_draws_with_clean_margins() {
    let long = [("class", "a-very-long-class-name-".repeat(30)), ("seed", u64::MAX.to_string())];
    for (grid, f, most, mode, drawn) in [
        (4, 2, 0, Mode::Entropy, 16),
        (4, 16, 4, Mode::EntropyRowBoundary, 0),
        (17, 8, 16, Mode::Static, 200),
        (16, 4, 0, Mode::Token, 256),
        (64, 2, 0, Mode::Entropy, 4096),
        (64, 16, 6, Mode::EntropyRowBoundary, 4095),
    ] {
        let image = sheet(rule(grid, most, mode), f, drawn, &long);
        let (w, h) = image.dimensions();
        assert!(w > 3 * 768 && h > 768);
        // Nothing runs over the sheet's edge: half the margin is background all around.
        let edge = MARGIN / 2;
        let inside = |x: u32, y: u32| (edge..w - edge).contains(&x) && (edge..h - edge).contains(&y);
        let stray = image.enumerate_pixels().find(|(x, y, p)| !inside(*x, *y) && **p != BACKGROUND);
        assert!(stray.is_none(), "grid {grid}: {stray:?}");
    }
}

#[test]
fn the_picture_is_shown_pixel_for_pixel() {
    let image = sheet(rule(16, 4, Mode::Entropy), 4, 256, &[]);
    let top = MARGIN + TITLE as u32 + 14;
    for (x, y) in [(0, 0), (63, 0), (20, 41), (63, 63)] {
        assert_eq!(*image.get_pixel(MARGIN + x * 12 + 6, top + y * 12 + 6), Rgb([x as u8, y as u8, 128]));
    }
}

#[test]
fn more_entropies_than_tokens_and_impossible_numbers_are_harmless() {
    let rule = rule(4, 4, Mode::Entropy);
    let nats = [f32::NAN, f32::INFINITY, -1.0, 1e30].repeat(9);
    let patches = rule.patches(&nats);
    let picture = RgbImage::new(33, 21);
    let input =
        OverlayInput { picture: &picture, entropies: &nats, patches: &patches, rule: &rule, vocab: 0, labels: &[] };
    assert!(overlay(&input).is_ok());
    assert!(overlay(&OverlayInput { picture: &RgbImage::new(0, 0), ..input }).is_err());
    assert!(overlay(&OverlayInput { rule: &PatchRule { grid: u32::MAX, ..rule }, ..input }).is_err());
    for threshold in [-1.0, 99.0, f32::MAX] {
        assert!(overlay(&OverlayInput { rule: &PatchRule { threshold, ..rule }, ..input }).is_ok());
    }
}

#[test]
fn contact_sheet_places_pictures_in_rows() {
    let pictures: Vec<RgbImage> = (1..=5u8).map(|n| RgbImage::from_pixel(4, 4, Rgb([n * 50, 0, 0]))).collect();
    let sheet = contact_sheet(&pictures, 3, 2, 3);
    assert_eq!(sheet.dimensions(), (3 * 8 + 4 * 3, 2 * 8 + 3 * 3));
    assert_eq!(sheet.get_pixel(3, 3).0, [50, 0, 0]);
    assert_eq!(sheet.get_pixel(3 + 11 + 7, 3 + 11 + 7).0, [250, 0, 0]);
    assert_eq!(*sheet.get_pixel(2, 2), BACKGROUND);
    assert_eq!(*sheet.get_pixel(3 + 22, 3 + 11), BACKGROUND, "the sixth place is empty");
    assert_eq!(contact_sheet(&pictures, 0, 1, 0).dimensions(), (12, 8));
}

#[test]
fn contact_sheet_survives_absurd_requests() {
    assert_eq!(contact_sheet(&[], 0, 5, 2).dimensions(), (9, 9));
    let one = [RgbImage::new(64, 1)];
    assert_eq!(contact_sheet(&one, usize::MAX, u32::MAX, u32::MAX).dimensions(), (MAX_SHEET + 2, MAX_SHEET / 64 + 2));
}

#[test]
fn png_files_come_back_as_they_were() {
    let picture = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 9]));
    let png = png_bytes(&picture).unwrap();
    assert_eq!(image::load_from_memory(&png).unwrap().to_rgb8(), picture);
    assert_eq!(Provenance::read(&png), None);
}

#[test]
fn a_picture_says_how_it_was_drawn() {
    let picture = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 9]));
    let links = vec!["#class=red%20apple&seed=7&sum=01234567".to_owned(), "#class=owl&seed=8".to_owned()];
    let drawn = Provenance { links, left_out: 0, model: "425666876f891ced".into() };
    let png = png_with(&picture, &drawn).unwrap();
    assert_eq!(image::load_from_memory(&png).unwrap().to_rgb8(), picture);
    assert_eq!(Provenance::read(&png).as_ref(), Some(&drawn));
    let completed = Provenance { left_out: 96, ..drawn };
    assert_eq!(Provenance::read(&png_with(&picture, &completed).unwrap()), Some(completed));
    let looked_at = png_with(&picture, &Provenance::without_link("425666876f891ced")).unwrap();
    assert!(Provenance::read(&looked_at).is_none() && Provenance::is_ours(&looked_at) && Provenance::is_ours(&png));
    assert!(!Provenance::is_ours(&png_bytes(&picture).unwrap()));
    let text =
        b"link: #class=red%20apple&seed=7&sum=01234567\nlink: #class=owl&seed=8\nmodel: 425666876f891ced\nversion: ";
    assert!(png.windows(text.len()).any(|part| part == text), "other programs read it too");
    // Of what is cut, changed or no PNG, nothing is believed, and nothing panics.
    for end in 0..png.len() {
        let _ = Provenance::read(&png[..end]);
    }
    assert_eq!(Provenance::read(b"link: #class=owl"), None);
    assert_eq!(Provenance::read(&png[..40]), None);
}

#[test]
fn frames_show_what_is_drawn_and_nothing_else() {
    let rule = rule(8, 4, Mode::EntropyRowBoundary);
    let patches = rule.patches(&entropies(64));
    let picture = RgbImage::from_pixel(32, 32, Rgb([200, 100, 50]));
    let plain = FrameInput { picture: &picture, patches: None, rule: &rule, drawn: 64 };
    assert_eq!(frame(&plain, 20).unwrap(), RgbImage::from_pixel(160, 160, Rgb([200, 100, 50])));
    let half = frame(&FrameInput { patches: Some(&patches), drawn: 29, ..plain }, 20).unwrap();
    let light = |image: &RgbImage| image.pixels().filter(|p| p.0 == [255; 3]).count();
    // Row 3, columns 0 to 4 are drawn: tokens 24 to 28. What follows does not depend on the picture.
    let other = RgbImage::from_pixel(32, 32, Rgb([0, 0, 255]));
    let elsewhere = frame(&FrameInput { picture: &other, patches: Some(&patches), drawn: 29, ..plain }, 20).unwrap();
    let same = |x: u32, y: u32| half.get_pixel(x, y) == elsewhere.get_pixel(x, y);
    assert!(same(5 * 20 + 10, 3 * 20 + 10) && same(10, 4 * 20 + 10) && !same(4 * 20 + 10, 3 * 20 + 10));
    assert!(light(&half) > 0, "the newest patch is marked");
    assert_eq!(light(&frame(&FrameInput { patches: Some(&patches), ..plain }, 20).unwrap()), 0);
    assert!(frame(&plain, 0).is_err());
    assert!(frame(&FrameInput { picture: &RgbImage::new(0, 0), ..plain }, 20).is_err());
}
