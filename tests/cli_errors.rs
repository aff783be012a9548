//! Everything the `dpar` program refuses: exit code 2 for bad input, 1 for the rest; one line, no panic, no file.

#![allow(clippy::unwrap_used, reason = "a test helper that unwraps fails with the right line")]

mod cli_common;

use std::fs;
use std::path::Path;

use cli_common::{TINY, dpar, ok, text};
use tempfile::{TempDir, tempdir};

/// Runs `args` in a folder and expects `code` and one line that contains `says`, and the folder as it was.
fn refused(dir: &TempDir, args: &[&str], code: i32, says: &str) {
    let before = listing(dir.path());
    let run = dpar(dir).args(args).assert();
    let out = run.get_output();
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{args:?}: {said}");
    assert!(said.contains(says), "{args:?}: {said}");
    assert!(!said.contains("panick") && !said.contains("internal error"), "{args:?}: {said}");
    assert_eq!(text(&out.stdout), "", "{args:?}");
    assert_eq!(listing(dir.path()), before, "{args:?} left something");
}

/// Every file below a folder, with its size.
fn listing(dir: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            files.extend(listing(&entry.path()));
        } else {
            files.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
        }
    }
    files.sort();
    files
}

fn generate(dir: &TempDir, args: &[&str], code: i32, says: &str) {
    let mut all = vec!["generate", "--model", TINY, "--device", "cpu"];
    all.extend(args);
    refused(dir, &all, code, says);
}

#[test]
fn numbers() {
    let dir = tempdir().unwrap();
    for (args, says) in [
        (
            &["--threshold", "nan"] as &[&str],
            "invalid value 'nan' for '--threshold <NATS>': it must be a number, for instance 1.5",
        ),
        (&["--threshold", "inf"], "must be a number"),
        (&["--threshold=-inf"], "must be a number"),
        (&["--threshold", "1e999"], "must be a number"),
        (&["--threshold", "high"], "invalid value 'high' for '--threshold <NATS>'"),
        (&["--temperature", "-1"], "temperature -1 is out of range"),
        (&["--temperature", "nan"], "must be a number"),
        (&["--temperature", "1e-30"], "too small"),
        (&["--top-p", "2"], "top-p 2 is out of range"),
        (&["--top-p", "-0.5"], "top-p -0.5 is out of range"),
        (&["--top-k", "-1"], "must be a whole number from 0 to 4294967295"),
        (&["--cfg", "nan"], "must be a number"),
        (&["--cfg", "1e30"], "out of range"),
        (&["--p-max", "-4"], "invalid value '-4' for '--p-max <N>'"),
        (&["--p-max", "0", "--mode", "static"], "mode static needs a patch length"),
        (&["--mode", "often"], "possible values: token, static, entropy, entropy_row_boundary"),
        (&["--count", "0"], "0 is not in 1..=1024"),
        (&["--count", "1025"], "1025 is not in 1..=1024"),
        (&["--seed", "4294967296"], "must be a whole number from 0 to 4294967295, or random"),
        (&["--seed", "-1"], "must be a whole number from 0 to 4294967295, or random"),
        (&["--scale", "0"], "0 is not in 1..=64"),
    ] {
        generate(&dir, args, 2, says);
    }
}

#[test]
fn usage() {
    let dir = tempdir().unwrap();
    generate(&dir, &["--sede", "3"], 2, "unexpected argument '--sede' found; a similar argument exists: '--seed'");
    generate(&dir, &["--baseline", "--threshold", "3"], 2, "cannot be used with");
    generate(&dir, &["--baseline", "--overlay", "o.png"], 2, "the fixed-length baseline has neither");
    generate(&dir, &["--keep-rows", "3"], 2, "--complete <IMAGE>");
    refused(&dir, &["draw"], 2, "unrecognized subcommand 'draw'");
    refused(&dir, &["analyze"], 2, "<IMAGE>");
    refused(&dir, &["generate", "--device", "tpu"], 2, "possible values: auto, gpu, cpu");
}

#[test]
fn links() {
    let dir = tempdir().unwrap();
    generate(&dir, &["--link", "#seed=many"], 2, "the link's \"seed\" is \"many\": it must be a whole number");
    generate(&dir, &["--link", "https://example.org/"], 2, "copy the whole address");
    generate(&dir, &["--link", "#class=99"], 2, "the link cannot be drawn: class 99 does not exist");
    generate(&dir, &["--link", "#class=1", "--seed", "2"], 2, "cannot be used with");
    generate(&dir, &["--link", "#class=1", "--cfg", "2"], 2, "cannot be used with");
    generate(&dir, &["--link", "#gen=baseline", "--overlay"], 2, "the fixed-length baseline has neither");
    generate(&dir, &["--details"], 2, "--trace");
    generate(&dir, &["--animation", "a.png"], 2, "a.png: animations are written as GIF only");
    generate(&dir, &["--animation", "missing/a.gif"], 1, "its folder does not exist");
    let place = ["--model", TINY, "--device", "cpu"];
    refused(&dir, &[&["record", "--class", "cat"], &place as &[_]].concat(), 2, "this model names no classes");
    refused(&dir, &[&["looks", "--out", "l.jpg"], &place as &[_]].concat(), 2, "pictures are written as PNG only");
    refused(&dir, &[&["thumbnails", "--out", "missing/h.png"], &place as &[_]].concat(), 1, "folder does not exist");
}

#[test]
fn classes() {
    let dir = tempdir().unwrap();
    generate(&dir, &["--class", "10"], 2, "class 10 does not exist: this model has 0 to 9");
    generate(
        &dir,
        &["--class", "-1"],
        2,
        "nothing is called '-1': this model names no classes, give a number from 0 to 9",
    );
    generate(&dir, &["--class", "99999999999999999999999"], 2, "does not exist");
    generate(&dir, &["--class", "cat"], 2, "this model names no classes");
    generate(&dir, &["--class", "1 + "], 2, "'1 + ' has nothing beside a '+'");
    refused(&dir, &["generate", "--class", "apple"], 2, "nothing is called 'apple'; nearest: red apple, green apple,");
}

#[test]
fn outputs() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("folder.png")).unwrap();
    fs::write(dir.path().join("old.png"), b"precious").unwrap();
    for flag in ["--out", "--overlay"] {
        generate(&dir, &[flag, "missing/a.png"], 1, "missing/a.png: cannot be written: its folder does not exist");
        generate(&dir, &[flag, "folder.png"], 1, "folder.png: cannot be written: it is a folder");
        generate(&dir, &[flag, "old.png/a.png"], 1, "old.png/a.png: cannot be written");
        generate(&dir, &[flag, "a.jpg"], 2, "a.jpg: pictures are written as PNG only");
    }
    generate(&dir, &["--trace", "missing/t.json"], 1, "its folder does not exist");
    generate(&dir, &["--out", "a.png", "--overlay", "a.png"], 2, "a.png is named twice");
    generate(&dir, &["--out", "a.png", "--overlay", "./a.png"], 2, "./a.png is named twice");
    generate(&dir, &["--complete", "old.png", "--keep-rows", "2", "--out", "./old.png"], 2, "old.png is named twice");
    generate(&dir, &["--out", ""], 2, "a value is required for '--out <FILE>'");
    // A refusal leaves what was there.
    generate(&dir, &["--out", "old.png", "--threshold", "nan"], 2, "threshold");
    assert_eq!(fs::read(dir.path().join("old.png")).unwrap(), b"precious");
    refused(&dir, &["analyze", "old.png", "--out", "missing/a.json"], 1, "its folder does not exist");
}

/// A copy of the small model, with one file changed.
fn model(dir: &TempDir, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let to = dir.path().join("model");
    fs::create_dir_all(&to).unwrap();
    for name in ["config.json", "vq.safetensors", "entropy.safetensors", "dpar.safetensors", "baseline.safetensors"] {
        fs::copy(Path::new(TINY).join(name), to.join(name)).unwrap();
    }
    let mut bytes = fs::read(to.join(file)).unwrap();
    change(&mut bytes);
    fs::write(to.join(file), bytes).unwrap();
    to.display().to_string()
}

/// Expects that both a drawing and a model card are refused.
fn model_refused(dir: &TempDir, folder: &str, says: &str) {
    refused(dir, &["generate", "--device", "cpu", "--model", folder], 2, says);
    refused(dir, &["info", "--model", folder], 2, says);
}

/// A .safetensors file: the header's length, the header, some data.
fn safetensors(length: u64, header: &str, data: usize) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn model_folders() {
    let dir = tempdir().unwrap();
    model_refused(&dir, "nowhere", "nowhere/config.json: cannot be read");
    fs::create_dir(dir.path().join("empty")).unwrap();
    model_refused(&dir, "empty", "empty/config.json: cannot be read");
    for broken in ["", "{", "[]", "null", "{\"vq\": 3}", "\u{0}\u{1}"] {
        let folder = model(&dir, "config.json", |b| *b = broken.into());
        model_refused(&dir, &folder, "config.json: is not a model config");
    }
    let replace = |from: &'static str, to: &'static str| {
        move |b: &mut Vec<u8>| *b = String::from_utf8(std::mem::take(b)).unwrap().replacen(from, to, 1).into_bytes()
    };
    for (from, to, says) in [
        ("\"dim\": 32", "\"dim\": 64", "its config.json asks for"),
        ("\"grid_size\": 8", "\"grid_size\": 16", "grid_size"),
        ("\"n_layer\": 2", "\"n_layer\": 3", "has no tensor `layers.2."),
        ("\"n_layer\": 2", "\"n_layer\": 1000000000000", "`entropy.n_layer` is 1000000000000"),
        ("\"n_layer\": 2", "\"n_layer\": -2", "is not a model config"),
        ("\"n_head\": 2", "\"n_head\": 0", "`entropy.n_head` is 0"),
        ("\"codebook_size\": 64", "\"codebook_size\": 128", "vocab_size"),
    ] {
        let folder = model(&dir, "config.json", replace(from, to));
        model_refused(&dir, &folder, says);
    }
    let folder = model(&dir, "config.json", |_| ());
    fs::remove_file(Path::new(&folder).join("dpar.safetensors")).unwrap();
    model_refused(&dir, &folder, "dpar.safetensors: cannot be read");
}

#[test]
fn weights() {
    let dir = tempdir().unwrap();
    for file in ["vq.safetensors", "dpar.safetensors"] {
        for (keep, says) in [(0, "is only 0 bytes"), (7, "is only 7"), (8, "is cut short"), (100, "is cut short")] {
            let folder = model(&dir, file, |b| b.truncate(keep));
            model_refused(&dir, &folder, &format!("{file}: {says}"));
        }
        let cut = model(&dir, file, |b| b.truncate(b.len() - 1));
        model_refused(&dir, &cut, &format!("{file}: is cut short"));
    }
    let overlap = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let huge = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#;
    let back = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#;
    let damaged = "is not a whole safetensors file";
    for (hostile, says) in [
        (safetensors(u64::MAX, "{}", 8), "is no safetensors file"),
        (safetensors(1 << 40, "{}", 8), "is no safetensors file"),
        (safetensors(overlap.len() as u64, overlap, 12), damaged),
        (safetensors(huge.len() as u64, huge, 8), damaged),
        (safetensors(back.len() as u64, back, 8), damaged),
        (safetensors(2, "[]", 8), damaged),
        (vec![b'{'; 4096], "is JSON"),
    ] {
        let folder = model(&dir, "entropy.safetensors", |b| *b = hostile);
        model_refused(&dir, &folder, &format!("entropy.safetensors: {says}"));
    }
    let empty = model(&dir, "vq.safetensors", |b| *b = safetensors(2, "{}", 0));
    model_refused(&dir, &empty, "has no tensor");
    // As many bytes a value as before, so that only the type is wrong.
    let typed = model(&dir, "vq.safetensors", |b| {
        let at = b.windows(3).position(|w| w == b"F32" || w == b"F16").unwrap();
        b[at] = b'I';
    });
    model_refused(&dir, &typed, "f32, f16, bf16 and int8 with scales are supported");
}

#[test]
fn weights_that_are_not_numbers() {
    let dir = tempdir().unwrap();
    for (file, baseline) in [
        ("vq.safetensors", false),
        ("entropy.safetensors", false),
        ("dpar.safetensors", false),
        ("baseline.safetensors", true),
    ] {
        // The last bytes belong to the last tensor, whatever the type: 0x7fff is NaN as f16, bf16 and the top of f32.
        let folder = model(&dir, file, |b| {
            let end = b.len();
            b[end - 2..].copy_from_slice(&[0xff, 0x7f]);
        });
        let mut args = vec!["generate", "--device", "cpu", "--model", &folder];
        args.extend(baseline.then_some("--baseline"));
        refused(&dir, &args, 2, "the weights are damaged");
    }
}

#[test]
fn pictures() {
    let dir = tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(90, 70, |x, y| image::Rgb([x as u8, y as u8, 7]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let png = png.into_inner();
    file("empty.png", b"");
    file("words.png", b"this is no picture");
    file("cut.png", &png[..png.len() / 2]);
    file("head.png", &png[..20]);
    file("jpeg.jpg", &[0xff, 0xd8, 0xff, 0xe0, 0, 16, 1, 2, 3]);
    file("photo.tiff", b"II*\0\x08\0\0\0\0\0\0\0\0\0");
    file("wide.png", &resized(&png, 20_000, 4));
    file("vast.png", &resized(&png, 16_000, 16_000));
    file("absurd.png", &resized(&png, i32::MAX as u32, i32::MAX as u32));
    fs::create_dir(dir.path().join("folder.png")).unwrap();
    for (name, says) in [
        ("missing.png", "missing.png: cannot be read"),
        ("folder.png", "folder.png: is a folder"),
        ("empty.png", "empty.png: is empty"),
        ("words.png", "words.png: is not a picture this program reads (PNG, JPEG, WebP, GIF, BMP)"),
        ("cut.png", "cut.png: is damaged or cut short"),
        ("head.png", "head.png: is damaged or cut short"),
        ("jpeg.jpg", "jpeg.jpg: is damaged or cut short"),
        ("photo.tiff", "photo.tiff: is a TIFF or a camera's raw picture, which is not read: convert it to PNG or JPEG"),
        ("wide.png", "wide.png: is 20000 x 4 pixels: at most 16384 a side"),
        ("vast.png", "vast.png: is 16000 x 16000 pixels"),
        ("absurd.png", "absurd.png: is too large to decode: at most 16384 a side"),
    ] {
        let place = ["--model", TINY, "--device", "cpu"];
        refused(&dir, &[&["analyze", name, "--overlay", "o.png"], &place as &[_]].concat(), 2, says);
        generate(&dir, &["--complete", name, "--keep-rows", "2"], 2, says);
    }
    // What is read in part is read, and said.
    file("half.jpg", include_bytes!("fixtures/pictures/half-then-end-marker.jpg"));
    let run = dpar(&dir).args(["analyze", "half.jpg", "--model", TINY, "--device", "cpu"]).assert().success();
    let said = text(&run.get_output().stderr);
    assert_eq!(said.trim(), "note: half.jpg: a part of the picture is missing: it is grey or blurred here");
    file("fine.png", &png);
    generate(&dir, &["--complete", "fine.png", "--keep-rows", "0"], 2, "--keep-rows 0 is out of range");
    generate(&dir, &["--complete", "fine.png", "--keep-rows", "9"], 2, "this model has 8 rows");
    generate(&dir, &["--complete", "fine.png", "--keep-rows", "-1"], 2, "invalid value '-1'");
    ok(&dir, &["analyze", "fine.png", "--model", TINY, "--device", "cpu"]);
}

/// A PNG that claims another size: the header's numbers and their checksum are replaced.
fn resized(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut png = png.to_vec();
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = !png[12..29].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    });
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

#[test]
fn traces() {
    let dir = tempdir().unwrap();
    let place = ["--model", TINY, "--device", "cpu"];
    ok(&dir, &[&["generate", "--trace", "t.json", "--out", "p.png"], &place as &[_]].concat());
    let json = fs::read_to_string(dir.path().join("t.json")).unwrap();
    let replay = |name: &str, text: &str, code: i32, says: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        refused(&dir, &[&["replay", name], &place as &[_]].concat(), code, says);
    };
    refused(&dir, &[&["replay", "missing.json"], &place as &[_]].concat(), 2, "missing.json: cannot be read");
    refused(&dir, &[&["replay", "."], &place as &[_]].concat(), 2, "cannot be read");
    replay("empty.json", "", 2, "empty.json: is not a trace");
    replay("cut.json", &json[..json.len() / 2], 2, "cut.json: is not a trace");
    replay("deep.json", &"[".repeat(100_000), 2, "deep.json: is not a trace");
    replay("none.json", "{\"runs\": []}", 2, "none.json: holds no runs");
    let edited = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}: {json}");
        json.replacen(from, to, 1)
    };
    replay("class.json", &edited("\"class\": 0", "\"class\": 11"), 2, "run 1: class 11 does not exist");
    replay("hot.json", &edited("\"temperature\": 1.0", "\"temperature\": -1.0"), 2, "temperature -1 is out of range");
    replay("seed.json", &edited("\"seed\": 1", "\"seed\": -1"), 2, "is not a trace");
    replay("long.json", &edited("\"tokens\": [", "\"tokens\": [1,"), 2, "run 1 has 65 tokens");
    replay("odd.json", &edited("\"starts\": [true, ", "\"starts\": ["), 2, "64 tokens but 63 starts");
    refused(&dir, &["replay", "t.json", "--device", "cpu"], 2, "was recorded with model");
    // Parsed, but of another model: forcing it runs into what the other model cannot draw, or draws something else.
    let forced = dpar(&dir).args(["replay", "t.json", "--device", "cpu", "--force"]).assert().code(1);
    assert!(text(&forced.get_output().stdout).contains("was drawn by another model: its first entropy is"));
}

#[test]
fn evaluation() {
    let dir = tempdir().unwrap();
    let held = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny/expected.safetensors");
    let eval = |args: &[&str], says: &str| {
        refused(&dir, &[&["eval"], args, &["--model", TINY, "--device", "cpu"]].concat(), 2, says);
    };
    eval(&["missing.safetensors"], "missing.safetensors: cannot be read");
    eval(&[concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], "is not a whole safetensors file");
    eval(&[concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny/vq.safetensors")], "has no tensor `classes`");
    eval(&[held, "--thresholds", "1,nan"], "threshold NaN is not a finite number");
    eval(&[held, "--limit", "0"], "invalid value '0'");
    eval(&[held, "--sample", "3"], "--out <FILE>");
    eval(&[held, "--sample", "3", "--out", "s", "--shard", "2/2"], "I/N with I from 0 to N - 1");
    eval(&[held, "--sample", "3", "--out", "s", "--temperature", "-1"], "temperature -1 is out of range");
    let lost = ["eval", held, "--model", TINY, "--device", "cpu", "--sample", "3", "--out", "no/such/s"];
    refused(&dir, &lost, 1, "cannot be written");
}
