//! A model folder.

use std::borrow::Cow;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::config::ModelConfig;
use super::file::Checkpoint;
use super::plain_text;
use super::specs::{
    OF_THE_ENCODER, TensorSpec, dpar_tensors, token_model_tensors, vq_decoder_tensors, vq_encoder_tensors,
};
use super::stored::WeightFormat;
use crate::error::{Error, Result};

/// The tokenizer's encoder, where it has a file of its own.
const ENCODER: &str = "vq_encoder.safetensors";

/// A whole model folder: config and its checkpoints, shapes checked, values not yet decoded.
#[derive(Debug)]
pub struct ModelFiles {
    /// Where it came from, for messages and `info`.
    pub source: String,
    /// The parsed and checked `config.json`.
    pub config: ModelConfig,
    /// The VQ tokenizer, with or without its encoder.
    pub vq: Checkpoint,
    /// The tokenizer's encoder, where it has a file of its own (`vq_encoder.safetensors`) that has been read.
    vq_encoder: Option<Checkpoint>,
    /// The entropy model.
    pub entropy: Option<Checkpoint>,
    /// DPAR.
    pub dpar: Option<Checkpoint>,
    /// The fixed-length baseline.
    pub baseline: Option<Checkpoint>,
    /// What of `config.json` nobody reads, each as one sentence for people.
    pub notes: Vec<String>,
    /// Names the model in traces and links: the first 16 hex digits of a SHA-256 over the bytes of `config.json` (lines end
    /// with LF there, and no byte order mark counts),
    /// `vq`, `entropy`, `dpar` and `baseline`, in this order, as far as the folder has them. Where there is a `dpar` with an entropy
    /// model of its own the baseline is left out, and a tokenizer's encoder in a file of its own always: a page fetches them only when somebody asks for
    /// them, and the model must have its name before.
    pub hash: String,
    /// How the models' numbers are kept, where somebody has said so.
    format: Option<WeightFormat>,
}

impl ModelFiles {
    /// Reads a model folder: `config.json` and the `.safetensors` files it names.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Checkpoint`] naming the file.
    pub fn load_dir(dir: &Path) -> Result<Self> {
        Self::load(&dir.display().to_string(), |name| {
            let path = dir.join(name);
            std::fs::read(&path).map(Cow::Owned).map_err(|e| (path.display().to_string(), e.to_string()))
        })
    }

    /// Reads a model through `read`, which returns the bytes of a file of the folder, or (its name, why not).
    ///
    /// # Errors
    /// As [`ModelFiles::load_dir`].
    pub fn load<R>(source: &str, read: R) -> Result<Self>
    where
        R: Fn(&str) -> std::result::Result<Cow<'static, [u8]>, (String, String)>,
    {
        Self::load_some(source, read, Later::Nothing)
    }

    /// As [`ModelFiles::load`], but what comes `later` is not asked for yet, although the config names it.
    ///
    /// # Errors
    /// As [`ModelFiles::load`].
    pub fn load_some<R>(source: &str, read: R, later: Later) -> Result<Self>
    where
        R: Fn(&str) -> std::result::Result<Cow<'static, [u8]>, (String, String)>,
    {
        let json = read("config.json").map_err(|(file, why)| Error::Config {
            file,
            problem: format!("cannot be read ({why}); a model folder holds config.json and .safetensors files"),
        })?;
        let (config, notes) = ModelConfig::read(&json, &label(source, "config.json"))?;
        let mut hasher = Sha256::new();
        // The model is the same where git or an editor has changed the ends of the lines.
        hasher.update(plain_text::plain(&json));
        let open = |name: &str, specs: Vec<TensorSpec>| {
            let file = format!("{name}.safetensors");
            let bytes = read(&file).map_err(|(file, why)| Error::Checkpoint {
                file,
                problem: format!(
                    "cannot be read ({why}); config.json has a `{name}` model, so its weights must be there"
                ),
            })?;
            Checkpoint::open(&label(source, &file), bytes, &specs)
        };
        let vq = open("vq", vq_decoder_tensors(&config.vq))?;
        let encoder = vq_encoder_tensors(&config.vq);
        let mut vq_encoder = None;
        if vq.shape(OF_THE_ENCODER).is_ok() {
            vq.check(&encoder)?;
        } else if later == Later::Nothing {
            let bytes = read(ENCODER).map_err(|(file, why)| Error::Checkpoint {
                file,
                problem: format!("cannot be read ({why}); vq.safetensors has no encoder, so it must be there"),
            })?;
            vq_encoder = Some(Checkpoint::open(&label(source, ENCODER), bytes, &encoder)?);
        }
        let shared = config.entropy_is_baseline;
        let own_entropy = config.entropy.as_ref().filter(|_| !shared);
        let entropy = own_entropy.map(|c| open("entropy", token_model_tensors(c))).transpose()?;
        let dpar = config.dpar.as_ref().map(|c| open("dpar", dpar_tensors(c))).transpose()?;
        // A folder without DPAR is nothing without its baseline, nor is one whose entropy model it is.
        let put_off = later == Later::Rest && dpar.is_some() && !shared;
        let baseline = config.baseline.as_ref().filter(|_| !put_off);
        let baseline = baseline.map(|c| open("baseline", token_model_tensors(c))).transpose()?;
        let named_by_baseline = baseline.as_ref().filter(|_| dpar.is_none() || shared);
        for checkpoint in [Some(&vq), entropy.as_ref(), dpar.as_ref(), named_by_baseline].into_iter().flatten() {
            hasher.update(&checkpoint.bytes);
        }
        let hash = name_of(hasher);
        let entropy = if shared { baseline.clone() } else { entropy };
        let source = source.to_owned();
        Ok(Self { source, config, vq, vq_encoder, entropy, dpar, baseline, hash, notes, format: None })
    }

    /// The same with the numbers of its models' layers kept in another format than they are stored in, if that is asked for. Then it
    /// draws other pictures, so it has another name.
    #[must_use]
    pub fn kept(mut self, format: Option<WeightFormat>) -> Self {
        self.format = format;
        let models = [&mut self.entropy, &mut self.dpar, &mut self.baseline];
        let mut differs = None;
        for checkpoint in models.into_iter().flatten() {
            differs = differs.or(format.filter(|format| !checkpoint.is_stored_as(*format)));
            checkpoint.format = format;
        }
        if let Some(format) = differs {
            self.hash = name_of(Sha256::new().chain_update(&self.hash).chain_update(format!("{format:?}")));
        }
        self
    }

    /// The file with the tokenizer's encoder, where it is there.
    pub fn encoder(&self) -> Option<&Checkpoint> {
        if self.vq.shape(OF_THE_ENCODER).is_ok() { Some(&self.vq) } else { self.vq_encoder.as_ref() }
    }

    /// Reads the encoder that [`ModelFiles::load_some`] put off: the bytes of `vq_encoder.safetensors`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a damaged file.
    pub fn read_encoder(&self, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Checkpoint> {
        Checkpoint::open(&label(&self.source, ENCODER), bytes, &vq_encoder_tensors(&self.config.vq))
    }

    /// The weights as files of a model folder: each with its name and bytes, numbers as they are kept, the tokenizer in two files.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for damaged weights, [`Error::Internal`] where they cannot be written down.
    pub fn written(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let names = |specs: Vec<TensorSpec>| specs.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let vq = &self.config.vq;
        let mut files = vec![("vq.safetensors".to_owned(), self.vq.written(&names(vq_decoder_tensors(vq)))?)];
        if let Some(encoder) = self.encoder() {
            files.push((ENCODER.to_owned(), encoder.written(&names(vq_encoder_tensors(vq)))?));
        }
        let c = &self.config;
        for (name, checkpoint, specs) in [
            ("entropy", &self.entropy, c.entropy.as_ref().filter(|_| !c.entropy_is_baseline).map(token_model_tensors)),
            ("dpar", &self.dpar, c.dpar.as_ref().map(dpar_tensors)),
            ("baseline", &self.baseline, c.baseline.as_ref().map(token_model_tensors)),
        ] {
            if let (Some(checkpoint), Some(specs)) = (checkpoint, specs) {
                files.push((format!("{name}.safetensors"), checkpoint.written(&names(specs))?));
            }
        }
        Ok(files)
    }

    /// Whether the config names a baseline whose weights are not there yet.
    pub fn awaits_baseline(&self) -> bool {
        self.config.baseline.is_some() && self.baseline.is_none()
    }

    /// Adds the baseline that [`ModelFiles::load_some`] put off: the bytes of `baseline.safetensors`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a damaged file, [`Error::Request`] where the config has no baseline.
    pub fn add_baseline(&mut self, bytes: impl Into<Cow<'static, [u8]>>) -> Result<()> {
        let Some(config) = &self.config.baseline else {
            return Err(Error::Request(format!("{} has no `baseline` model: its config.json names none", self.source)));
        };
        let file = label(&self.source, "baseline.safetensors");
        let mut baseline = Checkpoint::open(&file, bytes, &token_model_tensors(config))?;
        baseline.format = self.format;
        self.baseline = Some(baseline);
        Ok(())
    }
}

/// What [`ModelFiles::load_some`] leaves for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Everything is there now.
    Nothing,
    /// What drawing with DPAR needs is there now; the weights of the fixed-length baseline, where the folder also has a DPAR model,
    /// and the tokenizer's encoder, where it has a file of its own, are not.
    Rest,
}

/// The first 16 hex digits.
fn name_of(hasher: Sha256) -> String {
    hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// A file of a model folder, as messages name it.
fn label(source: &str, name: &str) -> String {
    Path::new(source).join(name).display().to_string()
}
