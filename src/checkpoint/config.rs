//! What a model folder's `config.json` says: the shapes of the four models, the patch rule, the sampling defaults.
//!
//! Field names are those of the public PyTorch code (LlamaGen's `ModelArgs` and `VQModel`), so a config can be
//! written by `json.dump` of the training code. [`ModelConfig::parse`] checks every number before anything is
//! allocated: a config that passes describes tensors whose sizes fit in memory arithmetic everywhere below.

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
}

/// One model folder. `dpar` needs `entropy`; a plain LlamaGen folder has only `baseline` and `vq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The unconditional entropy model.
    pub entropy: Option<TransformerConfig>,
    /// DPAR itself.
    pub dpar: Option<TransformerConfig>,
    /// The fixed-length baseline (LlamaGen).
    pub baseline: Option<TransformerConfig>,
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
}

impl ModelConfig {
    /// Reads and checks `config.json`. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Config`] for broken JSON or any size outside the supported range, naming the field.
    pub fn parse(json: &[u8], file: &str) -> Result<Self> {
        let bad = |problem: String| Error::Config { file: file.to_owned(), problem };
        let config: Self = serde_json::from_slice(json).map_err(|e| bad(format!("is not a model config: {e}")))?;
        config.check().map_err(bad)?;
        Ok(config)
    }

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

    /// DPAR, or the baseline of a folder without DPAR.
    fn main(&self) -> &TransformerConfig {
        // ok: `check` refuses a folder with neither.
        #[allow(clippy::expect_used)]
        self.dpar.as_ref().or(self.baseline.as_ref()).expect("checked: dpar or baseline is present") // ok:
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

    /// The name of a class, or its number where the model names none.
    pub fn class_name(&self, id: usize) -> String {
        self.classes.get(id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.dpar.is_none() && self.baseline.is_none() {
            return Err("names neither `dpar` nor `baseline`: there is nothing to generate with".into());
        }
        if self.dpar.is_some() && self.entropy.is_none() {
            return Err("has `dpar` but no `entropy` model: DPAR needs one to place patch boundaries".into());
        }
        check_vq(&self.vq)?;
        let named = [("entropy", &self.entropy), ("dpar", &self.dpar), ("baseline", &self.baseline)];
        let (grid, vocab) = (self.grid(), self.vq.codebook_size);
        for (name, c) in named.into_iter().filter_map(|(n, c)| c.as_ref().map(|c| (n, c))) {
            check_transformer(name, c)?;
            if c.grid_size != grid {
                return Err(format!(
                    "`{name}.grid_size` is {}, but another model of the folder says {grid}",
                    c.grid_size
                ));
            }
            if c.vocab_size != vocab {
                return Err(format!("`{name}.vocab_size` is {}, but `vq.codebook_size` is {vocab}", c.vocab_size));
            }
        }
        if let (Some(d), Some(b)) = (&self.dpar, &self.baseline)
            && d.num_classes != b.num_classes
        {
            return Err(format!(
                "`dpar.num_classes` is {} but `baseline.num_classes` is {}",
                d.num_classes, b.num_classes
            ));
        }
        if !self.classes.is_empty() && self.classes.len() != self.num_classes() {
            return Err(format!("lists {} class names for {} classes", self.classes.len(), self.num_classes()));
        }
        self.check_names()?;
        self.controls().check().map_err(|e| format!("its default settings cannot be used: {e}"))?;
        Ok(())
    }
}

impl ModelConfig {
    fn check_names(&self) -> std::result::Result<(), String> {
        let (names, parents) = (self.classes.len(), &self.parents);
        let lists = [("parents", parents.len()), ("emoji", self.emoji.len())];
        let said = [("aliases", self.aliases.len()), ("keywords", self.keywords.len())];
        if let Some((field, count)) = lists.into_iter().chain(said).find(|(_, count)| *count != 0 && *count != names) {
            return Err(format!(
                "has {count} `{field}` for {names} class names: one is needed for each, or none at all"
            ));
        }
        for (class, group) in parents.iter().enumerate().filter_map(|(class, parent)| Some((class, (*parent)?))) {
            if group >= names || !self.is_group(group) {
                return Err(format!(
                    "says class {class} belongs to class {group}, which is no group (its parent is not null)"
                ));
            }
        }
        if let Some(name) = self.featured.iter().find(|name| !self.classes.contains(name)) {
            return Err(format!("features \"{name}\", which is none of its classes"));
        }
        Ok(())
    }
}

fn in_range(field: &str, value: usize, low: usize, high: usize) -> std::result::Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("`{field}` is {value}, supported are {low} to {high}"))
}

fn check_transformer(name: &str, c: &TransformerConfig) -> std::result::Result<(), String> {
    let f = |field: &str| format!("{name}.{field}");
    in_range(&f("dim"), c.dim, 16, 2560)?;
    in_range(&f("n_head"), c.n_head, 1, 160)?;
    if !c.dim.is_multiple_of(c.n_head) {
        return Err(format!("`{name}.dim` {} is not a multiple of `{name}.n_head` {}", c.dim, c.n_head));
    }
    in_range(&f("dim / n_head"), c.head_dim(), 16, 128)?;
    let step = if name == "dpar" { 16 } else { 4 };
    if !c.head_dim().is_multiple_of(step) {
        return Err(format!("`{name}` has heads {} wide: its RoPE needs a multiple of {step}", c.head_dim()));
    }
    in_range(&f("n_layer"), c.n_layer, 1, 256)?;
    if name == "dpar" {
        in_range(&f("n_local_encoder_layers"), c.n_local_encoder_layers, 1, 64)?;
        in_range(&f("n_local_decoder_layers"), c.n_local_decoder_layers, 1, 64)?;
    } else {
        in_range(&f("n_local_encoder_layers"), c.n_local_encoder_layers, 0, 0)?;
        in_range(&f("n_local_decoder_layers"), c.n_local_decoder_layers, 0, 0)?;
    }
    in_range(&f("vocab_size"), c.vocab_size, 2, 65_536)?;
    in_range(&f("num_classes"), c.num_classes, 1, 1_000_000)?;
    in_range(&f("grid_size"), c.grid_size, 4, 64)?;
    in_range(&f("multiple_of"), c.multiple_of, 1, 4096)?;
    if !(c.norm_eps.is_finite() && c.norm_eps > 0.0 && c.rope_base.is_finite() && c.rope_base > 1.0) {
        return Err(format!("`{name}.norm_eps` must be above 0 and `{name}.rope_base` above 1"));
    }
    Ok(())
}

fn check_vq(c: &VqConfig) -> std::result::Result<(), String> {
    in_range("vq.ch", c.ch, 1, 1024)?;
    if !(2..=5).contains(&c.ch_mult.len()) {
        return Err(format!(
            "`vq.ch_mult` has {} entries: 2 to 5 are supported (downsampling 2, 4, 8, 16)",
            c.ch_mult.len()
        ));
    }
    in_range("vq.num_res_blocks", c.num_res_blocks, 1, 16)?;
    in_range("vq.z_channels", c.z_channels, 1, 4096)?;
    in_range("vq.codebook_size", c.codebook_size, 2, 65_536)?;
    in_range("vq.codebook_embed_dim", c.codebook_embed_dim, 1, 1024)?;
    in_range("vq.norm_groups", c.norm_groups, 1, 1024)?;
    for &m in &c.ch_mult {
        in_range("vq.ch_mult", m, 1, 64)?;
        if !(c.ch * m).is_multiple_of(c.norm_groups) {
            return Err(format!(
                "`vq` has {} channels, not a multiple of `vq.norm_groups` {}",
                c.ch * m,
                c.norm_groups
            ));
        }
    }
    Ok(())
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

    #[test]
    fn contradictions_are_named() {
        let text = String::from_utf8(BUILT_IN.to_vec()).unwrap();
        for (from, to, says) in [
            ("\"dim\": 192", "\"dim\": 190", "entropy.dim"),
            ("\"n_head\": 3", "\"n_head\": 1", "dim / n_head"),
            ("\"threshold\": 4.3", "\"threshold\": 1e999", "config"),
            ("\"codebook_size\": 1024", "\"codebook_size\": 512", "vocab_size"),
            ("\"grid_size\": 16", "\"grid_size\": 4000000000", "grid_size"),
            ("\"norm_groups\": 8", "\"norm_groups\": 7", "norm_groups"),
            ("\"parents\": [", "\"parents\": [null,", "558 `parents` for 557 class names"),
            ("\"featured\": [", "\"featured\": [\"unicorns\", ", "features \"unicorns\""),
        ] {
            let e = ModelConfig::parse(text.replacen(from, to, 1).as_bytes(), "x/config.json").unwrap_err().to_string();
            assert!(e.starts_with("x/config.json: ") && e.contains(says), "{from} -> {to}: {e}");
        }
    }
}
