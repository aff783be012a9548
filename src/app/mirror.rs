//! The app's state for those who cannot see the canvas: the page's DOM mirror, tests, and `DPAR_STATE` on a computer.

use serde::Serialize;

use crate::platform::Step;

/// What is published. Every key is always there; `null` where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct State {
    pub phase: &'static str,
    pub message: Option<String>,
    pub device: String,
    pub renderer: String,
    pub model: Option<String>,
    pub class: String,
    pub seed: u32,
    pub threshold: f32,
    pub p_max: u32,
    pub mode: &'static str,
    pub token: usize,
    pub tokens: usize,
    pub total: usize,
    pub patches: usize,
    pub average_patch_length: f32,
    pub ms_per_token: Option<f64>,
    pub steps_saved: usize,
    pub view: View,
    pub compare: Option<Beside>,
    pub ids: Option<Vec<u32>>,
    pub link: String,
    pub progress: Option<Step>,
    pub selfcheck: Option<String>,
    pub frames: u64,
    pub longest_frame_ms: f64,
    pub first_token_ms: Option<f64>,
    pub finished_ms: Option<f64>,
    pub source: &'static str,
    pub inspected: Option<usize>,
    pub decoded: usize,
    pub tour: Option<usize>,
    pub classes: Vec<String>,
    pub hint: Option<String>,
}

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct View {
    pub grid: bool,
    pub heat: bool,
    pub theme: &'static str,
    pub compare: bool,
}

/// The picture beside.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Beside {
    pub tokens: usize,
    pub patches: usize,
    pub ms_per_token: Option<f64>,
}
