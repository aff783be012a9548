//! What to draw and how: plain, checked, serialisable.

use serde::{Deserialize, Serialize};

use crate::config::{ModelConfig, SamplingConfig};
use crate::engine::Generator;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::{Mode, PatchRule};

/// The controls that may change while a run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
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

impl Live {
    /// A model's defaults.
    pub fn of(config: &ModelConfig) -> Self {
        let p = &config.patching;
        Self {
            mode: p.mode,
            threshold: p.threshold,
            p_max: u32::try_from(p.max_patch_length).unwrap_or(0),
            sampling: config.sampling.clone(),
        }
    }

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

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// DPAR or the fixed-length baseline.
    pub generator: Generator,
    /// The class, or several mixed; class `num_classes` is the null class.
    pub class: Mix,
    /// Seed of the Gumbel noise.
    pub seed: u32,
    /// Controls at the start.
    pub live: Live,
    /// Per position: a token that is given, or `None` to draw it. Shorter than T: the rest is drawn.
    pub forced: Vec<Option<u32>>,
    /// Control changes to repeat, by position (ascending), when a trace is replayed.
    pub schedule: Vec<(usize, Live)>,
}

impl Request {
    /// A run with a model's default settings.
    pub fn new(config: &ModelConfig, generator: Generator, class: impl Into<Mix>, seed: u32) -> Self {
        Self { generator, class: class.into(), seed, live: Live::of(config), forced: Vec::new(), schedule: Vec::new() }
    }

    /// Refuses what the model cannot draw.
    ///
    /// # Errors
    /// [`Error::Request`].
    pub fn check(&self, config: &ModelConfig) -> Result<()> {
        self.live.check()?;
        for (_, live) in &self.schedule {
            live.check()?;
        }
        self.class.check(config.num_classes())?;
        if self.forced.len() > config.tokens() {
            let (given, t) = (self.forced.len(), config.tokens());
            return Err(Error::Request(format!("{given} tokens are given, but an image of this model has {t}")));
        }
        let vocab = config.vocab() as u32;
        if let Some(id) = self.forced.iter().flatten().find(|id| **id >= vocab) {
            return Err(Error::Request(format!("given token {id} is not in the codebook of {vocab}")));
        }
        Ok(())
    }
}
