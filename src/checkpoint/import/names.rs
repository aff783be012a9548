//! Which of a file's tensors are the model, and what they are called without what training scripts wrap around them.

use std::collections::{BTreeMap, BTreeSet};

use super::foreign::{ForeignFile, ForeignTensor};
use crate::error::{Error, Result};

/// What stands before a tensor's own name: dictionaries around the weights, and what `DistributedDataParallel` and
/// `torch.compile` put there.
const WRAPPERS: [&str; 5] = ["model", "module", "state_dict", "ema", "_orig_mod"];

/// A tensor by which a tokenizer is known.
pub(super) const CODEBOOK: &str = "quantize.embedding.weight";
/// A tensor by which a token model or DPAR is known.
pub(super) const TOKENS: &str = "tok_embeddings.weight";

/// The weights of a file by their own names.
#[derive(Debug)]
pub struct Named<'a> {
    /// By name, with the name that the file gives each.
    pub tensors: BTreeMap<&'a str, (&'a str, &'a ForeignTensor)>,
    /// What stands before each name in the file, with its dot: `model.module.`, or nothing.
    pub under: &'a str,
    /// What else the file holds, a name for each kind.
    pub left_out: Vec<String>,
}

/// What is wrapped around a name, with its last dot, and the name.
fn split(name: &str) -> (&str, &str) {
    let mut at = 0;
    while let Some((first, _)) = name[at..].split_once('.')
        && WRAPPERS.contains(&first)
    {
        at += first.len() + 1;
    }
    name.split_at(at)
}

/// Finds the weights of a file. Where it holds several sets, those are taken that LlamaGen's own scripts take: of a tokenizer the
/// running mean (`ema`), of a token model the weights themselves.
///
/// # Errors
/// [`Error::Checkpoint`] for a file without a model.
pub fn named(file: &ForeignFile) -> Result<Named<'_>> {
    let mut sets: BTreeMap<&str, BTreeMap<&str, (&str, &ForeignTensor)>> = BTreeMap::new();
    for (name, tensor) in &file.tensors {
        let (under, own) = split(name);
        sets.entry(under).or_default().insert(own, (name, tensor));
    }
    let rank = |under: &str, own: &BTreeMap<&str, _>| {
        let mean = under.split('.').any(|part| part == "ema");
        (mean != own.contains_key(CODEBOOK), under.len())
    };
    let models = sets.iter().filter(|(_, own)| own.contains_key(CODEBOOK) || own.contains_key(TOKENS));
    let Some(under) = models.min_by_key(|(under, own)| rank(under, own)).map(|(under, _)| *under) else {
        return Err(nothing(file));
    };
    let tensors = sets.remove(under).unwrap_or_default();
    let mut left_out: BTreeSet<String> =
        sets.into_iter().flat_map(|(under, own)| kinds(under, own.into_keys())).collect();
    left_out.extend(file.others.iter().cloned());
    Ok(Named { tensors, under, left_out: left_out.into_iter().collect() })
}

/// What a set of tensors is called that nobody needs: by what it stands in, else by the first part of each name.
pub(super) fn kinds<'a>(under: &str, own: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    if !under.is_empty() {
        return BTreeSet::from([under.trim_end_matches('.').to_owned()]);
    }
    own.filter_map(|name| name.split('.').next()).map(str::to_owned).collect()
}

fn nothing(file: &ForeignFile) -> Error {
    let some: Vec<String> = file.tensors.keys().take(3).map(|name| format!("`{name}`")).collect();
    let has = if some.is_empty() { "no tensor at all".to_owned() } else { format!("{}, ..", some.join(", ")) };
    let problem = format!(
        "holds no model in LlamaGen's or DPAR's layout: a tokenizer has `{CODEBOOK}`, a token model `{TOKENS}`; it has {has}"
    );
    Error::Checkpoint { file: file.label.clone(), problem }
}
