//! The VQ tokenizer in LlamaGen's layout (`vq.py` `VQModel`): image <-> codes.
//!
//! A convolutional encoder of residual blocks halves the image len(ch_mult) - 1 times; every position's vector is
//! l2-normalised and replaced by the nearest (largest dot product) l2-normalised code. The decoder mirrors it.
//! GroupNorm eps is 1e-6, the activation silu, attention only at the lowest resolution and in the middle.

use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use image::RgbImage;

use super::pixels::tensor_to_rgb8;
use super::tensors::{indices, read_u32};
use super::weights::Weights;
use crate::checkpoint::config::VqConfig;
use crate::checkpoint::{Checkpoint, ModelFiles};
use crate::error::{Error, Result};

/// Most code scores held at once while encoding (64 MiB of f32).
const SCORES: usize = 1 << 24;

/// The tokenizer on a device.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    downsampling: usize,
    encoder: Option<Encoder>,
    codebook: Tensor<2>, // (V, c), rows l2-normalised
    post_quant_conv: Conv,
    decoder: ConvStack,
}

/// From a picture to vectors that the codebook knows.
#[derive(Clone, Debug)]
struct Encoder {
    stack: ConvStack,
    quant_conv: Conv,
}

impl Tokenizer {
    /// Uploads a model's tokenizer, with its encoder where that is there.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn load(files: &ModelFiles, device: &Device) -> Result<Self> {
        let (w, config) = (Weights::new(&files.vq, device), &files.config.vq);
        let tokenizer = Self {
            downsampling: config.downsampling(),
            encoder: None,
            codebook: normalize(w.tensor("quantize.embedding.weight")?),
            post_quant_conv: Conv::load(&w, "post_quant_conv", 1)?,
            decoder: ConvStack::decoder(&w.at("decoder"), config)?,
        };
        match files.encoder() {
            Some(encoder) => tokenizer.with_encoder(config, encoder, device),
            None => Ok(tokenizer),
        }
    }

    /// The same with an encoder that has come later ([`ModelFiles::read_encoder`]).
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn with_encoder(self, config: &VqConfig, checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let w = Weights::new(checkpoint, device);
        let stack = ConvStack::encoder(&w.at("encoder"), config)?;
        Ok(Self { encoder: Some(Encoder { stack, quant_conv: Conv::load(&w, "quant_conv", 1)? }), ..self })
    }

    /// Images (B, 3, H, W) in -1..1 -> codes (B * T) in raster order, T = H/f * W/f.
    ///
    /// # Errors
    /// [`Error::Request`] where H or W is not a multiple of the downsampling f, or the encoder is not there; else as [`read_u32`].
    pub async fn encode(&self, images: Tensor<4>) -> Result<Vec<u32>> {
        let [_, channels, height, width] = images.dims();
        let f = self.downsampling;
        if channels != 3 || height == 0 || width == 0 || !height.is_multiple_of(f) || !width.is_multiple_of(f) {
            return Err(Error::Request(format!(
                "a {width} x {height} image cannot be cut into {f} x {f} pixel tokens"
            )));
        }
        let Some(encoder) = &self.encoder else {
            return Err(Error::Request("the tokenizer's encoder is not there yet: no picture can be read".into()));
        };
        let z = encoder.quant_conv.forward(encoder.stack.forward(images)); // (B, c, H/f, W/f)
        let [b, c, h, w] = z.dims();
        let z = normalize(z.permute([0, 2, 3, 1]).reshape([b * h * w, c])); // (B * T, c)
        let codes = self.codebook.clone().transpose(); // (c, V)
        let run = (SCORES / codes.dims()[1]).clamp(1, b * h * w);
        let best = z.split(run, 0).into_iter().map(|z| z.matmul(codes.clone()).argmax(1)); // (run, 1)
        read_u32(Tensor::cat(best.collect(), 0)).await
    }

    /// Codes (B * rows * columns) in raster order -> images (B, 3, rows * f, columns * f), about -1..1 (not clamped).
    ///
    /// # Errors
    /// [`Error::Request`] for codes that do not exist, or a number of them that is not a multiple of rows * columns.
    pub fn decode(&self, codes: &[u32], [rows, columns]: [usize; 2]) -> Result<Tensor<4>> {
        let [entries, c] = self.codebook.dims();
        if let Some(code) = codes.iter().find(|v| **v as usize >= entries) {
            return Err(Error::Request(format!(
                "token {code} does not exist: the codebook has entries 0 to {}",
                entries - 1
            )));
        }
        let each = rows * columns;
        if each == 0 || codes.is_empty() || !codes.len().is_multiple_of(each) {
            return Err(Error::Request(format!(
                "{} tokens do not fill images of {columns} x {rows} tokens",
                codes.len()
            )));
        }
        let ids = indices(codes.iter().map(|&v| v as usize), &self.codebook.device());
        let z = self.codebook.clone().select(0, ids); // (B * T, c)
        let z = z.reshape([codes.len() / each, rows, columns, c]).permute([0, 3, 1, 2]); // (B, c, rows, columns)
        Ok(self.decoder.forward(self.post_quant_conv.forward(z)))
    }

    /// Codes (rows * columns) of one image, or of its upper rows -> its picture.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`] and [`tensor_to_rgb8`].
    pub async fn decode_image(&self, codes: &[u32], columns: usize) -> Result<RgbImage> {
        let rows = codes.len().div_ceil(columns.max(1));
        let image = self.decode(codes, [rows, columns])?; // (1, 3, H, W)
        let [_, _, height, width] = image.dims();
        let rgb = tensor_to_rgb8(image).await?.swap_remove(0);
        RgbImage::from_raw(width as u32, height as u32, rgb)
            .ok_or_else(|| Error::Internal("a decoded picture has the wrong size".into()))
    }
}

/// Rows scaled to length 1 (`F.normalize`: a zero row stays zero). (n, c) -> (n, c)
fn normalize(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().square().sum_dim(1).sqrt().clamp_min(1e-12); // (n, 1)
    x / length
}

/// Encoder or decoder: the same parts in another order.
#[derive(Clone, Debug)]
struct ConvStack {
    conv_in: Conv,
    parts: Vec<Part>,
    norm_out: GroupNorm,
    conv_out: Conv,
}

#[derive(Clone, Debug)]
enum Part {
    Res(ResBlock),
    Attn(AttnBlock),
    Down(Conv),
    Up(Conv),
}

impl ConvStack {
    fn encoder(w: &Weights, c: &VqConfig) -> Result<Self> {
        let mut parts = Vec::new();
        let last = c.ch_mult.len() - 1;
        for i in 0..=last {
            let level = w.at(&format!("conv_blocks.{i}"));
            Self::level(&mut parts, &level, c, c.num_res_blocks, i == last)?;
            if i < last {
                // The reference pads right and bottom by one, so that an even size halves exactly.
                let conv = Conv::load(&level, "downsample.conv", 3)?;
                parts.push(Part::Down(conv.options([2, 2], [(0, 1), (0, 1)])));
            }
        }
        Self::mid(&mut parts, w, c)?;
        Self::finish(w, c, parts)
    }

    fn decoder(w: &Weights, c: &VqConfig) -> Result<Self> {
        let mut parts = Vec::new();
        let last = c.ch_mult.len() - 1;
        Self::mid(&mut parts, w, c)?;
        for i in 0..=last {
            // Level 0 of the decoder is the lowest resolution.
            let level = w.at(&format!("conv_blocks.{i}"));
            Self::level(&mut parts, &level, c, c.num_res_blocks + 1, i == 0)?;
            if i < last {
                parts.push(Part::Up(Conv::load(&level, "upsample.conv", 3)?));
            }
        }
        Self::finish(w, c, parts)
    }

    fn level(parts: &mut Vec<Part>, w: &Weights, c: &VqConfig, blocks: usize, attention: bool) -> Result<()> {
        for j in 0..blocks {
            parts.push(Part::Res(ResBlock::load(&w.at(&format!("res.{j}")), c)?));
            if attention {
                parts.push(Part::Attn(AttnBlock::load(&w.at(&format!("attn.{j}")), c)?));
            }
        }
        Ok(())
    }

    fn mid(parts: &mut Vec<Part>, w: &Weights, c: &VqConfig) -> Result<()> {
        parts.push(Part::Res(ResBlock::load(&w.at("mid.0"), c)?));
        parts.push(Part::Attn(AttnBlock::load(&w.at("mid.1"), c)?));
        parts.push(Part::Res(ResBlock::load(&w.at("mid.2"), c)?));
        Ok(())
    }

    fn finish(w: &Weights, c: &VqConfig, parts: Vec<Part>) -> Result<Self> {
        Ok(Self {
            conv_in: Conv::load(w, "conv_in", 3)?,
            parts,
            norm_out: GroupNorm::load(w, "norm_out", c)?,
            conv_out: Conv::load(w, "conv_out", 3)?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = self.conv_in.forward(x);
        for part in &self.parts {
            x = match part {
                Part::Res(block) => block.forward(x),
                Part::Attn(block) => block.forward(x),
                Part::Down(conv) => conv.forward(x),
                Part::Up(conv) => conv.forward(upsample(x)),
            };
        }
        self.conv_out.forward(silu(self.norm_out.forward(x)))
    }
}

/// Nearest-neighbour doubling, (B, C, H, W) -> (B, C, 2H, 2W).
fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * w]))
}

/// 2D convolution with bias.
#[derive(Clone, Debug)]
struct Conv {
    weight: Tensor<4>, // (out, in, k, k)
    bias: Tensor<1>,   // (out)
    options: ConvOptions<2>,
}

impl Conv {
    /// Loads a k x k convolution of stride 1 that keeps the size.
    fn load(w: &Weights, name: &str, k: usize) -> Result<Self> {
        let w = w.at(name);
        let options = ConvOptions::new([1, 1], [k / 2, k / 2], [1, 1], 1);
        Ok(Self { weight: w.tensor("weight")?, bias: w.tensor("bias")?, options })
    }

    /// The same weights with another stride, and (before, after) padding of height and width.
    fn options(self, stride: [usize; 2], padding: [(usize, usize); 2]) -> Self {
        Self { options: ConvOptions::new_with_padding(stride, padding, [1, 1], 1), ..self }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.clone(), Some(self.bias.clone()), self.options.clone())
    }
}

/// Normalises groups of channels over all their pixels, then scales and shifts every channel.
#[derive(Clone, Debug)]
struct GroupNorm {
    groups: usize,
    weight: Tensor<4>, // (1, C, 1, 1)
    bias: Tensor<4>,   // (1, C, 1, 1)
}

impl GroupNorm {
    const EPS: f32 = 1e-6;

    fn load(w: &Weights, name: &str, c: &VqConfig) -> Result<Self> {
        let w = w.at(name);
        let channels = |t: Tensor<1>| {
            let count = t.dims()[0];
            t.reshape([1, count, 1, 1])
        };
        Ok(Self { groups: c.norm_groups, weight: channels(w.tensor("weight")?), bias: channels(w.tensor("bias")?) })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let x = x.reshape([b, self.groups, c / self.groups * h * w]); // (B, groups, n)
        let x = x.clone() - x.mean_dim(2);
        let scale = (x.clone().square().mean_dim(2) + Self::EPS).sqrt().recip(); // (B, groups, 1)
        (x * scale).reshape([b, c, h, w]) * self.weight.clone() + self.bias.clone()
    }
}

/// x + conv(silu(norm(conv(silu(norm(x)))))), with a 1x1 convolution on the way round where the width changes.
#[derive(Clone, Debug)]
struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv,
    norm2: GroupNorm,
    conv2: Conv,
    shortcut: Option<Conv>,
}

impl ResBlock {
    fn load(w: &Weights, c: &VqConfig) -> Result<Self> {
        let conv1 = Conv::load(w, "conv1", 3)?;
        let [o, i, _, _] = conv1.weight.dims();
        Ok(Self {
            norm1: GroupNorm::load(w, "norm1", c)?,
            conv1,
            norm2: GroupNorm::load(w, "norm2", c)?,
            conv2: Conv::load(w, "conv2", 3)?,
            shortcut: (i != o).then(|| Conv::load(w, "nin_shortcut", 1)).transpose()?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.conv1.forward(silu(self.norm1.forward(x.clone())));
        let h = self.conv2.forward(silu(self.norm2.forward(h)));
        h + self.shortcut.as_ref().map_or(x.clone(), |conv| conv.forward(x))
    }
}

/// Single-head attention of every pixel to every pixel, 1x1 convolutions as projections.
#[derive(Clone, Debug)]
struct AttnBlock {
    norm: GroupNorm,
    q: Conv,
    k: Conv,
    v: Conv,
    proj_out: Conv,
}

impl AttnBlock {
    fn load(w: &Weights, c: &VqConfig) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::load(w, "norm", c)?,
            q: Conv::load(w, "q", 1)?,
            k: Conv::load(w, "k", 1)?,
            v: Conv::load(w, "v", 1)?,
            proj_out: Conv::load(w, "proj_out", 1)?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let n = self.norm.forward(x.clone());
        let pixels = |conv: &Conv| conv.forward(n.clone()).reshape([b, c, h * w]); // (B, C, HW)
        let (q, k, v) = (pixels(&self.q).swap_dims(1, 2), pixels(&self.k), pixels(&self.v).swap_dims(1, 2));
        let weights = softmax(q.matmul(k) * (c as f32).powf(-0.5), 2); // (B, HW, HW)
        let o = weights.matmul(v).swap_dims(1, 2).reshape([b, c, h, w]);
        x + self.proj_out.forward(o)
    }
}
