//! What the models do with tensors besides their layers: indices, entropies, reading back.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DataError, Device, ExecutionError, Int, Tensor, TensorData};

use crate::error::{Error, Result};

/// Integers on a device, as indices. (n)
pub fn indices(values: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    // i32 is what every wgpu device has; burn converts where a device's integers are wider.
    let values: Vec<i32> = values.into_iter().map(|v| v as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Shannon entropy, in nats, of the distribution behind every row of logits (dpar.md section 2).
///
/// `logits` (B, T, V) -> (B, T).
pub fn entropies(logits: Tensor<3>) -> Tensor<2> {
    let log_p = log_softmax(logits, 2); // (B, T, V)
    let sum = (log_p.clone().exp() * log_p).sum_dim(2); // (B, T, 1)
    sum.neg().squeeze_dim(2)
}

/// Reads a tensor back as f32, row-major. The one place (with [`read_u32`]) where the CPU waits for a device.
///
/// # Errors
/// [`Error::DeviceLost`] where the device is gone, [`Error::Internal`] for anything else.
pub async fn read_f32<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.into_data_async().await.map_err(execution_error)?;
    data.try_into_vec_as::<f32>().map_err(data_error)
}

/// Reads an integer tensor back as u32, row-major.
///
/// # Errors
/// As [`read_f32`].
pub async fn read_u32<const D: usize>(tensor: Tensor<D, Int>) -> Result<Vec<u32>> {
    let data = tensor.into_data_async().await.map_err(execution_error)?;
    data.try_into_vec_as::<u32>().map_err(data_error)
}

fn execution_error(e: ExecutionError) -> Error {
    match e {
        ExecutionError::DevicePoisoned { reason } => Error::DeviceLost(reason),
        other => Error::Internal(format!("a tensor operation failed: {other}")),
    }
}

/// On native the wait for the device happens while the bytes are read, so a lost device can surface here as well.
fn data_error(e: DataError) -> Error {
    match e {
        DataError::StorageAccess(e) => Error::DeviceLost(e.to_string()),
        other => Error::Internal(format!("a tensor could not be read back: {other}")),
    }
}
