//! Pictures that say how they were drawn, and the links in them.

use std::fs;

use tempfile::tempdir;

use crate::{fine, refused};

#[test]
fn a_picture_is_drawn_again_from_its_own_file() {
    let dir = tempdir().unwrap();
    let [first, again] = ["a.png", "b.png"].map(|name| dir.path().join(name));
    fine(&dir, &["generate", "--class", "3", "--seed", "9", "--threshold", "2.5", "-o", "a.png", "--overlay", "o.png"]);
    for source in ["a.png", "o.png"] {
        let (said, notes) = fine(&dir, &["generate", "--link", source, "-o", "b.png"]);
        assert!(said.contains("sum=") && !notes.contains("not quite"), "{said}{notes}");
        assert_eq!(fs::read(&first).unwrap(), fs::read(&again).unwrap(), "pixels, and what is said of them");
    }
    // On standard input too, and of a grid the first.
    fine(&dir, &["generate", "--class", "3", "--seed", "9", "--threshold", "2.5", "--count", "3", "-o", "grid.png"]);
    let (_, notes) = fine(&dir, &["generate", "--link", "grid.png", "-o", "b.png"]);
    assert!(notes.contains("grid.png shows 3 pictures: this is the first"), "{notes}");
    assert_eq!(fs::read(&first).unwrap(), fs::read(&again).unwrap());

    let plain = image::RgbImage::new(4, 4);
    plain.save(dir.path().join("plain.png")).unwrap();
    refused(&dir, &["generate", "--link", "plain.png"], 2, "plain.png does not say how it was drawn");
    refused(&dir, &["generate", "--link", "missing.png"], 2, "missing.png cannot be read");
}

#[test]
fn a_completed_picture_says_nothing_of_the_image_it_keeps() {
    let dir = tempdir().unwrap();
    image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([x as u8 * 6, y as u8 * 6, 9]))
        .save(dir.path().join("p.png"))
        .unwrap();
    fine(&dir, &["generate", "--complete", "p.png", "--keep-rows", "4", "-o", "c.png"]);
    let file = fs::read(dir.path().join("c.png")).unwrap();
    let holds = |text: &[u8]| file.windows(text.len()).any(|part| part == text);
    assert!(holds(b"link: #class=") && !holds(b"given=") && holds(b"left out: 32 tokens that were kept of an image"));
    let (_, notes) = fine(&dir, &["generate", "--link", "c.png", "-o", "other.png"]);
    assert!(
        notes.contains("c.png does not hold the 32 tokens that it kept of an image (--share-kept): another"),
        "{notes}"
    );

    // Who says so shares it, and then the picture is drawn again as it is.
    let shared = ["generate", "--complete", "p.png", "--keep-rows", "4", "--share-kept", "-o", "s.png"];
    let (card, _) = fine(&dir, &shared);
    assert!(card.contains("&given=0:"), "{card}");
    let (_, notes) = fine(&dir, &["generate", "--link", "s.png", "-o", "again.png"]);
    assert_eq!(notes, "");
    let pixels = |name| image::open(dir.path().join(name)).unwrap().to_rgb8();
    assert!(pixels("again.png") == pixels("c.png") && pixels("other.png") != pixels("c.png"));
    refused(&dir, &["generate", "--share-kept"], 2, "--complete");
}
