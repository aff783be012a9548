use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Device;
use image::RgbImage;
use pollster::block_on;

use super::*;
use crate::bundled::thumbnails::{Picks, Thumbnails};
use crate::bundled::token_swatches::TokenSwatches;
use crate::checkpoint::config::Generator;
use crate::engine::{CpuExecutor, Engine, Layout as Lanes, build};
use crate::mix::Mix;
use crate::platform;
use crate::run::Session;
use crate::run::request::Request;

fn tiny() -> ModelFiles {
    ModelFiles::load_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny"))).unwrap()
}

fn run(files: &ModelFiles, generator: Generator, class: impl Into<Mix>, seed: u32) -> Run {
    let engine = Engine::Cpu(Box::new(CpuExecutor::new(build(files, generator, Lanes::CPU).unwrap())));
    let mut session = Session::new(engine, &files.config, Request::new(&files.config, generator, class, seed)).unwrap();
    while !session.is_done() {
        session.step().unwrap();
    }
    Run::detailed(&session, &files.config)
}

fn recorded(files: &ModelFiles, generator: Generator) -> Recorded {
    let tokenizer = Tokenizer::load(files, &Device::flex()).unwrap();
    let run = run(files, generator, 3, 5);
    let frames = block_on(frames(&tokenizer, &run.tokens, 8, 10)).unwrap();
    assert_eq!(frames.last().unwrap().image, block_on(tokenizer.decode_image(&run.tokens, 8)).unwrap());
    let guess = fill_undrawn(run.tokens[..10].to_vec(), 8, 64);
    assert_eq!((guess[..10].to_vec(), guess[10], guess[63]), (run.tokens[..10].to_vec(), guess[2], guess[7]));
    Recorded { run, frames }
}

/// The largest difference of two pictures, in levels.
fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// What `dpar record`, `looks` and `thumbnails` made of the built-in model has to be made again when the model changes.
#[test]
fn the_pictures_of_the_app_belong_to_the_built_in_model() {
    let model = platform::embedded_model().unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let read = |name: &str| std::fs::read(assets.join(name)).unwrap();
    let sheet = |name: &str| Ok(Cow::Owned(read(&format!("recording/{name}"))));
    let recording = Recording::parse(&read("recording/recording.json"), sheet).unwrap();
    assert_eq!((&recording.model, &recording.config), (&model.hash, &model.config.without_search()));

    let tokenizer = Tokenizer::load(&model, &Device::flex()).unwrap();
    for recorded in recording.runs() {
        assert_eq!((&recorded.run.controls, recorded.frames.len()), (&model.config.controls(), 32));
        let picture = block_on(tokenizer.decode_image(&recorded.run.tokens, 16)).unwrap();
        assert!(difference(&recorded.frame(256).unwrap().image, &picture) <= 1);
    }
    let looks = TokenSwatches::parse(&read("model/looks.png"), "looks.png", &model.config).unwrap();
    for id in [0, 400, 1023] {
        let field = block_on(tokenizer.decode_image(&[id; 9], 3)).unwrap();
        let middle = image::imageops::crop_imm(&field, 8, 8, 8, 8).to_image();
        assert!(difference(&looks.tile(id).unwrap(), &middle) <= 1, "code {id}");
    }
    let picks = Picks::parse(&read("model/thumbnails.json"), "thumbnails.json", &model.config).unwrap();
    let thumbnails = Thumbnails::parse(&read("model/thumbnails.png"), "thumbnails.png", &picks, &model.config).unwrap();
    // The first thing and the last group.
    for n in [0, picks.pictures.len() - 1] {
        let run = run(&model, Generator::Dpar, thumbnails.classes()[n], picks.pictures[n].seed);
        let picture = block_on(tokenizer.decode_image(&run.tokens, 16)).unwrap();
        let expected = Thumbnails::of(&vec![picture; picks.pictures.len()], &picks, &model.config).unwrap();
        let (got, expected) = (thumbnails.sheet().tile(n).unwrap(), expected.sheet().tile(n).unwrap());
        assert!(difference(&got, &expected) <= 1, "{:?}", picks.pictures[n]);
    }
}

type Files = HashMap<&'static str, Vec<u8>>;

fn parse(files: &Files) -> Result<Recording> {
    let sheet = |name: &str| files.get(name).map(|b| Cow::Borrowed(b.as_slice())).ok_or("it is not there".to_owned());
    Recording::parse(&files[JSON], sheet)
}

fn recording() -> (Recording, Files) {
    let files = tiny();
    let baseline = recorded(&files, Generator::Baseline);
    let recording = Recording::new(&files, recorded(&files, Generator::Dpar), Some(baseline));
    let written = recording.files().unwrap().into_iter().collect();
    (recording, written)
}

#[test]
fn recordings_come_back_as_they_were() {
    let (recording, files) = recording();
    assert_eq!(files.len(), 3);
    let read = parse(&files).unwrap();
    assert_eq!((&read.model, &read.config), (&recording.model, &recording.config));
    assert_eq!(read.runs().count(), 2);
    for (a, b) in read.runs().zip(recording.runs()) {
        assert_eq!(a.run, b.run);
        assert_eq!(a.frames.iter().map(|f| f.tokens).collect::<Vec<_>>(), [10, 20, 30, 40, 50, 60, 64]);
        assert!(a.frames.iter().zip(&b.frames).all(|(x, y)| x.image == y.image && x.tokens == y.tokens));
        let shown = |drawn| a.frame(drawn).map(|f| f.tokens);
        assert_eq!([0, 1, 10, 11, 64, 65].map(shown), [None, Some(10), Some(10), Some(20), Some(64), None]);
        assert_eq!(a.run.tokens_detailed(8).len(), 64);
    }
    // A model without a baseline has one run.
    let alone = Recording { baseline: None, ..recording };
    assert!(parse(&alone.files().unwrap().into_iter().collect()).unwrap().baseline.is_none());
}

#[test]
fn a_mix_is_recorded_like_a_class() {
    let files = tiny();
    let mix = Mix::new(vec![(0.7, 1).into(), (0.3, 2).into()]).unwrap();
    let run = run(&files, Generator::Dpar, mix.clone(), 5);
    assert_eq!(run.mix.as_ref(), Some(&mix));
    let tokenizer = Tokenizer::load(&files, &Device::flex()).unwrap();
    let frames = block_on(frames(&tokenizer, &run.tokens, 8, 32)).unwrap();
    let recording = Recording::new(&files, Recorded { run, frames }, None);
    let read = parse(&recording.files().unwrap().into_iter().collect()).unwrap();
    assert_eq!(read.dpar.run, recording.dpar.run);
    assert_eq!(read.dpar.run.request().class, mix);
}

#[test]
fn damaged_recordings_are_one_sentence() {
    let (_, good) = recording();
    let json: Value = serde_json::from_slice(&good[JSON]).unwrap();
    let edited = |change: &dyn Fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        let mut files = good.clone();
        files.insert(JSON, serde_json::to_vec(&json).unwrap());
        files
    };
    let run =
        |n: usize, key: &'static str, value: Value| edited(&move |json| json["trace"]["runs"][n][key] = value.clone());
    let with = |name: &'static str, bytes: &[u8]| {
        let mut files = good.clone();
        files.insert(name, bytes.to_vec());
        files
    };
    let without = |name: &'static str| {
        let mut files = good.clone();
        files.remove(name);
        files
    };
    let png = &good["dpar.png"];
    for (says, files) in [
        ("recording.json: is not a recording", with(JSON, b"{}")),
        ("recording.json: is not a recording", with(JSON, &good[JSON][..good[JSON].len() / 2])),
        ("dpar.png: cannot be read (it is not there)", without("dpar.png")),
        ("baseline.png: cannot be read", without("baseline.png")),
        ("dpar.png: is not a whole PNG", with("dpar.png", &png[..png.len() / 2])),
        ("a picture every 0 tokens", edited(&|json| json["every"] = 0.into())),
        ("a picture every 65 tokens", edited(&|json| json["every"] = 65.into())),
        ("dpar.png: is 128 x 16 pixels", edited(&|json| json["every"] = 5.into())),
        ("grid_size", edited(&|json| json["config"]["dpar"]["grid_size"] = 9.into())),
        ("recording.json: is not a model config", edited(&|json| json["config"] = Value::Null)),
        ("run 1 has 3 ranks", run(0, "ranks", vec![1, 2, 3].into())),
        ("run 2: class 99 does not exist", run(1, "class", 99.into())),
        ("or without their details", run(0, "candidates", Value::Array(Vec::new()))),
        ("one DPAR run", edited(&|json| json["trace"]["runs"] = Value::Array(Vec::new()))),
        ("one DPAR run", edited(&|json| drop(json["trace"]["runs"].as_array_mut().unwrap().remove(0)))),
    ] {
        let e = parse(&files).unwrap_err();
        let said = e.to_string();
        assert!(e.is_bad_input() && said.contains(says) && said.lines().count() == 1, "{says}: {said}");
    }
}
