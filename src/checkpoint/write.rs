//! Named tensors -> safetensors.

use std::borrow::Cow;
use std::collections::HashMap;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::file::Checkpoint;
use super::stored::{StoredMatrix, fits_f16};
use crate::error::{Error, Result};

/// A tensor on its way into a file: name, type, shape, bytes.
type WrittenTensor<'a> = (String, Dtype, Vec<usize>, Cow<'a, [u8]>);

impl Checkpoint {
    /// The bytes of a file with these tensors, as they are kept.
    pub(super) fn written(&self, names: &[String]) -> Result<Vec<u8>> {
        let mut parts: Vec<WrittenTensor<'_>> = Vec::new();
        for name in names {
            let entry = self.entry(name)?;
            let (shape, scale) = (entry.shape.clone(), format!("{name}.scale"));
            if self.format.is_none() {
                parts.push((name.clone(), entry.dtype, shape, Cow::Borrowed(&self.bytes[entry.range.clone()])));
                if let (Dtype::I8, Ok(scales)) = (entry.dtype, self.entry(&scale)) {
                    let bytes = Cow::Borrowed(&self.bytes[scales.range.clone()]);
                    parts.push((scale, scales.dtype, scales.shape.clone(), bytes));
                }
                continue;
            }
            let cols = shape.last().copied().unwrap_or(1);
            let f32s = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
            match self.stored(name)? {
                StoredMatrix::Halves(values) if fits_f16(&values, cols) => {
                    let halves = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
                    parts.push((name.clone(), Dtype::F16, shape, halves));
                }
                StoredMatrix::Halves(values) | StoredMatrix::Floats(values) => {
                    parts.push((name.clone(), Dtype::F32, shape, f32s(&values)));
                }
                StoredMatrix::Int8 { values, scales } => {
                    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    parts.push((scale, Dtype::F32, vec![scales.len()], f32s(&scales)));
                    parts.push((name.clone(), Dtype::I8, shape, bytes));
                }
            }
        }
        let internal = |e: safetensors::SafeTensorError| Error::Internal(format!("{}: {e}", self.file));
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in &parts {
            views.push((name.clone(), TensorView::new(*dtype, shape.clone(), bytes).map_err(internal)?));
        }
        safetensors::serialize(views, None::<HashMap<String, String>>).map_err(internal)
    }
}
