//! A part of an imported model -> a safetensors file, one tensor in memory at a time.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{View, serialize_to_file};

use super::assemble::{ImportedPart, PartTensor};
use crate::error::{Error, Result};

impl ImportedPart<'_> {
    /// Bytes of all its numbers.
    pub fn bytes(&self) -> usize {
        self.tensors.iter().map(PartTensor::bytes).sum()
    }

    /// Writes it to `path`. `done` hears of the bytes of each tensor that is written.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where a tensor cannot be read, [`Error::Output`] where it cannot be written.
    pub fn write(&self, path: &Path, done: &dyn Fn(usize)) -> Result<()> {
        let failed = RefCell::new(None);
        let views = self.tensors.iter().map(|tensor| {
            let view = LazyTensor { tensor, file: self.file, failed: &failed, done };
            (tensor.name.as_str(), view)
        });
        let written = serialize_to_file(views, None::<HashMap<String, String>>, path);
        if let Some(e) = failed.into_inner() {
            return Err(e);
        }
        written.map_err(|e| Error::Output { file: path.display().to_string(), problem: e.to_string() })
    }
}

impl PartTensor<'_> {
    fn bytes(&self) -> usize {
        self.from.shape.iter().product::<usize>() * self.from.dtype.bitsize() / 8
    }
}

/// A tensor that is read when it is written. The writer knows no errors of what it writes: the first is kept, and zeros go out.
struct LazyTensor<'a> {
    tensor: &'a PartTensor<'a>,
    file: &'a str,
    failed: &'a RefCell<Option<Error>>,
    done: &'a dyn Fn(usize),
}

impl View for LazyTensor<'_> {
    fn dtype(&self) -> Dtype {
        self.tensor.from.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.from.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let wanted = self.data_len();
        let problem = match (self.tensor.from.read)() {
            Ok(bytes) if bytes.len() == wanted => {
                (self.done)(wanted);
                return Cow::Owned(bytes);
            }
            Ok(bytes) => format!("`{}` has {} bytes, {wanted} are needed", self.tensor.name, bytes.len()),
            Err(e) => format!("`{}` cannot be read ({e})", self.tensor.name),
        };
        self.failed.borrow_mut().get_or_insert(Error::Checkpoint { file: self.file.to_owned(), problem });
        Cow::Owned(vec![0; wanted])
    }

    fn data_len(&self) -> usize {
        self.tensor.bytes()
    }
}
