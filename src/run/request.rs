//! What to draw and how: plain, checked, serialisable.

use crate::checkpoint::config::Generator;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::error::{Error, Result};
use crate::mix::Mix;

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
    pub controls: Controls,
    /// Per position: a token that is given, or `None` to draw it. Shorter than T: the rest is drawn.
    pub forced: Vec<Option<u32>>,
    /// Control changes to repeat, by position (ascending), when a trace is replayed.
    pub schedule: Vec<(usize, Controls)>,
}

impl Request {
    /// A run with a model's default settings.
    pub fn new(config: &ModelConfig, generator: Generator, class: impl Into<Mix>, seed: u32) -> Self {
        Self {
            generator,
            class: class.into(),
            seed,
            controls: config.controls(),
            forced: Vec::new(),
            schedule: Vec::new(),
        }
    }

    /// Refuses what the model cannot draw.
    ///
    /// # Errors
    /// [`Error::Request`].
    pub fn check(&self, config: &ModelConfig) -> Result<()> {
        config.check_generator(self.generator)?;
        self.controls.check()?;
        let mut before = 0;
        for (at, controls) in &self.schedule {
            controls.check()?;
            if *at < before {
                return Err(Error::Request(format!(
                    "the change at token {at} stands after one at token {before}: changes go by ascending position"
                )));
            }
            before = *at;
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
