//! Reading `config.json`: every number is checked before anything is allocated, so that a config which passes describes
//! tensors whose sizes fit in memory arithmetic everywhere else.

use super::config::{ModelConfig, TransformerConfig, VqConfig};
use super::json;
use super::version::Version;
use crate::error::{Error, Result};

/// The form of model folders that is read.
const VERSION: Version = Version(1);
/// What they are called in messages.
const WHAT: &str = "a model config";

impl ModelConfig {
    /// Reads and checks `config.json`. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Config`] for broken JSON or any size outside the supported range, naming the field.
    pub fn parse(json: &[u8], file: &str) -> Result<Self> {
        Self::checked(json, file, |text| Ok((json::parse(text, WHAT)?, Vec::new()))).map(|(config, _)| config)
    }

    /// As [`ModelConfig::parse`]; with it, a sentence for each key that nobody reads.
    ///
    /// # Errors
    /// As [`ModelConfig::parse`].
    pub fn read(json: &[u8], file: &str) -> Result<(Self, Vec<String>)> {
        Self::checked(json, file, |text| json::read(text, WHAT))
    }

    fn checked(
        json: &[u8],
        file: &str,
        parse: impl Fn(&[u8]) -> std::result::Result<(Self, Vec<String>), String>,
    ) -> Result<(Self, Vec<String>)> {
        let bad = |problem: String| Error::Config { file: file.to_owned(), problem };
        let text = json::text(json).map_err(bad)?;
        Version::check(&text, WHAT, VERSION).map_err(bad)?;
        let (config, notes) = parse(&text).map_err(bad)?;
        config.check().map_err(bad)?;
        Ok((config, notes.into_iter().map(|note| format!("{file}: {note}")).collect()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.dpar.is_none() && self.baseline.is_none() && self.entropy.is_none() {
            return Err(
                "names none of `dpar`, `baseline` and `entropy`: there is nothing to draw or to look at pictures with"
                    .into(),
            );
        }
        if self.dpar.is_some() && self.entropy.is_none() {
            return Err("has `dpar` but no `entropy` model: DPAR needs one to place patch boundaries".into());
        }
        if self.entropy_is_baseline && (self.entropy.is_none() || self.entropy != self.baseline) {
            return Err("says `entropy_is_baseline`, but `entropy` and `baseline` are not the same".into());
        }
        check_vq(&self.vq)?;
        if let Some([least, most]) = self.patching.trained
            && !(least.is_finite() && most.is_finite() && 0.0 <= least && least <= most)
        {
            return Err("`patching.trained` must be two thresholds in nats, the least first".into());
        }
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
        if let Some(name) = self.unclear.iter().find(|name| !self.classes.contains(name)) {
            return Err(format!("calls \"{name}\" unclear, which is none of its classes"));
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
    }
    if let Some(channels) = normed_channels(c).find(|channels| !channels.is_multiple_of(c.norm_groups)) {
        return Err(format!("`vq` has {channels} channels, not a multiple of `vq.norm_groups` {}", c.norm_groups));
    }
    Ok(())
}

/// The channels that a GroupNorm of the tokenizer may see: those of every level, and the `ch` that the encoder begins with.
fn normed_channels(c: &VqConfig) -> impl Iterator<Item = usize> {
    std::iter::once(c.ch).chain(c.ch_mult.iter().map(|m| c.ch * m))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkpoint::vq_tensors;

    /// A way to damage a file.
    #[derive(Clone, Debug)]
    enum Damage {
        Cut,
        Byte(u8),
        Number(i64),
        Twice,
    }

    fn damage() -> impl Strategy<Value = Damage> {
        prop_oneof![
            Just(Damage::Cut),
            any::<u8>().prop_map(Damage::Byte),
            prop_oneof![any::<i64>(), -2i64..70].prop_map(Damage::Number),
            Just(Damage::Twice),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The small model's config, damaged: it is read or refused in one sentence, and what is read can be asked everything.
        #[test]
        fn no_damage_to_a_config_panics(all in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4)) {
            let mut bytes = include_bytes!("../../tests/fixtures/tiny/config.json").to_vec();
            for (at, damage) in all {
                let at = at.index(bytes.len());
                match damage {
                    Damage::Cut => bytes.truncate(at.max(1)),
                    Damage::Byte(byte) => bytes[at] = byte,
                    Damage::Number(number) => {
                        // Of the numbers behind it the first.
                        let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit).map(|n| at + n) else { continue };
                        let end = bytes[from..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| from + n);
                        bytes.splice(from..end, number.to_string().into_bytes());
                    }
                    Damage::Twice => {
                        let rest = bytes[at..].to_vec();
                        bytes.extend(rest);
                    }
                }
            }
            match ModelConfig::read(&bytes, "config.json") {
                Ok((config, notes)) => {
                    prop_assert!(config.tokens() > 0 && config.image_size() > 0 && config.controls().check().is_ok());
                    prop_assert!(notes.iter().all(|note| note.lines().count() == 1), "{:?}", notes);
                }
                Err(e) => prop_assert!(e.to_string().lines().count() == 1, "{}", e),
            }
        }
    }

    const BUILT_IN: &[u8] = include_bytes!("../../assets/model/config.json");

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
            ("\"featured\": [", "\"unclear\": [\"unicorns\"], \"featured\": [", "calls \"unicorns\" unclear"),
        ] {
            let e = ModelConfig::parse(text.replacen(from, to, 1).as_bytes(), "x/config.json").unwrap_err().to_string();
            assert!(e.starts_with("x/config.json: ") && e.contains(says), "{from} -> {to}: {e}");
        }
    }
    #[test]
    fn the_channels_of_every_group_norm_are_checked() {
        let text = String::from_utf8(BUILT_IN.to_vec()).unwrap();
        // All levels are 8 wide; the first norm of the encoder sees the 4 channels of `conv_in`.
        let narrow = text.replacen("\"ch\": 16", "\"ch\": 4", 1);
        let narrow = narrow.replacen("\"ch_mult\": [1, 2, 4, 8]", "\"ch_mult\": [2, 2, 2, 2]", 1);
        let e = ModelConfig::parse(narrow.as_bytes(), "x/config.json").unwrap_err().to_string();
        assert_eq!(e, "x/config.json: `vq` has 4 channels, not a multiple of `vq.norm_groups` 8");

        // Every norm there is, by the shapes that the checkpoint must have.
        let vq = VqConfig { ch: 6, ch_mult: vec![3, 1, 5], ..ModelConfig::parse(BUILT_IN, "x").unwrap().vq };
        let norms = vq_tensors(&vq).into_iter().filter(|(name, _)| name.contains("norm") && name.ends_with("weight"));
        let norms: Vec<(String, usize)> = norms.map(|(name, shape)| (name, shape[0])).collect();
        assert!(norms.len() > 20);
        for (name, channels) in norms {
            assert!(normed_channels(&vq).any(|c| c == channels), "{name} has {channels} channels");
        }
    }
}
