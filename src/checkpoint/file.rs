//! One file of named tensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::header;
use super::specs::TensorSpec;
use super::stored::{StoredMatrix, WeightFormat};
use crate::error::{Error, Result};

/// One `.safetensors` file whose header was read and whose needed tensors were checked. A clone shares its bytes.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub(super) file: String,
    pub(super) bytes: Bytes,
    tensors: BTreeMap<String, TensorEntry>,
    /// How its numbers are to be kept; as they are stored where nobody has said.
    pub(super) format: Option<WeightFormat>,
}

#[derive(Clone, Debug)]
pub(super) struct TensorEntry {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

impl Checkpoint {
    /// Reads the header of `bytes` and checks every tensor in `specs`. `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a broken header, a missing tensor, another shape, or a type that is not a float.
    pub fn open(file: &str, bytes: impl Into<Cow<'static, [u8]>>, specs: &[TensorSpec]) -> Result<Self> {
        let bytes = match bytes.into() {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
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
        let checkpoint = Self { file: file.to_owned(), bytes, tensors, format: None };
        checkpoint.check(specs)?;
        Ok(checkpoint)
    }

    /// Checks every tensor in `specs`.
    pub(super) fn check(&self, specs: &[TensorSpec]) -> Result<()> {
        for (name, shape) in specs {
            let Some(found) = self.tensors.get(name) else {
                return Err(self.bad(format!(
                    "has no tensor `{name}` (its config asks for shape {shape:?}); is this the right file for its config.json?"
                )));
            };
            if &found.shape != shape {
                return Err(
                    self.bad(format!("`{name}` has shape {:?}, its config.json asks for {shape:?}", found.shape))
                );
            }
            if found.dtype == Dtype::I8 {
                scales_of(name, found, &self.tensors).map_err(|problem| self.bad(problem))?;
            } else if !matches!(found.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(self.bad(format!("`{name}` is stored as {:?}; {FORMATS}", found.dtype)));
            }
        }
        Ok(())
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
        self.own().map(|(_, t)| t.shape.iter().product::<usize>()).sum()
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
        self.stored(name).map(StoredMatrix::into_f32)
    }

    /// A tensor's values as they are kept, row-major; a vector is one row.
    ///
    /// # Errors
    /// As [`Checkpoint::f32`].
    pub fn stored(&self, name: &str) -> Result<StoredMatrix> {
        let entry = self.entry(name)?;
        let bytes = &self.bytes[entry.range.clone()];
        let pairs = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let finite = |name: &str, values: Vec<f32>| match values.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(self.bad(format!(
                "`{name}` holds {} at element {at}: the weights are damaged (or diverged in training)",
                values[at]
            ))),
            None => Ok(values),
        };
        let stored = match entry.dtype {
            Dtype::F32 => StoredMatrix::Floats(finite(name, floats(bytes))?),
            Dtype::F16 => StoredMatrix::Halves(finite(name, pairs.map(|b| f16::from_bits(b).to_f32()).collect())?),
            Dtype::BF16 => StoredMatrix::Halves(finite(name, pairs.map(|b| bf16::from_bits(b).to_f32()).collect())?),
            Dtype::I8 => {
                let scales = scales_of(name, entry, &self.tensors).map_err(|problem| self.bad(problem))?;
                let scales = finite(&format!("{name}.scale"), floats(&self.bytes[scales.range.clone()]))?;
                StoredMatrix::Int8 { values: bytemuck::cast_slice(bytes).to_vec(), scales }
            }
            other => return Err(self.bad(format!("`{name}` is stored as {other:?}; {FORMATS}"))),
        };
        let cols = entry.shape.last().copied().unwrap_or(1);
        Ok(match self.format {
            Some(format) => stored.kept(cols, format.of(name, &entry.shape)),
            None => stored,
        })
    }

    /// Whether that is how its numbers are stored.
    pub(super) fn is_stored_as(&self, format: WeightFormat) -> bool {
        let of = |dtype| match dtype {
            Dtype::F32 => Some(WeightFormat::F32),
            Dtype::F16 => Some(WeightFormat::F16),
            Dtype::I8 => Some(WeightFormat::Int8),
            _ => None,
        };
        self.own().all(|(name, tensor)| of(tensor.dtype) == Some(format.of(name, &tensor.shape)))
    }

    /// Its tensors without the scales of others.
    fn own(&self) -> impl Iterator<Item = (&String, &TensorEntry)> {
        let is_scale = |name: &str| name.strip_suffix(".scale").is_some_and(|of| self.tensors.contains_key(of));
        self.tensors.iter().filter(move |(name, _)| !is_scale(name))
    }

    pub(super) fn entry(&self, name: &str) -> Result<&TensorEntry> {
        self.tensors.get(name).ok_or_else(|| self.bad(format!("has no tensor `{name}`")))
    }

    fn bad(&self, problem: String) -> Error {
        Error::Checkpoint { file: self.file.clone(), problem }
    }
}

/// What tensors may be stored as.
const FORMATS: &str = "f32, f16, bf16 and int8 with scales are supported";

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// What the rows of an int8 tensor are multiplied with, or what is wrong with it.
fn scales_of<'a>(
    name: &str,
    of: &TensorEntry,
    tensors: &'a BTreeMap<String, TensorEntry>,
) -> std::result::Result<&'a TensorEntry, String> {
    let [rows, _] = of.shape[..] else {
        return Err(format!("`{name}` is stored as int8, which is for matrices; its shape is {:?}", of.shape));
    };
    match tensors.get(&format!("{name}.scale")) {
        None => Err(format!("`{name}` is stored as int8, but the file has no `{name}.scale` (one f32 for each row)")),
        Some(scales) if scales.dtype == Dtype::F32 && scales.shape == [rows] => Ok(scales),
        Some(other) => Err(format!(
            "`{name}.scale` is {:?} of shape {:?}; an int8 matrix of {rows} rows has one f32 for each",
            other.dtype, other.shape
        )),
    }
}
