//! What a model folder's `config.json` says: the shapes of the four models, the patch rule, the sampling defaults.
//!
//! Field names are those of the public PyTorch code (LlamaGen's `ModelArgs` and `VQModel`), so a config can be
//! written by `json.dump` of the training code. [`ModelConfig::parse`] checks every number before anything is
//! allocated: a config that passes describes tensors whose sizes fit in memory arithmetic everywhere below.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::controls::{Controls, SamplingConfig};
use crate::error::{Error, Result};
use crate::patching::Mode;

/// Which generator to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Generator {
    /// DPAR: the patch transformer runs once per patch.
    #[default]
    Dpar,
    /// The fixed-length baseline (LlamaGen): every layer runs for every token.
    Baseline,
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dpar => "dpar",
            Self::Baseline => "baseline",
        })
    }
}

impl FromStr for Generator {
    type Err = Error;

    /// By its name.
    fn from_str(text: &str) -> Result<Self> {
        let named = [Self::Dpar, Self::Baseline].into_iter().find(|generator| generator.to_string() == text);
        named.ok_or_else(|| Error::Request(format!("generator \"{text}\" is none of dpar, baseline")))
    }
}

/// Shape of a token model (entropy model, fixed-length baseline) or, with local layers, of DPAR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformerConfig {
    /// Width D of every layer.
    pub dim: usize,
    /// Attention heads h; head width d = D / h.
    pub n_head: usize,
    /// Layers of the token model, or of DPAR's patch transformer (G).
    pub n_layer: usize,
    /// Patch-encoder layers (E); 0 for a token model.
    #[serde(default)]
    pub n_local_encoder_layers: usize,
    /// Patch-decoder layers (Dn); 0 for a token model.
    #[serde(default)]
    pub n_local_decoder_layers: usize,
    /// Codebook entries V.
    pub vocab_size: usize,
    /// Classes C; index C is the null class of classifier-free guidance.
    pub num_classes: usize,
    /// Grid side g; an image has T = g * g tokens.
    pub grid_size: usize,
    /// The FFN width is rounded up to a multiple of this (256 in the public models).
    #[serde(default = "default_multiple_of")]
    pub multiple_of: usize,
    /// RMSNorm epsilon.
    #[serde(default = "default_norm_eps")]
    pub norm_eps: f32,
    /// RoPE base.
    #[serde(default = "default_rope_base")]
    pub rope_base: f32,
}

fn default_multiple_of() -> usize {
    256
}
fn default_norm_eps() -> f32 {
    1e-5
}
fn default_rope_base() -> f32 {
    10_000.0
}

impl TransformerConfig {
    /// Head width d.
    pub fn head_dim(&self) -> usize {
        self.dim / self.n_head
    }

    /// FFN width: `round_up(int(2 * 4 * D / 3), multiple_of)`.
    pub fn ffn_dim(&self) -> usize {
        (8 * self.dim / 3).next_multiple_of(self.multiple_of)
    }

    /// Tokens of an image, T = g * g.
    pub fn tokens(&self) -> usize {
        self.grid_size * self.grid_size
    }
}

/// Shape of the VQ tokenizer (LlamaGen's `VQModel`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VqConfig {
    /// Base channels.
    pub ch: usize,
    /// Channel multiplier per resolution; the downsampling is 2^(len - 1).
    pub ch_mult: Vec<usize>,
    /// Residual blocks per resolution (the decoder has one more).
    pub num_res_blocks: usize,
    /// Channels between encoder and quantizer.
    pub z_channels: usize,
    /// Codebook entries V.
    pub codebook_size: usize,
    /// Width of a code vector.
    pub codebook_embed_dim: usize,
    /// GroupNorm groups (32 in the public models).
    #[serde(default = "default_norm_groups")]
    pub norm_groups: usize,
}

fn default_norm_groups() -> usize {
    32
}

impl VqConfig {
    /// Downsampling factor f: an image of H pixels has a grid of H / f tokens a side.
    pub fn downsampling(&self) -> usize {
        1 << (self.ch_mult.len() - 1)
    }
}

/// Default patch rule of a model folder; see [`crate::patching`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchingConfig {
    /// How boundaries are chosen.
    #[serde(default)]
    pub mode: Mode,
    /// Entropy threshold in nats.
    pub threshold: f32,
    /// P_max; 0 means unlimited.
    pub max_patch_length: usize,
    /// Thresholds that the model was trained with, least and most, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained: Option<[f32; 2]>,
}

impl PatchingConfig {
    /// The patch rule of some controls, of a model whose training nothing is known of.
    pub fn of(controls: &Controls) -> Self {
        let max_patch_length = controls.p_max as usize;
        Self { mode: controls.mode, threshold: controls.threshold, max_patch_length, trained: None }
    }
}

/// Models that were published before `patching.trained` was, by their hash, and the thresholds of their training
/// (assets/model/MODEL_CARD.md: 3.3 nats, moved by up to 1 nat).
const TRAINED: &[(&str, [f32; 2])] = &[("b20e22993c723fb7", [2.3, 4.3])];

/// One model folder. `dpar` needs `entropy`; a plain LlamaGen folder has `baseline` and `vq`; `entropy` and `vq` alone look at
/// pictures and draw none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The unconditional entropy model.
    pub entropy: Option<TransformerConfig>,
    /// DPAR itself.
    pub dpar: Option<TransformerConfig>,
    /// The fixed-length baseline (LlamaGen).
    pub baseline: Option<TransformerConfig>,
    /// The entropy model is the baseline with its null class: `baseline.safetensors` holds the weights of both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub entropy_is_baseline: bool,
    /// The VQ tokenizer.
    pub vq: VqConfig,
    /// Default patch rule.
    pub patching: PatchingConfig,
    /// Default sampling.
    #[serde(default)]
    pub sampling: SamplingConfig,
    /// Class names; empty where a model has none (classes are then numbers).
    #[serde(default)]
    pub classes: Vec<String>,
    /// The group of each class, `None` for a group; empty where there are no groups. (C)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Option<usize>>,
    /// The emoji that show each class; empty where none are known. (C)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emoji: Vec<Vec<String>>,
    /// Other names of each class, which no two share; empty where none are known. (C)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Vec<String>>,
    /// What people say of each class, for a search; empty where nothing is known. (C)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<Vec<String>>,
    /// Names of the classes that come out best, the best first: what a viewer offers and draws by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub featured: Vec<String>,
    /// Names of the classes that hardly come out: a viewer lists them last in their group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<String>,
}

impl ModelConfig {
    /// The controls that a run of this model has where nobody sets others.
    pub fn controls(&self) -> Controls {
        Controls {
            mode: self.patching.mode,
            threshold: self.patching.threshold,
            p_max: u32::try_from(self.patching.max_patch_length).unwrap_or(0),
            sampling: self.sampling.clone(),
        }
    }

    /// Grid side g, shared by all models of the folder.
    pub fn grid(&self) -> usize {
        self.main().grid_size
    }

    /// Tokens of an image, T = g * g.
    pub fn tokens(&self) -> usize {
        self.grid() * self.grid()
    }

    /// Codebook entries V.
    pub fn vocab(&self) -> usize {
        self.vq.codebook_size
    }

    /// Classes C (without the null class).
    pub fn num_classes(&self) -> usize {
        self.main().num_classes
    }

    /// Image side in pixels, g * f.
    pub fn image_size(&self) -> usize {
        self.grid() * self.vq.downsampling()
    }

    /// The thresholds that the model of this hash was trained with, least and most in nats, where that is known.
    pub fn trained_thresholds(&self, hash: &str) -> Option<[f32; 2]> {
        let known = || TRAINED.iter().find(|(known, _)| *known == hash).map(|(_, range)| *range);
        self.patching.trained.or_else(known)
    }

    /// DPAR, or the baseline of a folder without DPAR, or the entropy model of one that draws nothing.
    fn main(&self) -> &TransformerConfig {
        let all = [&self.dpar, &self.baseline, &self.entropy];
        // ok: `check` refuses a folder with none.
        #[allow(clippy::expect_used)]
        all.into_iter().find_map(Option::as_ref).expect("checked: one of them is present") // ok:
    }

    /// What draws where nobody has said which; `None` where the folder only looks at pictures.
    pub fn generator(&self) -> Option<Generator> {
        let all = [(Generator::Dpar, &self.dpar), (Generator::Baseline, &self.baseline)];
        all.into_iter().find_map(|(generator, model)| model.is_some().then_some(generator))
    }

    /// What the folder is for, as a sentence.
    pub fn abilities(&self) -> &'static str {
        match (self.generator(), self.baseline.is_some(), self.entropy.is_some()) {
            (Some(Generator::Dpar), true, _) => {
                "draws with DPAR and with a fixed-length baseline, and looks at pictures"
            }
            (Some(Generator::Dpar), false, _) => "draws with DPAR, and looks at pictures",
            (Some(Generator::Baseline), _, true) => "draws with its fixed-length baseline, and looks at pictures",
            (Some(Generator::Baseline), _, false) => "draws with its fixed-length baseline",
            (None, ..) => "looks at pictures, and draws none: open an image",
        }
    }

    /// Refuses to draw with what the folder has not.
    ///
    /// # Errors
    /// [`Error::Request`] with what it has.
    pub fn check_generator(&self, wanted: Generator) -> Result<()> {
        let problem = match (wanted, self.generator()) {
            (Generator::Dpar, Some(Generator::Dpar)) => return Ok(()),
            (Generator::Baseline, Some(_)) if self.baseline.is_some() => return Ok(()),
            (_, None) => {
                "this model has a tokenizer and an entropy model alone: it shows how pictures are cut into patches (Open an image; \
                 dpar analyze), and draws none"
            }
            (Generator::Dpar, _) => {
                "this model has no DPAR: it draws with its fixed-length baseline (dpar generate --baseline)"
            }
            (Generator::Baseline, _) => {
                "this model has no fixed-length baseline: it draws with DPAR (without --baseline)"
            }
        };
        Err(Error::Request(problem.into()))
    }

    /// Whether a class is a group of others rather than a thing; without [`ModelConfig::parents`] none is.
    pub fn is_group(&self, class: usize) -> bool {
        self.parents.get(class).is_some_and(Option::is_none)
    }

    /// The things of a group, in order.
    pub fn members(&self, group: usize) -> impl Iterator<Item = usize> {
        self.parents.iter().enumerate().filter(move |(_, parent)| **parent == Some(group)).map(|(class, _)| class)
    }

    /// What is drawn where nobody has said what: the first of those that come out best.
    pub fn default_class(&self) -> usize {
        self.best().next().unwrap_or(0)
    }

    /// As it is, but for what only helps to find a class.
    #[must_use]
    pub fn without_search(&self) -> Self {
        Self { emoji: Vec::new(), aliases: Vec::new(), keywords: Vec::new(), ..self.clone() }
    }

    /// The things that come out best, the best first.
    pub fn best(&self) -> impl Iterator<Item = usize> {
        self.featured.iter().filter_map(|name| self.classes.iter().position(|class| class == name))
    }

    /// Whether a class hardly comes out.
    pub fn is_unclear(&self, class: usize) -> bool {
        self.classes.get(class).is_some_and(|name| self.unclear.contains(name))
    }

    /// The name of a class, or its number where the model names none.
    pub fn class_name(&self, id: usize) -> String {
        let name = self.classes.get(id).filter(|name| !name.trim().is_empty());
        name.cloned().unwrap_or_else(|| id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_IN: &[u8] = include_bytes!("../../assets/model/config.json");

    #[test]
    fn the_built_in_config_parses_and_knows_its_sizes() {
        let c = ModelConfig::parse(BUILT_IN, "config.json").unwrap();
        assert_eq!((c.grid(), c.tokens(), c.vocab(), c.image_size()), (16, 256, 1024, 128));
        assert_eq!(c.dpar.as_ref().unwrap().ffn_dim(), 512);
        assert_eq!((c.num_classes(), (0..557).filter(|class| c.is_group(*class)).count()), (557, 58));
        let birds: Vec<&str> = c.members(0).map(|class| c.classes[class].as_str()).collect();
        assert!(birds.contains(&"owl") && !birds.contains(&"bat"), "{birds:?}");
        assert!(c.best().all(|class| !c.is_group(class)), "what is featured is a thing");
    }
}
