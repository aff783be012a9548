//! Other models in place of the one that is there: folders, and others' files that are converted first.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dpar::app::input::action::Export;
use dpar::app::{Action, Launch, Settings};
use dpar::checkpoint::config::{TransformerConfig, VqConfig};
use dpar::checkpoint::{TensorSpec, token_model_tensors, vq_tensors};
use dpar::render::Provenance;
use eframe::egui;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use tempfile::TempDir;

use super::{Bench, TINY, act, draw, finish, open, png, ready, until};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Weights of some shapes, no two rows alike.
fn write(path: &Path, specs: &[TensorSpec]) {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = specs
        .iter()
        .map(|(name, shape)| {
            let value = |n: usize| ((n * 37 % 1009) as f32 - 504.0) / 5000.0;
            let bytes = (0..shape.iter().product()).flat_map(|n| value(n).to_le_bytes()).collect();
            (name.clone(), shape.clone(), bytes)
        })
        .collect();
    let views =
        tensors.iter().map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    serialize_to_file(views, None, path).unwrap();
}

/// A file on its way over the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        fs::read(&self.0).map_err(|e| e.to_string())
    }
}

/// Lets files go over the window.
fn drop_files(app: &mut Bench, paths: &[PathBuf]) {
    app.input_mut().dropped_files = paths.iter().map(|path| Arc::new(Dropped(path.clone())) as _).collect();
    app.step();
}

/// The link in the shown picture's file.
fn link(app: &Bench) -> String {
    Provenance::read(&app.state().file(Export::Picture).unwrap().1).unwrap().links.remove(0)
}

fn said(app: &mut Bench) -> String {
    until(app, "something is said", |s| s.message.is_some()).message.unwrap()
}

#[test]
fn another_model_takes_the_place_of_the_one_that_is_there_and_goes_again() {
    let mut app = ready();
    let built_in = app.state().state().model;
    draw(&mut app, 1, 5);
    assert!(app.query_by_label("Built-in model").is_none());
    // Its config.json, as the dialog brings it.
    act(&mut app, Action::Model(Some(vec![PathBuf::from(TINY).join("config.json")])));
    let there = until(&mut app, "it is there", |s| s.model != built_in && s.model.is_some());
    assert_eq!(there.model.as_deref(), Some("0e6e12bcaade03de"));
    assert!(said(&mut app).ends_with("draws with DPAR and with a fixed-length baseline, and looks at pictures"));
    assert_eq!(app.state().state().source, "none", "the other model's picture is gone");
    app.get_by_label("model: tiny");
    draw(&mut app, 2, 3);
    assert!(link(&app).contains("model=0e6e12bcaade03de"));

    // What is none is said, and this one stays.
    act(&mut app, Action::Dismiss);
    act(&mut app, Action::Model(Some(vec![fixture("pictures")])));
    assert!(said(&mut app).contains("config.json: cannot be read"), "{}", said(&mut app));
    assert_eq!(app.state().state().model, there.model);
    draw(&mut app, 2, 4);
    app.get_by_label("Built-in model").click();
    until(&mut app, "it is back", |s| s.model == built_in);
}

#[test]
fn files_that_are_dropped_are_converted_and_drawn_with() {
    let home = TempDir::new().unwrap();
    let models = home.path().join("models");
    let mut app =
        open(Launch { models: Some(models.clone()), ..Launch::default() }, Settings::default(), [1280.0, 860.0]);
    let built_in = until(&mut app, "the model is there", |s| s.model.is_some()).model;
    // A token model without its tokenizer.
    act(&mut app, Action::Model(Some(vec![fixture("foreign/wrapped.pth")])));
    assert!(said(&mut app).contains("--heads"), "{}", said(&mut app));
    act(&mut app, Action::Dismiss);
    assert_eq!(app.state().state().model, built_in);
    assert!(!models.exists(), "nothing is left of what failed");

    // As wide as a public model, so that nobody has to say how many heads it has.
    let c = TransformerConfig {
        dim: 768,
        n_head: 12,
        n_layer: 1,
        n_local_encoder_layers: 0,
        n_local_decoder_layers: 0,
        vocab_size: 64,
        num_classes: 10,
        grid_size: 16,
        multiple_of: 256,
        norm_eps: 1e-5,
        rope_base: 10_000.0,
    };
    let vq = VqConfig {
        ch: 32,
        ch_mult: vec![1, 1],
        num_res_blocks: 1,
        z_channels: 16,
        codebook_size: 64,
        codebook_embed_dim: 8,
        norm_groups: 32,
    };
    let files = ["small_B.safetensors", "vq.safetensors"].map(|name| home.path().join(name));
    write(&files[0], &token_model_tensors(&c));
    write(&files[1], &vq_tensors(&vq));
    drop_files(&mut app, &files);
    let there = until(&mut app, "it is converted", |s| s.model != built_in && s.model.is_some());
    assert!(said(&mut app).contains("small_B: draws with its fixed-length baseline, and looks at pictures"));
    assert!(models.join("small_B/config.json").exists() && models.join("small_B/baseline.safetensors").exists());
    act(&mut app, Action::Dismiss);
    draw(&mut app, 3, 1);
    assert_eq!(finish(&mut app).tokens, 256);
    assert!(link(&app).contains(&format!("model={}", there.model.unwrap())));

    // A folder and a picture are told apart.
    drop_files(&mut app, &[PathBuf::from(TINY)]);
    until(&mut app, "the folder is opened", |s| s.model.as_deref() == Some("0e6e12bcaade03de"));
    let picture = home.path().join("mine.png");
    fs::write(&picture, png(40, 30)).unwrap();
    drop_files(&mut app, &[picture]);
    until(&mut app, "the picture is read", |s| s.source == "own");
}

#[test]
fn a_model_that_only_looks_at_pictures_offers_nothing_else() {
    let home = TempDir::new().unwrap();
    for file in ["vq.safetensors", "entropy.safetensors"] {
        fs::copy(fixture("tiny").join(file), home.path().join(file)).unwrap();
    }
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("tiny/config.json")).unwrap()).unwrap();
    for gone in ["dpar", "baseline"] {
        config.as_object_mut().unwrap().remove(gone);
    }
    // The class names are those of the models that draw.
    config.as_object_mut().unwrap().remove("classes");
    fs::write(home.path().join("config.json"), config.to_string()).unwrap();
    let launch = Launch { model: Some(home.path().display().to_string()), ..Launch::default() };
    let mut app = open(launch, Settings { toured: true, ..Settings::default() }, [1280.0, 860.0]);
    until(&mut app, "the model is there", |s| s.model.is_some());
    app.step();
    assert!(app.get_by_label("Generate").accesskit_node().is_disabled());
    act(&mut app, Action::Generate);
    assert!(said(&mut app).contains("has a tokenizer and an entropy model alone"));
    act(&mut app, Action::Dismiss);
    act(&mut app, Action::Image(dpar::app::input::action::Brought::File("mine.png".into(), png(50, 40))));
    let own = until(&mut app, "it is read", |s| s.source == "own" && s.message.is_none());
    assert_eq!(own.tokens, 64);
    act(&mut app, Action::Complete);
    assert!(said(&mut app).contains("draws none"));
}
