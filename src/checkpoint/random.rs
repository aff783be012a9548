//! Models of any shape with random weights, made in memory: for timing and for tests, their pictures are noise.

use std::borrow::Cow;
use std::collections::HashMap;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::{ModelFiles, TensorSpec, dpar_tensors, token_model_tensors, vq_tensors};
use crate::error::Result;

/// The paper's models (dpar.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaperShape {
    /// E/G/Dn 1/8/3, D = 768, 12 heads; baseline of 12 layers.
    B,
    /// 1/19/4, D = 1024, 16 heads; baseline of 24 layers.
    L,
    /// 1/30/5, D = 1280, 20 heads; baseline of 36 layers.
    Xl,
}

impl PaperShape {
    /// (D, h, G, Dn, baseline layers)
    fn sizes(self) -> (usize, usize, usize, usize, usize) {
        match self {
            Self::B => (768, 12, 8, 3, 12),
            Self::L => (1024, 16, 19, 4, 24),
            Self::Xl => (1280, 20, 30, 5, 36),
        }
    }

    /// The model: 1,000 classes, V = 16384, `grid` tokens a side; the entropy model is LlamaGen-B, as in the paper, or a `light` one of
    /// two layers, 192 wide.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a grid out of range.
    pub fn files(self, grid: usize, light: bool) -> Result<ModelFiles> {
        let (dim, heads, patch_layers, decoder_layers, baseline_layers) = self.sizes();
        let model = |dim, heads, layers, e, d, classes| {
            json!({"dim": dim, "n_head": heads, "n_layer": layers, "n_local_encoder_layers": e,
                "n_local_decoder_layers": d, "vocab_size": 16384, "num_classes": classes, "grid_size": grid,
                "multiple_of": 256})
        };
        let config = json!({
            "entropy": if light { model(192, 6, 2, 0, 0, 1) } else { model(768, 12, 12, 0, 0, 1) },
            "dpar": model(dim, heads, patch_layers, 1, decoder_layers, 1000),
            "baseline": model(dim, heads, baseline_layers, 0, 0, 1000),
            "vq": {"ch": 32, "ch_mult": [1, 1, 2, 2, 4], "num_res_blocks": 1, "z_channels": 64,
                "codebook_size": 16384, "codebook_embed_dim": 8, "norm_groups": 8},
            // Random weights are uncertain of everything: a fixed length stands in for the paper's average of 1.81.
            "patching": {"mode": "static", "threshold": 7.8, "max_patch_length": 2},
            "sampling": {"cfg_scale": 2.0, "temperature": 1.0, "top_k": 2000, "top_p": 1.0}
        });
        let entropy = if light { "2 x 192" } else { "LlamaGen-B" };
        random_model(
            &format!("random weights, shape {self:?}, entropy model {entropy}, {grid} x {grid} tokens"),
            &config,
        )
    }
}

/// A model folder in memory with the config of `config.json` and random weights.
///
/// # Errors
/// [`crate::Error::Config`] for a config that no model can have.
pub fn random_model(source: &str, config: &Value) -> Result<ModelFiles> {
    let text = config.to_string();
    let parsed = ModelConfig::parse(text.as_bytes(), source)?;
    ModelFiles::load(source, |name| {
        let specs = match name {
            "config.json" => return Ok(Cow::Owned(text.clone().into_bytes())),
            "vq.safetensors" => vq_tensors(&parsed.vq),
            "entropy.safetensors" => parsed.entropy.as_ref().map(token_model_tensors).unwrap_or_default(),
            "dpar.safetensors" => parsed.dpar.as_ref().map(dpar_tensors).unwrap_or_default(),
            _ => parsed.baseline.as_ref().map(token_model_tensors).unwrap_or_default(),
        };
        random(&specs).map(Cow::Owned).map_err(|e| (format!("{source}/{name}"), e))
    })
}

/// f16 weights, uniform with the variance of a fresh network; norms are 1.
fn random(specs: &[TensorSpec]) -> std::result::Result<Vec<u8>, String> {
    let mut seed = 0x9E37_79B9u32;
    let mut data = Vec::new();
    for (name, shape) in specs {
        let count: usize = shape.iter().product();
        let scale = (3.0 / shape.last().copied().unwrap_or(1) as f32).sqrt();
        let mut values = Vec::with_capacity(2 * count);
        for _ in 0..count {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let unit = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
            let value = if shape.len() == 1 { 1.0 } else { unit * scale };
            values.extend_from_slice(&f16::from_f32(value).to_le_bytes());
        }
        data.push((name.clone(), shape.clone(), values));
    }
    let mut views = Vec::new();
    for (name, shape, values) in &data {
        let view = TensorView::new(Dtype::F16, shape.clone(), values).map_err(|e| e.to_string())?;
        views.push((name.clone(), view));
    }
    safetensors::serialize(views, None::<HashMap<String, String>>).map_err(|e| e.to_string())
}
