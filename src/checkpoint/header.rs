//! What a file is that should hold weights and does not: its first bytes know better than "copy it again".

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// Beginnings of files that come in the place of weights: what it is, and what to do.
const STRANGERS: [(&[u8], &str); 10] = [
    (
        b"version https://git-lfs",
        "is a git-LFS pointer, not the weights themselves: run `git lfs pull` in its folder, or download the file",
    ),
    (b"<!", "is a web page: what was downloaded is not the file but a page about it"),
    (b"<html", "is a web page: what was downloaded is not the file but a page about it"),
    (b"<?xml", "is XML, an error message of a server perhaps: download the file again"),
    (b"PK\x03\x04", "is a PyTorch file (or another ZIP): save its tensors with the safetensors library"),
    (b"\x80\x02", "is a Python pickle, an old PyTorch file perhaps: save its tensors with the safetensors library"),
    (b"\x1F\x8B", "is compressed with gzip: unpack it first"),
    (b"GGUF", "is a GGUF file: weights are read as safetensors"),
    (b"\x89HDF", "is an HDF5 file: weights are read as safetensors"),
    (b"{", "is JSON, not weights: it has the name of another file"),
];

/// What a file is that the safetensors library has refused, as the rest of a sentence that begins with its name.
pub(super) fn explain(bytes: &[u8], said: &impl fmt::Display) -> String {
    let begins = bytes.trim_ascii_start();
    if let Some((_, what)) = STRANGERS.iter().find(|(start, _)| begins.starts_with(start)) {
        return (*what).to_owned();
    }
    let Some(length) = bytes.first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight)) else {
        return format!("is only {} bytes long: copy or download it again", bytes.len());
    };
    let Some(header) = header(bytes) else {
        // A header of an exabyte is no header.
        return if length < 100 << 20 {
            format!(
                "is cut short: its header has {length} bytes, the whole file {}: copy or download it again",
                bytes.len()
            )
        } else {
            "is no safetensors file".into()
        };
    };
    let tensors: Option<Value> = serde_json::from_slice(header).ok();
    let metadata = tensors.as_ref().and_then(|all| all.get("__metadata__")).and_then(Value::as_object);
    if let Some((key, value)) = metadata.into_iter().flatten().find(|(_, value)| !value.is_string()) {
        let kind = match value {
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Null => "null",
            _ => "a list or an object",
        };
        return format!(
            "has {kind} as `{key}` in its `__metadata__`, where safetensors files have text alone: save it with the safetensors \
             library"
        );
    }
    let end = |tensor: &Value| tensor.get("data_offsets")?.get(1)?.as_u64();
    let ends = tensors.as_ref().and_then(Value::as_object).into_iter().flatten();
    if let Some(most) = ends.filter_map(|(_, tensor)| end(tensor)).max() {
        let whole = most.saturating_add(8 + header.len() as u64);
        if whole > bytes.len() as u64 {
            return format!("is cut short: {} of {whole} bytes are there: copy or download it again", bytes.len());
        }
    }
    format!("is not a whole safetensors file ({said}); copy or download it again")
}

/// The header's JSON.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk::<8>()?)).ok()?;
    bytes.get(8..8usize.checked_add(length)?)
}

/// The first name that a header gives to two tensors: which of them is meant nobody can know.
pub(crate) fn named_twice(bytes: &[u8]) -> Option<String> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a safetensors header")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut seen, mut twice) = (std::collections::HashSet::new(), None);
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if seen.contains(&name) {
                    twice.get_or_insert(name);
                } else {
                    seen.insert(name);
                }
            }
            Ok(twice)
        }
    }

    serde_json::Deserializer::from_slice(header(bytes)?).deserialize_map(Names).ok().flatten()
}
