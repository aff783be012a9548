//! What the app remembers from one visit to the next.

use eframe::egui::ThemePreference;
use serde::{Deserialize, Serialize};

use crate::controls::Controls;

/// Key in eframe's storage (a file on a computer, local storage in a browser).
const KEY: &str = "dpar";

/// What is remembered. What is missing falls back to these defaults field by field; a broken file does so as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The chosen class by name, as numbers differ between models.
    pub class: Option<String>,
    /// The chosen seed.
    pub seed: u32,
    /// The controls, and the model they were set for. (Until version 0.1 this was called `live`.)
    #[serde(alias = "live")]
    pub controls: Option<(String, Controls)>,
    /// Patch outlines.
    pub grid: bool,
    /// Entropies as colours.
    pub heat: bool,
    /// The baseline beside DPAR.
    pub compare: bool,
    /// Tokens a second at most; 0 is as fast as it goes.
    pub speed: f32,
    /// Light, dark, or as the system.
    #[serde(with = "Theme")]
    pub theme: ThemePreference,
    /// Whether the tour was seen or put away.
    pub toured: bool,
}

/// [`ThemePreference`] by name.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ThemePreference", rename_all = "lowercase")]
enum Theme {
    Dark,
    Light,
    System,
}

impl Settings {
    /// What was remembered; the defaults where nothing was, or nothing that can be read.
    pub fn load(storage: Option<&dyn eframe::Storage>) -> Self {
        let text = storage.and_then(|s| s.get_string(KEY));
        let mut settings: Self = text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
        if !(0.0..=1000.0).contains(&settings.speed) {
            settings.speed = 0.0;
        }
        settings
    }

    /// Writes them down for the next visit.
    pub fn remember(&self, storage: &mut dyn eframe::Storage) {
        match serde_json::to_string(self) {
            Ok(text) => storage.set_string(KEY, text),
            Err(e) => log::warn!("the settings cannot be kept: {e}"),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            class: None,
            seed: 1,
            controls: None,
            grid: true,
            heat: false,
            compare: false,
            speed: 0.0,
            theme: ThemePreference::System,
            toured: false,
        }
    }
}
