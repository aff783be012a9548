//! Files of weights that others have written: PyTorch's, safetensors, and safetensors in shards. Only what they say of their tensors
//! is read at first. Nothing that a pickle asks to be called is called (the crate `pytorch-reader` has no way to).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use crate::checkpoint::header::named_twice;
use crate::checkpoint::import::{ForeignFile, ForeignTensor};
use crate::error::{Error, Result};

/// The longest header of a safetensors file.
const MAX_HEADER: u64 = 100_000_000;

/// Reads what a file says of its tensors: `.pt`, `.pth`, `.safetensors`, or the `.index.json` of shards beside it.
///
/// # Errors
/// [`Error::Checkpoint`] for what is none of these, or broken.
pub fn open_foreign(path: &Path) -> Result<ForeignFile> {
    let label = path.display().to_string();
    let bad = |problem: String| Error::Checkpoint { file: label.clone(), problem };
    let unreadable = |e: io::Error| bad(format!("cannot be read ({e})"));
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(9).read_to_end(&mut start).map_err(unreadable)?;
    let (tensors, others) = if start.first() == Some(&b'{') {
        (shards(path, &label)?, Vec::new())
    } else if start.get(8) == Some(&b'{') {
        (safetensors(file, &label)?, Vec::new())
    } else {
        pytorch(path).map_err(|e| bad(format!("is no checkpoint that can be read ({e})")))?
    };
    Ok(ForeignFile { label, tensors, others })
}

type ForeignTensors = BTreeMap<String, ForeignTensor>;

fn pytorch(path: &Path) -> std::result::Result<(ForeignTensors, Vec<String>), PytorchError> {
    let reader = PytorchReader::new(path)?;
    let mut tensors = BTreeMap::new();
    for tensor in reader.into_tensors().into_values() {
        let (name, dtype, shape, read) = tensor.into_parts();
        tensors.insert(name, ForeignTensor { dtype: stored(dtype), shape, read: Box::new(read) });
    }
    let PickleValue::Dict(all) = PytorchReader::read_pickle_data(path, None)? else { return Ok((tensors, Vec::new())) };
    let within =
        |name: &str, key: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let others = all.into_keys().filter(|key| !tensors.keys().any(|name| within(name, key))).collect();
    Ok((tensors, others))
}

fn stored(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

fn safetensors(mut file: File, label: &str) -> Result<ForeignTensors> {
    let bad = |problem: String| Error::Checkpoint { file: label.to_owned(), problem };
    let unreadable = |e: io::Error| bad(format!("cannot be read ({e})"));
    let length = file.metadata().map_err(unreadable)?.len();
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut header = vec![0; 8];
    file.read_exact(&mut header).map_err(unreadable)?;
    let said = header.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
    if said > MAX_HEADER || said > length.saturating_sub(8) {
        return Err(bad(format!(
            "says its header has {said} bytes; the file has {length}: it is damaged or was cut off"
        )));
    }
    Read::by_ref(&mut file).take(said).read_to_end(&mut header).map_err(unreadable)?;
    if let Some(name) = named_twice(&header) {
        return Err(bad(format!("has two tensors of the name `{name}`: which of them is meant it does not say")));
    }
    let metadata: Metadata = serde_json::from_slice(header.get(8..).unwrap_or_default())
        .map_err(|e| bad(format!("has a header that is not safetensors' ({e})")))?;
    let file = Arc::new(Mutex::new(file));
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let begin = 8 + said + from as u64;
        if begin + (to - from) as u64 > length {
            return Err(bad(format!("ends before `{name}` does: it was cut off")));
        }
        let file = file.clone();
        let read = move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bytes = vec![0; to - from];
            file.seek(SeekFrom::Start(begin))?;
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        tensors.insert(name, ForeignTensor { dtype: info.dtype, shape: info.shape.clone(), read: Box::new(read) });
    }
    Ok(tensors)
}

/// `model.safetensors.index.json`: which shard each tensor is in.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

fn shards(path: &Path, label: &str) -> Result<ForeignTensors> {
    let bad = |problem: String| Error::Checkpoint { file: label.to_owned(), problem };
    let text = std::fs::read(path).map_err(|e| bad(format!("cannot be read ({e})")))?;
    let index: ShardIndex =
        serde_json::from_slice(&text).map_err(|e| bad(format!("is no index of safetensors shards ({e})")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut tensors = BTreeMap::new();
    for shard in index.weight_map.values().collect::<BTreeSet<_>>() {
        // A shard lies beside its index; no index leads out of its folder.
        if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) {
            return Err(bad(format!("names the shard \"{shard}\", which is no name of a file beside it")));
        }
        let at = folder.join(shard);
        let name = at.display().to_string();
        let file = File::open(&at).map_err(|e| bad(format!("names the shard {name}, which cannot be read ({e})")))?;
        tensors.extend(safetensors(file, &name)?);
    }
    if let Some(name) = index.weight_map.keys().find(|name| !tensors.contains_key(*name)) {
        return Err(bad(format!("says there is a tensor `{name}`, but its shard has none")));
    }
    Ok(tensors)
}
