use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::config::ModelConfig;
use super::stored::{StoredMatrix, WeightFormat};
use super::*;
use crate::checkpoint::config::Generator;
use crate::engine::{Layout, build};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");

type Found = Result<Cow<'static, [u8]>, (String, String)>;

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
    let mut files = ModelFiles::load_some("tiny", missing, Later::Rest).unwrap();
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
    let e = ModelFiles::load_some("tiny", read, Later::Rest).unwrap_err().to_string();
    assert!(e.contains("it is not there"), "{e}");
}

/// Whoever copies the folder can check it, with the program `sha256sum` or by eye.
#[test]
fn the_built_in_folder_is_what_its_sums_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/model");
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 6);
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

/// The small model's files in int8, by name.
fn in_int8() -> BTreeMap<String, Vec<u8>> {
    let files = ModelFiles::load_dir(Path::new(TINY)).unwrap().kept(Some(WeightFormat::Int8));
    let config = std::fs::read(Path::new(TINY).join("config.json")).unwrap();
    files.written().unwrap().into_iter().chain([("config.json".to_owned(), config)]).collect()
}

fn from_memory(files: &BTreeMap<String, Vec<u8>>) -> impl Fn(&str) -> Found {
    |name| {
        let there = files.get(name).map(|bytes| Cow::Owned(bytes.clone()));
        there.ok_or_else(|| (name.to_owned(), "it is not there".to_owned()))
    }
}

#[test]
fn what_is_written_in_int8_is_the_same_model_when_it_is_read() {
    let kept = ModelFiles::load_dir(Path::new(TINY)).unwrap().kept(Some(WeightFormat::Int8));
    let plain = ModelFiles::load_dir(Path::new(TINY)).unwrap();
    let files = in_int8();
    let read = ModelFiles::load("int8", from_memory(&files)).unwrap();
    let (a, b, c) = (kept.dpar.as_ref().unwrap(), read.dpar.as_ref().unwrap(), plain.dpar.as_ref().unwrap());
    for (name, shape) in dpar_tensors(read.config.dpar.as_ref().unwrap()) {
        assert_eq!(a.stored(&name).unwrap(), b.stored(&name).unwrap(), "{name}");
        let is_int8 = matches!(b.stored(&name).unwrap(), StoredMatrix::Int8 { .. });
        assert_eq!(is_int8, shape.len() == 2 && !name.contains("embedding"), "{name}");
        // Everything else is in f16.
        let off = |(a, b): (&f32, &f32)| (a - b).abs() > b.abs() / 1024.0;
        let (found, exact) = (b.f32(&name).unwrap(), c.f32(&name).unwrap());
        assert!(is_int8 || !found.iter().zip(&exact).any(off), "{name}");
    }
    assert_eq!(b.parameters(), c.parameters(), "scales are no parameters");
    assert!(b.byte_len() < c.byte_len() * 3 / 4);
    // Kept as it is stored it is itself; in other numbers it is another model.
    let named = |format| ModelFiles::load("int8", from_memory(&files)).unwrap().kept(format).hash;
    assert_eq!(named(Some(WeightFormat::Int8)), read.hash);
    assert_eq!(named(None), read.hash);
    assert_ne!(named(Some(WeightFormat::F16)), read.hash);
    assert_ne!(named(Some(WeightFormat::F32)), named(Some(WeightFormat::F16)));
    // The tokenizer is never changed, and comes in two files.
    let vq = |files: &ModelFiles, name: &str| files.encoder().unwrap().f32(name).unwrap();
    assert_eq!(vq(&read, "quant_conv.weight"), vq(&plain, "quant_conv.weight"));
    assert!(read.vq.shape("quant_conv.weight").is_err());
}

#[test]
fn the_encoder_can_come_later() {
    let mut files = in_int8();
    let encoder = files.remove("vq_encoder.safetensors").unwrap();
    let e = ModelFiles::load("int8", from_memory(&files)).unwrap_err().to_string();
    assert!(e.contains("vq_encoder.safetensors: cannot be read") && e.contains("vq.safetensors has no encoder"), "{e}");
    let without = ModelFiles::load_some("int8", from_memory(&files), Later::Rest).unwrap();
    assert!(without.encoder().is_none());
    let e = without.read_encoder(encoder[..encoder.len() / 2].to_vec()).unwrap_err().to_string();
    assert!(e.starts_with("int8/vq_encoder.safetensors: is cut short: "), "{e}");
    // A picture is read as the whole tokenizer reads it.
    let device = burn::tensor::Device::flex();
    let tokenizer = crate::model::Tokenizer::load(&without, &device).unwrap();
    let side = without.config.image_size();
    let pixels: Vec<u8> = (0..3 * side * side).map(|n| (n * 37 % 251) as u8).collect();
    let encoded = |tokenizer: &crate::model::Tokenizer| {
        let picture = crate::model::pixels::rgb_to_tensor(&pixels, side, side, &device).unwrap();
        pollster::block_on(tokenizer.encode(picture))
    };
    assert!(encoded(&tokenizer).unwrap_err().to_string().contains("encoder is not there yet"));
    let read = without.read_encoder(encoder).unwrap();
    let tokenizer = tokenizer.with_encoder(&without.config.vq, &read, &device).unwrap();
    let whole = crate::model::Tokenizer::load(&ModelFiles::load_dir(Path::new(TINY)).unwrap(), &device).unwrap();
    assert_eq!(encoded(&tokenizer).unwrap(), encoded(&whole).unwrap());
}

#[test]
fn int8_without_its_scales_is_one_sentence() {
    let file = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0x7f);
        bytes
    };
    let matrix = r#""w":{"dtype":"I8","shape":[2,4],"data_offsets":[0,8]}"#;
    let said = |header: String, data, shape: Vec<usize>| {
        let opened = Checkpoint::open("a.safetensors", file(&header, data), &[("w".into(), shape)]);
        opened.and_then(|c| c.f32("w")).unwrap_err().to_string()
    };
    let without = said(format!("{{{matrix}}}"), 8, vec![2, 4]);
    assert!(
        without.ends_with("`w` is stored as int8, but the file has no `w.scale` (one f32 for each row)"),
        "{without}"
    );
    let scale = r#""w.scale":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}"#;
    let short = said(format!("{{{matrix},{scale}}}"), 12, vec![2, 4]);
    assert!(short.contains("`w.scale` is F32 of shape [1]; an int8 matrix of 2 rows has one f32 for each"), "{short}");
    let vector = said(r#"{"w":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}}"#.into(), 8, vec![8]);
    assert!(vector.contains("is for matrices"), "{vector}");
    // 0x7f7f7f7f is finite, 0xffffffff is not.
    let scale = r#""w.scale":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#;
    let mut bytes = file(&format!("{{{matrix},{scale}}}"), 16);
    let opened = Checkpoint::open("a.safetensors", bytes.clone(), &[("w".into(), vec![2, 4])]).unwrap();
    assert_eq!(opened.f32("w").unwrap().len(), 8);
    let end = bytes.len();
    bytes[end - 4..].fill(0xff);
    let opened = Checkpoint::open("a.safetensors", bytes, &[("w".into(), vec![2, 4])]).unwrap();
    assert!(opened.f32("w").unwrap_err().to_string().contains("`w.scale` holds NaN at element 1"));
}
