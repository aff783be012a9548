use super::*;
use crate::checkpoint::config::Generator;
use crate::engine::{Layout, build};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");

type Found = std::result::Result<Cow<'static, [u8]>, (String, String)>;

/// The small model's folder, with `change` made to the files that are read.
fn reader(change: impl Fn(&str, &mut Vec<u8>)) -> impl Fn(&str) -> Found {
    move |name| {
        let mut bytes = std::fs::read(Path::new(TINY).join(name)).unwrap();
        change(name, &mut bytes);
        Ok(Cow::Owned(bytes))
    }
}

/// Flips the last bit of the last weight.
fn flip(bytes: &mut [u8]) {
    if let Some(last) = bytes.len().checked_sub(2) {
        bytes[last] ^= 1;
    }
}

/// The hash of the small model with one bit of `file` turned, and its config made by `config`.
fn hash(file: &'static str, config: fn(&mut serde_json::Value)) -> String {
    let read = reader(move |name, bytes| {
        if name == file {
            flip(bytes);
        }
        if name == "config.json" {
            let mut value = serde_json::from_slice(bytes).unwrap();
            config(&mut value);
            *bytes = value.to_string().into_bytes();
        }
    });
    ModelFiles::load("tiny", read).unwrap().hash
}

#[test]
fn the_hash_covers_what_the_model_draws_with() {
    let dpar = |file| hash(file, |_| ());
    assert_eq!(dpar("baseline.safetensors"), dpar(""), "the baseline may come later");
    for file in ["vq.safetensors", "entropy.safetensors", "dpar.safetensors"] {
        assert_ne!(dpar(file), dpar(""), "{file}");
    }
    let plain = |file| {
        hash(file, |config| {
            config["dpar"] = serde_json::Value::Null;
            config["entropy"] = serde_json::Value::Null;
        })
    };
    for file in ["vq.safetensors", "baseline.safetensors"] {
        assert_ne!(plain(file), plain(""), "{file}");
    }
    assert_eq!(plain("dpar.safetensors"), plain(""));
    assert_eq!((dpar("").len(), dpar("").chars().all(|c| c.is_ascii_hexdigit())), (16, true));
}

#[test]
fn the_baseline_can_come_later() {
    let all = ModelFiles::load_dir(Path::new(TINY)).unwrap();
    let missing = |name: &str| match name {
        "baseline.safetensors" => Err((name.to_owned(), "it is not there yet".to_owned())),
        name => reader(|_, _| ())(name),
    };
    assert!(ModelFiles::load("tiny", missing).unwrap_err().to_string().contains("it is not there yet"));
    let mut files = ModelFiles::load_some("tiny", missing, Later::Baseline).unwrap();
    assert!(files.baseline.is_none() && files.awaits_baseline() && !all.awaits_baseline());
    assert_eq!(files.hash, all.hash);
    build(&files, Generator::Dpar, Layout::CPU).unwrap();
    let e = build(&files, Generator::Baseline, Layout::CPU).unwrap_err().to_string();
    assert!(e.contains("`baseline`") && e.contains("not loaded yet"), "{e}");

    let whole = std::fs::read(Path::new(TINY).join("baseline.safetensors")).unwrap();
    let e = files.add_baseline(whole[..whole.len() / 2].to_vec()).unwrap_err().to_string();
    assert!(e.starts_with("tiny/baseline.safetensors: is cut short: "), "{e}");
    assert!(files.awaits_baseline());
    files.add_baseline(whole).unwrap();
    assert!(!files.awaits_baseline());
    build(&files, Generator::Baseline, Layout::CPU).unwrap();
}

#[test]
fn a_folder_without_dpar_needs_its_baseline_now() {
    let read = |name: &str| match name {
        "config.json" => {
            let json = std::fs::read(Path::new(TINY).join(name)).unwrap();
            let mut value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            value["dpar"] = serde_json::Value::Null;
            Ok(Cow::Owned(value.to_string().into_bytes()))
        }
        "baseline.safetensors" => Err((name.to_owned(), "it is not there".to_owned())),
        name => reader(|_, _| ())(name),
    };
    let e = ModelFiles::load_some("tiny", read, Later::Baseline).unwrap_err().to_string();
    assert!(e.contains("it is not there"), "{e}");
}

/// Whoever copies the folder can check it, with the program `sha256sum` or by eye.
#[test]
fn the_built_in_folder_is_what_its_sums_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/model");
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 5);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let found: String =
            Sha256::digest(std::fs::read(folder.join(name)).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(found, sum, "{name}");
    }
}

#[test]
fn a_folder_of_another_form_is_refused_by_name() {
    let said = ModelConfig::parse(br#"{"version": 7}"#, "config.json").unwrap_err().to_string();
    assert_eq!(
        said,
        "config.json: is a model config of version 7; this program reads version 1: a newer one may read it"
    );
}

#[test]
fn git_and_editors_leave_the_model_the_same() {
    let changed = |change: fn(&str) -> Vec<u8>| {
        let read = reader(move |name, bytes| {
            if name == "config.json" {
                *bytes = change(&String::from_utf8(bytes.clone()).unwrap());
            }
        });
        ModelFiles::load("tiny", read)
    };
    let plain = changed(|text| text.into()).unwrap();
    assert!(plain.notes.is_empty(), "{:?}", plain.notes);
    let windows = changed(|text| format!("\u{FEFF}{}", text.replace('\n', "\r\n")).into()).unwrap();
    assert_eq!((windows.hash, windows.config), (plain.hash, plain.config));
    let misspelt = changed(|text| {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["sampling"] = serde_json::json!({"topp": 0.5});
        value.to_string().into()
    })
    .unwrap();
    assert_eq!(
        misspelt.notes,
        ["tiny/config.json: `sampling.topp` is not known and counts for nothing; `top_p` is meant, perhaps"]
    );
    let utf16 = changed(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()).unwrap_err().to_string();
    assert_eq!(utf16, "tiny/config.json: is text in UTF-16: save it as UTF-8");
}

/// A file with a header of our own before `data` bytes of nothing.
fn weights(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn what_comes_in_the_place_of_weights_is_named() {
    let one = r#""a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}"#;
    for (bytes, says) in [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n".to_vec(),
            "is a git-LFS pointer, not the weights themselves: run `git lfs pull` in its folder",
        ),
        (b"\n<!DOCTYPE html><html><title>Not found</title>".to_vec(), "is a web page"),
        (b"<html>".to_vec(), "is a web page"),
        (b"PK\x03\x04 archive/data.pkl".to_vec(), "is a PyTorch file"),
        (b"{\"error\": \"gone\"}".to_vec(), "is JSON, not weights"),
        (Vec::new(), "is only 0 bytes long"),
        (vec![9; 64], "is no safetensors file"),
        (
            weights(&format!(r#"{{"__metadata__": {{"format": "pt", "step": 4000}}, {one}}}"#), 4),
            "has a number as `step`",
        ),
        (weights(&format!("{{{one}, {one}}}"), 4), "has two tensors of the name `a`"),
        (weights(&format!("{{{one}}}"), 3), "is cut short: 72 of 73 bytes are there"),
        (weights(&format!("{{{one}}}"), 0)[..20].to_vec(), "is cut short: its header has"),
    ] {
        let e = Checkpoint::open("dpar.safetensors", bytes.clone(), &[]).unwrap_err().to_string();
        assert!(e.starts_with(&format!("dpar.safetensors: {says}")) && e.lines().count() == 1, "{says}: {e}");
    }
    assert!(Checkpoint::open("x", weights(&format!("{{{one}}}"), 4), &[("a".into(), vec![1])]).is_ok());
}
