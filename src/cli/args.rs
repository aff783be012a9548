//! The flags that several commands share.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use dpar::controls::Controls;
use dpar::engine::backend::DeviceChoice;
use dpar::patching::Mode;

/// Which model, and where it runs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model and device")]
pub struct PlaceArgs {
    /// Model folder with config.json and its .safetensors files [default: the model built into this program]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Where to run: a GPU if there is one, a GPU or an error, or the CPU
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,
}

/// `--device`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Device {
    Auto,
    Gpu,
    Cpu,
}

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Gpu => Self::Gpu,
            Device::Cpu => Self::Cpu,
        }
    }
}

/// The patch rule, where it differs from the model's own.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Patching")]
pub struct PatchArgs {
    /// Entropy in nats above which a token starts a patch: lower means more patches [default: the model's]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    pub threshold: Option<f32>,
    /// Most tokens a patch holds, 0 for no limit [default: the model's]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub p_max: Option<u32>,
    /// How patches are cut: every token, fixed length, by entropy, or by entropy and row [default: the model's]
    #[arg(long, value_parser = mode_parser())]
    pub mode: Option<Mode>,
}

impl PatchArgs {
    pub fn apply(&self, controls: &mut Controls) {
        controls.threshold = self.threshold.unwrap_or(controls.threshold);
        controls.p_max = self.p_max.unwrap_or(controls.p_max);
        controls.mode = self.mode.unwrap_or(controls.mode);
    }
}

/// The library's own names, so that configs, traces and the command line say the same.
fn mode_parser() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(Mode::NAMES.map(|(name, _)| name))
        .map(|name| Mode::NAMES.iter().find(|(n, _)| *n == name).map_or_else(Mode::default, |(_, mode)| *mode))
}

/// How tokens are drawn, where it differs from the model's own settings.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Classifier-free guidance: how much the class matters; 1 is off and does less work [default: the model's]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub cfg: Option<f32>,
    /// Softmax temperature, 0 for the most probable token always [default: the model's]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub temperature: Option<f32>,
    /// Draw among the N most probable tokens, 0 for all [default: the model's]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub top_k: Option<u32>,
    /// Draw among the most probable tokens that reach this probability, 1 for all [default: the model's]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub top_p: Option<f32>,
}

impl SamplingArgs {
    pub fn apply(&self, controls: &mut Controls) {
        let s = &mut controls.sampling;
        s.cfg_scale = self.cfg.unwrap_or(s.cfg_scale);
        s.temperature = self.temperature.unwrap_or(s.temperature);
        s.top_k = self.top_k.map_or(s.top_k, |k| k as usize);
        s.top_p = self.top_p.unwrap_or(s.top_p);
    }
}
