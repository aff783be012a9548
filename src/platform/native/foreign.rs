//! Files of weights that others have written: PyTorch's, safetensors, and safetensors in shards. Only what they say of their tensors
//! is read at first. Nothing that a pickle asks to be called is called (the crate `pytorch-reader` has no way to).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use zip::{CompressionMethod, ZipArchive};

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
        let length = file.metadata().map_err(unreadable)?.len();
        pytorch(path, length).map_err(bad)?
    };
    Ok(ForeignFile { label, tensors, others })
}

type ForeignTensors = BTreeMap<String, ForeignTensor>;

/// Tensors of a PyTorch file of `length` bytes, and what else it holds; or what is wrong with it. Nothing that it claims is believed
/// before it is known to fit into the file: what memory is asked for stays near its size.
fn pytorch(path: &Path, length: u64) -> std::result::Result<(ForeignTensors, Vec<String>), String> {
    let unreadable = |e: PytorchError| format!("is no checkpoint that can be read ({})", cut(&e.to_string()));
    nothing_is_packed(path)?;
    let reader = PytorchReader::new(path).map_err(unreadable)?;
    let mut tensors = BTreeMap::new();
    for tensor in reader.into_tensors().into_values() {
        let (name, dtype, shape, read) = tensor.into_parts();
        // A view may show the same numbers many times.
        let bytes = shape.iter().try_fold(dtype.size() as u64, |bytes, n| bytes.checked_mul(*n as u64));
        if bytes.is_none_or(|bytes| bytes > length) {
            return Err(format!("`{name}` of shape {shape:?} would be larger than the whole file, {length} bytes"));
        }
        tensors.insert(name, ForeignTensor { dtype: stored(dtype), shape, read: Box::new(read) });
    }
    let PickleValue::Dict(all) = PytorchReader::read_pickle_data(path, None).map_err(unreadable)? else {
        return Ok((tensors, Vec::new()));
    };
    let within =
        |name: &str, key: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let others = all.into_keys().filter(|key| !tensors.keys().any(|name| within(name, key))).collect();
    Ok((tensors, others))
}

/// Refuses an archive with a packed entry: PyTorch packs none, and what is packed may be of any size.
fn nothing_is_packed(path: &Path) -> std::result::Result<(), String> {
    // What is no archive at all, or a broken one, is told of by its reader.
    let Some(mut archive) = File::open(path).ok().and_then(|file| ZipArchive::new(BufReader::new(file)).ok()) else {
        return Ok(());
    };
    for n in 0..archive.len() {
        let Ok(entry) = archive.by_index_raw(n) else { continue };
        if entry.compression() != CompressionMethod::Stored {
            let name = cut(&entry.name().unwrap_or_default());
            return Err(format!(
                "is an archive whose `{name}` is packed, as PyTorch packs nothing: save it with torch.save"
            ));
        }
    }
    Ok(())
}

/// What a stranger has written, as much of it as belongs into a sentence.
fn cut(text: &str) -> String {
    const MOST: usize = 200;
    let mut cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() {
        cut.push_str(" ..");
    }
    cut
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
