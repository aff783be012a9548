//! Pixels in and out of the tokenizer: interleaved 8-bit RGB <-> planes of f32 from -1 to 1.

use burn::tensor::{Device, Tensor, TensorData};

use super::tensors::read_f32;
use crate::error::{Error, Result};

/// One image, `rgb` interleaved (height * width * 3) -> (1, 3, H, W), x / 127.5 - 1.
///
/// # Errors
/// [`Error::Internal`] where `rgb` is not height * width * 3 bytes.
pub fn rgb_to_tensor(rgb: &[u8], height: usize, width: usize, device: &Device) -> Result<Tensor<4>> {
    if rgb.len() != height * width * 3 {
        return Err(Error::Internal(format!("{} bytes are not {width} x {height} RGB pixels", rgb.len())));
    }
    let data = TensorData::new(rgb8_to_planes(rgb), [1, 3, height, width]);
    Ok(Tensor::from_data(data, device))
}

/// Images (B, 3, H, W) -> one interleaved RGB buffer (H * W * 3) each.
///
/// # Errors
/// As [`read_f32`].
pub async fn tensor_to_rgb8(images: Tensor<4>) -> Result<Vec<Vec<u8>>> {
    let [_, c, h, w] = images.dims();
    let planes = read_f32(images).await?;
    Ok(planes.chunks(c * h * w).map(planes_to_rgb8).collect())
}

/// Interleaved RGB -> three planes, x / 127.5 - 1.
pub fn rgb8_to_planes(rgb: &[u8]) -> Vec<f32> {
    (0..3).flat_map(|c| rgb.iter().skip(c).step_by(3)).map(|&v| f32::from(v) / 127.5 - 1.0).collect()
}

/// Three planes -> interleaved RGB, clamp then (x + 1) * 127.5.
///
/// Rounds to nearest, where the reference's `.byte()` truncates: that shifts every pixel half a level darker and does
/// not give an image back that went through [`rgb8_to_planes`]. NaN becomes 0.
pub fn planes_to_rgb8(planes: &[f32]) -> Vec<u8> {
    let pixels = planes.len() / 3;
    let level = |x: f32| ((x.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8;
    (0..pixels * 3).map(|i| level(planes[i % 3 * pixels + i / 3])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_survives_the_round_trip() {
        let rgb: Vec<u8> = (0..=255).chain(0..=255).chain(0..=255).collect();
        assert_eq!(planes_to_rgb8(&rgb8_to_planes(&rgb)), rgb);
    }

    #[test]
    fn planes_are_red_green_blue_and_out_of_range_is_clamped() {
        assert_eq!(rgb8_to_planes(&[255, 0, 0, 0, 255, 255]), [1.0, -1.0, -1.0, 1.0, -1.0, 1.0]);
        assert_eq!(planes_to_rgb8(&[3.0, -3.0, f32::NAN]), [255, 0, 0]);
    }
}
