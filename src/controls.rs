//! The settings of a run that may change while it goes on: plain, checked, serialisable.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::patching::{Mode, PatchRule};

/// The controls of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    /// How boundaries are chosen.
    pub mode: Mode,
    /// Entropy threshold in nats.
    pub threshold: f32,
    /// P_max; 0 is unlimited.
    pub p_max: u32,
    /// Guidance, temperature, top-k, top-p.
    #[serde(flatten)]
    pub sampling: SamplingConfig,
}

impl Controls {
    /// The patch rule on a grid.
    pub fn rule(&self, grid: usize) -> PatchRule {
        PatchRule { mode: self.mode, threshold: self.threshold, max_patch_length: self.p_max, grid: grid as u32 }
    }

    /// Refuses numbers that no run could use.
    ///
    /// # Errors
    /// [`Error::Request`] naming the setting, its value and its range.
    pub fn check(&self) -> Result<()> {
        let s = &self.sampling;
        let bad = |text: String| Err(Error::Request(text));
        if !self.threshold.is_finite() {
            return bad(format!("threshold {} is not a finite number of nats (try 2 to 6)", self.threshold));
        }
        if self.mode == Mode::Static && self.p_max == 0 {
            return bad("mode static needs a patch length: give --p-max 1 or more".into());
        }
        if !(s.cfg_scale.is_finite() && s.cfg_scale.abs() <= 100.0) {
            return bad(format!("guidance scale {} is out of range (-100 to 100; 1 is off)", s.cfg_scale));
        }
        if !(0.0..=100.0).contains(&s.temperature) {
            return bad(format!("temperature {} is out of range (0 to 100; 0 is greedy)", s.temperature));
        }
        if s.temperature > 0.0 && s.temperature < 1e-3 {
            return bad(format!("temperature {} is too small to divide by; use 0 for greedy", s.temperature));
        }
        if !(0.0..=1.0).contains(&s.top_p) {
            return bad(format!("top-p {} is out of range (0 to 1; 1 is off)", s.top_p));
        }
        Ok(())
    }
}

/// How tokens are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingConfig {
    /// Classifier-free guidance scale; 1 is off.
    pub cfg_scale: f32,
    /// Softmax temperature; 0 is greedy.
    pub temperature: f32,
    /// Keep the k most probable tokens; 0 is off.
    pub top_k: usize,
    /// Keep the shortest most-probable prefix that reaches this mass; 1 is off.
    pub top_p: f32,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { cfg_scale: 2.0, temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}
