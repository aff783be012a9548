//! Everything that comes with the built-in model, together.

use std::borrow::Cow;

use super::recording::Recording;
use super::thumbnails::{Picks, Thumbnails};
use super::token_swatches::TokenSwatches;
use crate::checkpoint::config::ModelConfig;
use crate::error::Result;

/// What comes with the built-in model and is worth showing before its weights are there; each part is optional, since a
/// page may not get it.
#[derive(Debug, Default)]
pub struct Extras {
    /// A run to play at once.
    pub recording: Option<Recording>,
    /// What the codes look like.
    pub swatches: Option<TokenSwatches>,
    /// Pictures for a picker.
    pub thumbnails: Option<Thumbnails>,
}

impl Extras {
    /// From the files' bytes; what is missing or broken is left out and logged.
    pub fn parse(config: &ModelConfig, read: impl Fn(&str) -> Option<Cow<'static, [u8]>>) -> Self {
        fn log<T>(result: Result<T>) -> Option<T> {
            result.map_err(|e| log::warn!("{e}")).ok()
        }
        let sheet = |name: &str| read(name).ok_or_else(|| "it is not there".to_owned());
        Self {
            recording: read("recording.json").and_then(|json| log(Recording::parse(&json, sheet))),
            swatches: read("looks.png").and_then(|png| log(TokenSwatches::parse(&png, "looks.png", config))),
            thumbnails: read("thumbnails.json").zip(read("thumbnails.png")).and_then(|(json, png)| {
                let picks = log(Picks::parse(&json, "thumbnails.json", config))?;
                log(Thumbnails::parse(&png, "thumbnails.png", &picks, config))
            }),
        }
    }
}
