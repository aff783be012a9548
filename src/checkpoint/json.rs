//! JSON as people bring it: with a byte order mark, in UTF-16, with a key misspelt. What nobody reads is said, with the key that
//! was meant.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::plain_text::plain;

/// The most keys that are warned about one by one.
const MAX_WARNINGS: usize = 5;

/// Reads a file that is `what` ("a model config"). With it: a sentence for each key that nobody reads.
///
/// # Errors
/// The rest of a sentence that begins with the file's name.
pub fn read<T: DeserializeOwned + Serialize>(bytes: &[u8], what: &str) -> Result<(T, Vec<String>), String> {
    let value = parse(bytes, what)?;
    let unread = unread(&text(bytes)?, &value);
    Ok((value, unread))
}

/// The same where nobody is there to be warned.
///
/// # Errors
/// As [`read`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(&text(bytes)?).map_err(|e| format!("is not {what}: {e}"))
}

/// The bytes of the JSON in a file.
///
/// # Errors
/// As [`read`], for text that is not UTF-8.
pub fn text(bytes: &[u8]) -> Result<std::borrow::Cow<'_, [u8]>, String> {
    let marked = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    // JSON begins with ASCII characters: in UTF-16 every second byte is 0.
    let zeros = bytes.first_chunk::<4>().map(|four| four.map(|byte| byte == 0));
    if marked || matches!(zeros, Some([true, false, true, false] | [false, true, false, true])) {
        return Err("is text in UTF-16: save it as UTF-8".into());
    }
    Ok(plain(bytes))
}

/// The keys that are in the text and not in what was made of it.
fn unread(text: &[u8], value: &impl Serialize) -> Vec<String> {
    let (Ok(said), Ok(read)) = (serde_json::from_slice::<Value>(text), serde_json::to_value(value)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    compare(&said, &read, &mut String::new(), &mut found);
    let more = found.len().saturating_sub(MAX_WARNINGS);
    found.truncate(MAX_WARNINGS);
    if more > 0 {
        found.push(format!("{more} more keys are not known"));
    }
    found
}

fn compare(said: &Value, read: &Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match (said, read) {
        (Value::Object(said), Value::Object(read)) => {
            for (key, value) in said {
                path.truncate(length);
                path.push_str(if length == 0 { "" } else { "." });
                path.push_str(key);
                match read.get(key) {
                    Some(read) => compare(value, read, path, found),
                    // What says nothing is not written again; a version was looked at before.
                    None if is_nothing(value) || path == "version" => {}
                    None => found.push(unknown(path, key, read.keys().filter(|known| !said.contains_key(*known)))),
                }
            }
        }
        (Value::Array(said), Value::Array(read)) => {
            for (n, (said, read)) in said.iter().zip(read).enumerate() {
                path.truncate(length);
                path.push_str(&format!("[{n}]"));
                compare(said, read, path, found);
            }
        }
        _ => {}
    }
    path.truncate(length);
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The sentence for a key; the nearest of those that are not there is what was meant.
fn unknown<'a>(path: &str, key: &str, missing: impl Iterator<Item = &'a String>) -> String {
    let likeness = |known: &String| strsim::normalized_damerau_levenshtein(&bare(key), &bare(known));
    let best = missing.map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    let path: String = path.chars().take(80).collect();
    match best.filter(|(likeness, _)| *likeness >= 0.6) {
        Some((_, known)) => format!("`{path}` is not known and counts for nothing; `{known}` is meant, perhaps"),
        None => format!("`{path}` is not known and counts for nothing"),
    }
}

/// A key without what people spell differently.
fn bare(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        #[serde(default)]
        top_p: f32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        list: Vec<u32>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        sampling: Inner,
        #[serde(default)]
        runs: Vec<Inner>,
    }

    #[test]
    fn keys_that_nobody_reads_are_named_with_what_was_meant() {
        let json = br#"{"version": 1, "sampling": {"topp": 0.5, "list": []}, "runs": [{"top_p": 1}, {"Top-P": 2, "zebra": 1}]}"#;
        let (_, notes) = read::<Outer>(json, "a file").unwrap();
        assert_eq!(
            notes,
            [
                "`runs[1].Top-P` is not known and counts for nothing; `top_p` is meant, perhaps",
                "`runs[1].zebra` is not known and counts for nothing",
                "`sampling.topp` is not known and counts for nothing; `top_p` is meant, perhaps",
            ]
        );
        let many: String = (0..20).map(|n| format!(", \"k{n}\": 1")).collect();
        let (_, notes) = read::<Outer>(format!("{{\"sampling\": {{}}{many}}}").as_bytes(), "a file").unwrap();
        assert_eq!((notes.len(), notes[5].as_str()), (6, "15 more keys are not known"));
    }

    #[test]
    fn marks_are_read_over_and_other_encodings_named() {
        let json = r#"{"sampling": {"top_p": 0.5}}"#;
        let marked = [b"\xEF\xBB\xBF", json.as_bytes()].concat();
        assert_eq!(read::<Outer>(&marked, "a file").unwrap(), read::<Outer>(json.as_bytes(), "a file").unwrap());
        let little: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = json.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for utf16 in
            [[vec![0xFF, 0xFE], little.clone()].concat(), [vec![0xFE, 0xFF], big.clone()].concat(), little, big]
        {
            assert_eq!(read::<Outer>(&utf16, "a file").unwrap_err(), "is text in UTF-16: save it as UTF-8");
        }
        assert!(read::<Outer>(b"", "a trace").unwrap_err().starts_with("is not a trace: EOF"));
    }
}
