//! From a checkpoint to a device.

use burn::tensor::{Device, Tensor, TensorData};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// Uploads tensors of one checkpoint to one device, under a name prefix that grows with the module tree.
#[derive(Clone, Debug)]
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    prefix: String,
}

impl<'a> Weights<'a> {
    /// The root of `checkpoint`.
    pub fn new(checkpoint: &'a Checkpoint, device: &'a Device) -> Self {
        Self { checkpoint, device, prefix: String::new() }
    }

    /// The module `name` below this one: `weights.at("layers.0").at("attention")`.
    pub fn at(&self, name: &str) -> Self {
        Self { prefix: format!("{}{name}.", self.prefix), ..self.clone() }
    }

    /// Uploads the tensor `name` of this module, in the checkpoint's shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where it is missing or damaged, [`Error::Internal`] where it does not have D dimensions
    /// (the checkpoint's shapes were checked against the config when it was opened).
    pub fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>> {
        let name = format!("{}{name}", self.prefix);
        let shape = self.checkpoint.shape(&name)?;
        if shape.len() != D {
            return Err(Error::Internal(format!("`{name}` has {} dimensions, not {D}", shape.len())));
        }
        let data = TensorData::new(self.checkpoint.f32(&name)?, shape.to_vec());
        Ok(Tensor::from_data(data, self.device))
    }
}
