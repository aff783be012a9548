//! What is known of a file that somebody else has written.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use safetensors::Dtype;

/// Reads a tensor's numbers, row after row, little-endian.
pub type ReadTensor = Box<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>;

/// A tensor of a file that somebody else has written; its numbers are not read yet.
pub struct ForeignTensor {
    /// What its numbers are stored as.
    pub dtype: Dtype,
    /// Its extents, the outermost first.
    pub shape: Vec<usize>,
    /// Where its numbers come from.
    pub read: ReadTensor,
}

impl fmt::Debug for ForeignTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.dtype, self.shape)
    }
}

/// All tensors of a file, or of the shards of one checkpoint.
#[derive(Debug)]
pub struct ForeignFile {
    /// What messages call it.
    pub label: String,
    /// By the names that it gives them: paths through its dictionaries, joined by dots.
    pub tensors: BTreeMap<String, ForeignTensor>,
    /// What else it holds that is no tensor: arguments of a training, say.
    pub others: Vec<String>,
}
