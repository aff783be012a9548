//! Which file becomes which part of a model folder.

use safetensors::Dtype;

use super::foreign::{ForeignFile, ForeignTensor};
use super::imagenet;
use super::names::{Named, kinds, named};
use super::recognise::{Hints, Recognised, recognise};
use crate::checkpoint::config::{ModelConfig, PatchingConfig, TransformerConfig, VqConfig};
use crate::checkpoint::specs::{TensorSpec, dpar_tensors, token_model_tensors, vq_tensors};
use crate::controls::SamplingConfig;
use crate::error::{Error, Result};

/// A model folder that is still to be written.
#[derive(Debug)]
pub struct ImportedModel<'a> {
    /// What its config.json says.
    pub config: ModelConfig,
    /// Its files of weights.
    pub parts: Vec<ImportedPart<'a>>,
    /// What a person should know: which file was taken for what, and what of it was left out.
    pub notes: Vec<String>,
}

impl ImportedModel<'_> {
    /// Bytes of all its numbers.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(ImportedPart::bytes).sum()
    }
}

/// One file of weights of a model folder.
#[derive(Debug)]
pub struct ImportedPart<'a> {
    /// `vq`, `entropy`, `dpar` or `baseline`.
    pub name: &'static str,
    /// The file that its tensors come from.
    pub file: &'a str,
    /// Its tensors, in the order of the model.
    pub tensors: Vec<PartTensor<'a>>,
}

/// A tensor of a part, under its own name.
#[derive(Debug)]
pub struct PartTensor<'a> {
    /// The name in the model folder.
    pub name: String,
    /// Its numbers.
    pub from: &'a ForeignTensor,
}

struct RecognisedFile<'a> {
    file: &'a ForeignFile,
    found: Named<'a>,
    what: Recognised,
}

/// Makes a model folder of files. A token model by itself is the baseline and, by its null class, the entropy model; beside DPAR it
/// is the entropy model; of two the smaller one is.
///
/// # Errors
/// [`Error::Checkpoint`] naming a tensor that is missing, of another shape or stored as something else than floats;
/// [`Error::Request`] for files that do not make a model.
pub fn assemble<'a>(
    files: &'a [ForeignFile],
    hints: &Hints,
    patching: PatchingConfig,
    sampling: SamplingConfig,
) -> Result<ImportedModel<'a>> {
    let mut sources = Vec::new();
    let mut generators = 0;
    for file in files {
        let found = named(file)?;
        let of_each = hints.heads.get(if hints.heads.len() == 1 { 0 } else { generators }).copied();
        let what = recognise(&file.label, &found, of_each, hints)?;
        generators += usize::from(!matches!(what, Recognised::Tokenizer(_)));
        sources.push(RecognisedFile { file, found, what });
    }
    if hints.heads.len() > 1 && hints.heads.len() != generators {
        let (said, s) = (hints.heads.len(), if generators == 1 { "" } else { "s" });
        return Err(Error::Request(format!(
            "{said} numbers of heads for {generators} model{s}: say one for all, or one for each in the order of the files"
        )));
    }
    let mut vq: Option<(&RecognisedFile<'_>, &VqConfig)> = None;
    let mut dpar: Option<(&RecognisedFile<'_>, &TransformerConfig)> = None;
    let mut models: Vec<(&RecognisedFile<'_>, &TransformerConfig)> = Vec::new();
    for source in &sources {
        let before = match &source.what {
            Recognised::Tokenizer(c) => vq.replace((source, c)).map(|(s, _)| (s, "tokenizer")),
            Recognised::Dpar(c) => dpar.replace((source, c)).map(|(s, _)| (s, "DPAR model")),
            Recognised::TokenModel(c) => {
                models.push((source, c));
                None
            }
        };
        if let Some((first, what)) = before {
            let (a, b) = (&first.file.label, &source.file.label);
            return Err(Error::Request(format!("{a} and {b} are both a {what}: a model has one")));
        }
    }
    if models.len() > 2 {
        return Err(Error::Request(format!(
            "{} token models were named: a baseline and an entropy model are all that is needed",
            models.len()
        )));
    }
    let Some((vq_source, vq_config)) = vq else {
        return Err(Error::Request(
            "no VQ tokenizer is among the files: name its file, too (vq_ds16_c2i.pt, say)".into(),
        ));
    };
    models.sort_by_key(|(_, c)| c.dim * c.dim * c.n_layer);
    let entropy = models.first().copied();
    if hints.entropy_only && (dpar.is_some() || models.len() > 1) {
        return Err(Error::Request(
            "a folder with an entropy model alone (--entropy-only) is made of a tokenizer and one token model".into(),
        ));
    }
    let one_is_enough = hints.entropy_only || dpar.is_some() && models.len() == 1;
    let baseline = models.last().copied().filter(|_| !one_is_enough);
    if dpar.is_none() && entropy.is_none() {
        return Err(Error::Request(
            "a tokenizer alone draws nothing: name a token model, too (c2i_B_256.pt, say)".into(),
        ));
    }
    if let (Some((source, _)), None) = (dpar, entropy) {
        let file = &source.file.label;
        return Err(Error::Request(format!(
            "{file} is a DPAR model and needs an entropy model: name a token model, too"
        )));
    }
    // One file for both: its weights are written once.
    let shared = matches!((entropy, baseline), (Some((a, _)), Some((b, _))) if std::ptr::eq(a, b));
    let of_classes = dpar.or(baseline).or(entropy).map(|(_, c)| c.num_classes);
    let (classes, aliases) = if of_classes == Some(imagenet::CLASSES) { imagenet::names() } else { Default::default() };
    let config = ModelConfig {
        entropy: entropy.map(|(_, c)| c.clone()),
        dpar: dpar.map(|(_, c)| c.clone()),
        baseline: baseline.map(|(_, c)| c.clone()),
        entropy_is_baseline: shared,
        vq: vq_config.clone(),
        patching,
        sampling,
        classes,
        parents: Vec::new(),
        emoji: Vec::new(),
        aliases,
        keywords: Vec::new(),
        featured: Vec::new(),
        unclear: Vec::new(),
    };
    // As a folder's own config is checked, before anything is written.
    let text = serde_json::to_vec(&config).map_err(|e| Error::Internal(e.to_string()))?;
    ModelConfig::parse(&text, "the model that these files make")?;
    let wanted = [
        ("vq", Some(vq_source), vq_tensors(vq_config)),
        ("entropy", entropy.map(|(s, _)| s), entropy.map_or_else(Vec::new, |(_, c)| token_model_tensors(c))),
        ("dpar", dpar.map(|(s, _)| s), dpar.map_or_else(Vec::new, |(_, c)| dpar_tensors(c))),
        ("baseline", baseline.map(|(s, _)| s), baseline.map_or_else(Vec::new, |(_, c)| token_model_tensors(c))),
    ];
    let (mut parts, mut notes) = (Vec::new(), Vec::new());
    for (name, source, specs) in wanted {
        let Some(source) = source else { continue };
        let file = source.file.label.as_str();
        notes.push(format!("{} from {file}: {}", called(name), source.what));
        if shared && name == "entropy" {
            continue;
        }
        parts.push(ImportedPart { name, file, tensors: tensors(file, &source.found, &specs)? });
    }
    for source in &sources {
        let mut out: Vec<String> = source.found.left_out.clone();
        let specs = match &source.what {
            Recognised::Tokenizer(c) => vq_tensors(c),
            Recognised::TokenModel(c) => token_model_tensors(c),
            Recognised::Dpar(c) => dpar_tensors(c),
        };
        let rest = source.found.tensors.keys().copied().filter(|own| !specs.iter().any(|(name, _)| name == own));
        out.extend(kinds("", rest));
        out.sort();
        if !out.is_empty() {
            notes.push(format!("{}: not needed and left out: {}", source.file.label, out.join(", ")));
        }
    }
    Ok(ImportedModel { config, parts, notes })
}

/// What a part of a folder is, in words.
fn called(part: &str) -> &'static str {
    match part {
        "vq" => "tokenizer",
        "entropy" => "entropy model",
        "dpar" => "DPAR",
        _ => "baseline",
    }
}

/// The tensors that a model needs, each with the right shape.
fn tensors<'a>(file: &str, found: &Named<'a>, specs: &[TensorSpec]) -> Result<Vec<PartTensor<'a>>> {
    let bad = |problem: String| Error::Checkpoint { file: file.to_owned(), problem };
    let find = |(name, shape): &TensorSpec| {
        let Some((called, from)) = found.tensors.get(name.as_str()).copied() else {
            return Err(bad(format!("has no tensor `{}{name}`, of shape {shape:?}", found.under)));
        };
        if from.shape != *shape {
            return Err(bad(format!("`{called}` has shape {:?}, beside its others {shape:?} is needed", from.shape)));
        }
        if !matches!(from.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(bad(format!("`{called}` is stored as {:?}; f32, f16 and bf16 are supported", from.dtype)));
        }
        Ok(PartTensor { name: name.clone(), from })
    };
    specs.iter().map(find).collect()
}
