//! safetensors <-> named tensors, checked against the config before anything is allocated on a device.
//!
//! Parameter names and layouts are those of the public PyTorch checkpoints (dpar.md section 10): `Linear` weights are
//! `[out, in]`, convolutions `[out, in, kh, kw]`. Values may be f32, f16 or bf16. Tensors a model does not use are
//! ignored (public files carry a few), tensors it needs must be there with exactly the shape its config implies.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

pub mod config;
mod header;
pub mod json;
mod parse;
pub mod plain_text;
pub mod random;
mod specs;
pub mod version;

use self::config::ModelConfig;
pub use self::specs::{TensorSpec, dpar_tensors, token_model_tensors, vq_tensors};
use crate::error::{Error, Result};

/// One `.safetensors` file whose header was read and whose needed tensors were checked.
#[derive(Debug)]
pub struct Checkpoint {
    file: String,
    bytes: Cow<'static, [u8]>,
    tensors: BTreeMap<String, TensorEntry>,
}

#[derive(Debug)]
struct TensorEntry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl Checkpoint {
    /// Reads the header of `bytes` and checks every tensor in `specs`. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a broken header, a missing tensor, another shape, or a type that is not a float.
    pub fn open(file: &str, bytes: impl Into<Cow<'static, [u8]>>, specs: &[TensorSpec]) -> Result<Self> {
        let bytes = bytes.into();
        let bad = |problem: String| Error::Checkpoint { file: file.to_owned(), problem };
        if let Some(name) = header::named_twice(&bytes) {
            return Err(bad(format!("has two tensors of the name `{name}`: which of them is meant it does not say")));
        }
        let parsed = SafeTensors::deserialize(&bytes).map_err(|e| bad(header::explain(&bytes, &e)))?;
        let base = bytes.as_ptr() as usize;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.iter() {
            let start = view.data().as_ptr() as usize - base;
            let entry = TensorEntry {
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                range: start..start + view.data().len(),
            };
            tensors.insert(name.to_owned(), entry);
        }
        drop(parsed);
        for (name, shape) in specs {
            let Some(found) = tensors.get(name) else {
                return Err(bad(format!(
                    "has no tensor `{name}` (its config asks for shape {shape:?}); is this the right file for its config.json?"
                )));
            };
            if &found.shape != shape {
                return Err(bad(format!("`{name}` has shape {:?}, its config.json asks for {shape:?}", found.shape)));
            }
            if !matches!(found.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(bad(format!("`{name}` is stored as {:?}; f32, f16 and bf16 are supported", found.dtype)));
            }
        }
        Ok(Self { file: file.to_owned(), bytes, tensors })
    }

    /// The file's name, as used in messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Size of the whole file in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Number of parameters in the file.
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(|t| t.shape.iter().product::<usize>()).sum()
    }

    /// Shape of a tensor.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where it is missing.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.entry(name)?.shape)
    }

    /// A tensor's values as f32, row-major.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the tensor is missing or holds NaN or infinity.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let entry = self.entry(name)?;
        let bytes = &self.bytes[entry.range.clone()];
        let pairs = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let values: Vec<f32> = match entry.dtype {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => pairs.map(|b| f16::from_bits(b).to_f32()).collect(),
            Dtype::BF16 => pairs.map(|b| bf16::from_bits(b).to_f32()).collect(),
            other => return Err(self.bad(format!("`{name}` is stored as {other:?}; f32, f16 and bf16 are supported"))),
        };
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(self.bad(format!(
                "`{name}` holds {} at element {at}: the weights are damaged (or diverged in training)",
                values[at]
            )));
        }
        Ok(values)
    }

    fn entry(&self, name: &str) -> Result<&TensorEntry> {
        self.tensors.get(name).ok_or_else(|| self.bad(format!("has no tensor `{name}`")))
    }

    fn bad(&self, problem: String) -> Error {
        Error::Checkpoint { file: self.file.clone(), problem }
    }
}

/// A whole model folder: config and its checkpoints, shapes checked, values not yet decoded.
#[derive(Debug)]
pub struct ModelFiles {
    /// Where it came from, for messages and `info`.
    pub source: String,
    /// The parsed and checked `config.json`.
    pub config: ModelConfig,
    /// The VQ tokenizer.
    pub vq: Checkpoint,
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
    /// `vq`, `entropy`, `dpar` and `baseline`, in this order, as far as the folder has them. Where there is a `dpar` the
    /// baseline is left out: a page fetches it only when somebody asks for it, and the model must have its name before.
    pub hash: String,
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
        let vq = open("vq", vq_tensors(&config.vq))?;
        let entropy = config.entropy.as_ref().map(|c| open("entropy", token_model_tensors(c))).transpose()?;
        let dpar = config.dpar.as_ref().map(|c| open("dpar", dpar_tensors(c))).transpose()?;
        // A folder without DPAR is nothing without its baseline.
        let put_off = later == Later::Baseline && dpar.is_some();
        let baseline = config.baseline.as_ref().filter(|_| !put_off);
        let baseline = baseline.map(|c| open("baseline", token_model_tensors(c))).transpose()?;
        let named_by_baseline = baseline.as_ref().filter(|_| dpar.is_none());
        for checkpoint in [Some(&vq), entropy.as_ref(), dpar.as_ref(), named_by_baseline].into_iter().flatten() {
            hasher.update(&checkpoint.bytes);
        }
        let hash = hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
        Ok(Self { source: source.to_owned(), config, vq, entropy, dpar, baseline, hash, notes })
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
        self.baseline = Some(Checkpoint::open(&file, bytes, &token_model_tensors(config))?);
        Ok(())
    }
}

/// What [`ModelFiles::load_some`] leaves for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Everything is there now.
    Nothing,
    /// The weights of the fixed-length baseline, where the folder also has a DPAR model.
    Baseline,
}

/// A file of a model folder, as messages name it.
fn label(source: &str, name: &str) -> String {
    Path::new(source).join(name).display().to_string()
}

#[cfg(test)]
mod tests;
