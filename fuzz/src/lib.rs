//! What the targets share: model configs small and large, and what every refusal must look like.

use std::sync::LazyLock;

use dpar::Error;
use dpar::checkpoint::config::ModelConfig;

/// The built-in model's config: 557 names, groups, emoji, aliases.
pub static BUILT_IN: LazyLock<ModelConfig> = LazyLock::new(|| config(include_bytes!("../../assets/model/config.json")));

/// The smallest model there can be, nearly (`seeds/config/least.json`): no names, 16 tokens of 4 codes.
pub static LEAST: LazyLock<ModelConfig> = LazyLock::new(|| config(include_bytes!("../seeds/config/least.json")));

/// A model that names its classes: a group, two things, one of them with an accent, emoji, an alias.
pub static NAMES: LazyLock<ModelConfig> = LazyLock::new(|| config(include_bytes!("../seeds/config/names.json")));

fn config(json: &[u8]) -> ModelConfig {
    ModelConfig::parse(json, "config.json").expect("it is a config")
}

/// A refusal names what is wrong in one sentence, on one line, and lays the fault where it is.
///
/// # Panics
/// Where it does not.
pub fn one_sentence(error: &Error) {
    let said = error.to_string();
    assert!(error.is_bad_input(), "the input is at fault: {said:?}");
    assert_eq!(said.lines().count(), 1, "one line: {said:?}");
    assert!(said.len() < 1500, "{} bytes: {said:?}", said.len());
    assert!(!said.contains(char::is_control), "no control characters: {said:?}");
}

/// What is `Ok`; of an error, checks what it says.
pub fn accepted<T>(result: Result<T, Error>) -> Option<T> {
    result.map_err(|error| one_sentence(&error)).ok()
}

/// Cuts bytes into parts that each begin with their length, two bytes, the low one first; a length beyond the end is the rest.
pub fn parts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (part, after) = rest.split_at(length);
        parts.push(part);
        bytes = after;
    }
    parts
}
