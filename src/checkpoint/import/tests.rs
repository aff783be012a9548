use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use safetensors::{Dtype, SafeTensors};

use super::*;
use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::{ModelConfig, PatchingConfig};
use crate::controls::SamplingConfig;
use crate::error::{Error, Result};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");

/// A file of the small model, each name changed.
fn file(name: &str, changed: impl Fn(&str) -> String) -> ForeignFile {
    let bytes = fs::read(Path::new(TINY).join(format!("{name}.safetensors"))).unwrap();
    let tensor = |(own, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let data = view.data().to_vec();
        let read: ReadTensor = Box::new(move || Ok(data.clone()));
        (changed(own), ForeignTensor { dtype: view.dtype(), shape: view.shape().to_vec(), read })
    };
    let tensors = SafeTensors::deserialize(&bytes).unwrap().iter().map(tensor).collect();
    ForeignFile { label: format!("{name}.pt"), tensors, others: Vec::new() }
}

fn plain(name: &str) -> ForeignFile {
    file(name, str::to_owned)
}

fn hints(heads: &[usize]) -> Hints {
    Hints { heads: heads.to_vec(), grid: Some(8), groups: Some(8), entropy_only: false }
}

fn assembled<'a>(files: &'a [ForeignFile], hints: &Hints) -> Result<ImportedModel<'a>> {
    let patching = PatchingConfig { mode: Default::default(), threshold: 7.8, max_patch_length: 4, trained: None };
    assemble(files, hints, patching, SamplingConfig::default())
}

fn refusal(files: &[ForeignFile], hints: &Hints) -> String {
    assembled(files, hints).unwrap_err().to_string()
}

/// What is the same of two configs: a width that a file only implies is not written as its rule was.
fn shapes(config: &ModelConfig) -> Vec<(usize, usize, [usize; 3], usize, usize)> {
    let all = [&config.entropy, &config.dpar, &config.baseline];
    let shape = |c: &crate::checkpoint::config::TransformerConfig| {
        let layers = [c.n_local_encoder_layers, c.n_layer, c.n_local_decoder_layers];
        (c.dim, c.n_head, layers, c.num_classes, c.ffn_dim())
    };
    all.into_iter().flatten().map(shape).collect()
}

#[test]
fn a_folder_is_made_of_its_own_files_whatever_stands_around_their_names() {
    let tiny = ModelFiles::load_dir(Path::new(TINY)).unwrap();
    for under in ["", "model.", "state_dict.module._orig_mod.", "_orig_mod.module."] {
        let wrapped = |name: &str| file(name, |own| format!("{under}{own}"));
        let mut files = ["baseline", "vq", "dpar", "entropy"].map(wrapped);
        let scalar = || ForeignTensor { dtype: Dtype::I64, shape: vec![], read: Box::new(|| Ok(vec![0; 8])) };
        files[0].tensors.insert("optimizer.state.0.step".to_owned(), scalar());
        files[0].tensors.insert(format!("{under}freqs_cis"), scalar());
        files[0].others.push("args".to_owned());
        let model = assembled(&files, &hints(&[4, 4, 2])).unwrap();
        assert_eq!((&model.config.vq, shapes(&model.config)), (&tiny.config.vq, shapes(&tiny.config)));
        let left_out = "baseline.pt: not needed and left out: args, freqs_cis, optimizer";
        assert!(model.notes.iter().any(|note| note == left_out), "{:?}", model.notes);

        // Written, they are the same numbers.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), serde_json::to_vec(&model.config).unwrap()).unwrap();
        for part in &model.parts {
            let written = std::cell::Cell::new(0);
            let path = folder.path().join(format!("{}.safetensors", part.name));
            part.write(&path, &|bytes| written.set(written.get() + bytes)).unwrap();
            assert_eq!(written.get(), part.bytes());
        }
        let read = ModelFiles::load_dir(folder.path()).unwrap();
        for (a, b) in [(&read.dpar, &tiny.dpar), (&read.baseline, &tiny.baseline), (&read.entropy, &tiny.entropy)] {
            let (a, b) = (a.as_ref().unwrap(), b.as_ref().unwrap());
            for name in ["output.weight", "layers.1.attention.wqkv.weight"] {
                assert_eq!(a.stored(name).unwrap(), b.stored(name).unwrap(), "{name}");
            }
        }
    }
}

#[test]
fn one_token_model_is_baseline_and_entropy_model_and_of_two_the_smaller_one_is() {
    let alone = [plain("vq"), plain("baseline")];
    let model = assembled(&alone, &hints(&[4])).unwrap();
    assert!(model.config.entropy == model.config.baseline && model.config.entropy_is_baseline);
    let parts = |model: &ImportedModel<'_>| model.parts.iter().map(|part| part.name).collect::<Vec<_>>();
    assert_eq!(parts(&model), ["vq", "baseline"], "its weights are written once");
    let looking = Hints { entropy_only: true, ..hints(&[4]) };
    let model = assembled(&alone, &looking).unwrap();
    assert!(model.config.generator().is_none() && parts(&model) == ["vq", "entropy"]);
    let two = [plain("baseline"), plain("vq"), plain("entropy")];
    let model = assembled(&two, &hints(&[4, 2])).unwrap();
    assert!(!model.config.entropy_is_baseline);
    assert_eq!(model.config.entropy.as_ref().map(|c| c.dim), Some(32));
    assert_eq!(model.config.baseline.as_ref().map(|c| c.dim), Some(64));
    let dpar = [plain("dpar"), plain("vq"), plain("entropy")];
    let model = assembled(&dpar, &hints(&[4, 2])).unwrap();
    assert!(model.config.baseline.is_none() && model.config.dpar.is_some());
}

#[test]
fn a_model_of_a_thousand_classes_gets_imagenets_names() {
    let mut gpt = plain("baseline");
    if let Some(tensor) = gpt.tensors.get_mut("cls_embedding.embedding_table.weight") {
        tensor.shape = vec![1001, 64];
    }
    let files = [plain("vq"), gpt];
    let config = assembled(&files, &hints(&[4])).unwrap().config;
    assert_eq!((config.num_classes(), config.class_name(207)), (1000, "golden retriever".to_owned()));
    // Each can be asked for by its name, also those that two have; other words of WordNet's are known.
    for (asked, class) in
        [("crane 517", 517), ("maillot 638", 638), ("cardigan", 474), ("Cardigan", 264), ("linnet", 12)]
    {
        let mix = crate::run::prompt::resolve(asked, &config);
        assert_eq!(mix.unwrap().single(), Some(class), "{asked}");
    }
    for class in 0..1000 {
        let said = crate::run::prompt::describe(&class.into(), &config);
        assert_eq!(crate::run::prompt::resolve(&said, &config).unwrap().single(), Some(class), "{said}");
    }
    assert!(assembled(&[plain("vq"), plain("baseline")], &hints(&[4])).unwrap().config.classes.is_empty());
}

#[test]
fn of_several_sets_the_one_is_taken_that_the_public_scripts_take() {
    let twice = |name: &str| {
        let mut both = file(name, |own| format!("model.{own}"));
        both.tensors.extend(file(name, |own| format!("ema.{own}")).tensors);
        both
    };
    let (vq, gpt) = (twice("vq"), twice("baseline"));
    assert_eq!((named(&vq).unwrap().under, named(&gpt).unwrap().under), ("ema.", "model."));
    assert_eq!(named(&vq).unwrap().left_out, ["model"]);
}

#[test]
fn a_file_that_is_called_after_384_pixels_has_a_grid_of_24_whatever_its_folder_is_called() {
    let grid = |label: &str| {
        let hints = Hints { grid: None, ..hints(&[4]) };
        let gpt = ForeignFile { label: label.into(), ..plain("baseline") };
        match recognise(&gpt.label, &named(&gpt).unwrap(), Some(4), &hints).unwrap() {
            Recognised::TokenModel(c) => c.grid_size,
            other => panic!("{other}"),
        }
    };
    assert_eq!((grid("a/c2i_B_384.pt"), grid("384/c2i_B_256.pt"), grid("c2i_B_256.pt")), (24, 16, 16));
}

#[test]
fn what_is_no_model_is_one_sentence_that_names_the_tensor() {
    let nothing = ForeignFile { label: "a.pt".into(), tensors: BTreeMap::new(), others: Vec::new() };
    assert!(refusal(&[nothing], &hints(&[4])).contains("a.pt: holds no model in LlamaGen's or DPAR's layout"));
    assert!(refusal(&[plain("baseline")], &hints(&[4])).contains("no VQ tokenizer is among the files"));
    assert!(refusal(&[plain("vq")], &hints(&[4])).contains("a tokenizer alone draws nothing"));
    assert!(refusal(&[plain("vq"), plain("vq")], &hints(&[4])).contains("are both a tokenizer"));
    assert!(refusal(&[plain("vq"), plain("dpar")], &hints(&[4])).contains("needs an entropy model"));
    assert!(refusal(&[plain("vq"), plain("baseline")], &hints(&[])).contains("--heads"));
    assert!(refusal(&[plain("vq"), plain("baseline")], &hints(&[4, 4])).contains("2 numbers of heads for 1 model"));
    let no_groups = Hints { groups: None, ..hints(&[4]) };
    assert!(refusal(&[plain("vq"), plain("baseline")], &no_groups).contains("--groups"));
    let looking = Hints { entropy_only: true, ..hints(&[4, 2]) };
    assert!(refusal(&[plain("baseline"), plain("vq"), plain("entropy")], &looking).contains("--entropy-only"));
    let odd = Hints { heads: vec![5], ..hints(&[]) };
    assert!(refusal(&[plain("vq"), plain("baseline")], &odd).contains("n_head"));

    let mut broken = plain("baseline");
    broken.tensors.remove("layers.3.ffn_norm.weight");
    let said = refusal(&[plain("vq"), broken], &hints(&[4]));
    assert!(said.contains("baseline.pt: has no tensor `layers.3.ffn_norm.weight`, of shape [64]"), "{said}");
    let mut broken = file("baseline", |own| format!("model.{own}"));
    if let Some(tensor) = broken.tensors.get_mut("model.layers.2.attention.wo.weight") {
        tensor.shape = vec![64, 32];
    }
    let said = refusal(&[plain("vq"), broken], &hints(&[4]));
    assert!(said.contains("`model.layers.2.attention.wo.weight` has shape [64, 32]"), "{said}");
    let mut broken = plain("baseline");
    if let Some(tensor) = broken.tensors.get_mut("norm.weight") {
        tensor.dtype = Dtype::F64;
    }
    let said = refusal(&[plain("vq"), broken], &hints(&[4]));
    assert!(said.contains("`norm.weight` is stored as F64"), "{said}");

    // What cannot be read is found when it is written.
    let mut broken = plain("baseline");
    if let Some(tensor) = broken.tensors.get_mut("norm.weight") {
        tensor.read = Box::new(|| Err(io::Error::other("the disk is gone")));
    }
    let files = [plain("vq"), broken];
    let model = assembled(&files, &hints(&[4])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.safetensors");
    let e = model.parts[1].write(&path, &|_| ()).unwrap_err();
    assert!(
        matches!(&e, Error::Checkpoint { file, problem } if file == "baseline.pt" && problem.contains("`norm.weight` cannot be read (the disk is gone)")),
        "{e}"
    );
}
