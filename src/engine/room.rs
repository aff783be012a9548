//! How much memory pictures take, and so how many may be drawn at once: known before anything is allocated.

use super::cache::CacheFormat;
use super::ops::feed_forward::SLICE;
use super::state::{MAX_PICTURES, RECORD_WORDS, STATE_WORDS, tokens_a_submit};
use super::weights::{Layout, padded};
use crate::checkpoint::config::{Generator, ModelConfig, TransformerConfig};
use crate::error::{Error, Result};

/// What the pictures of a run may take together: 4 GiB, or a quarter of what can be addressed (1 GiB in a page). One picture is
/// always tried.
pub const MEMORY: u64 = {
    let quarter = usize::MAX as u64 / 4;
    if quarter < 4 << 30 { quarter } else { 4 << 30 }
};

/// The memory of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes for each picture: caches, activations, records.
    pub bytes: u64,
    /// How many fit, [`MAX_PICTURES`] at most.
    pub most: usize,
}

impl Room {
    /// Of pictures of a model; where the folder lacks it, as if it took nothing.
    pub fn of(config: &ModelConfig, generator: Generator, layout: Layout) -> Self {
        let words = words(config, generator, layout);
        let bytes = 4 * words.iter().sum::<u64>();
        let largest = 4 * words.iter().max().copied().unwrap_or(0);
        let fit = (MEMORY / bytes.max(1)).min(layout.binding_limit as u64 / largest.max(1));
        Self { bytes, most: (fit as usize).clamp(1, MAX_PICTURES) }
    }

    /// Refuses more pictures than fit.
    ///
    /// # Errors
    /// [`Error::Request`] with what a picture takes and how many fit.
    pub fn check(self, pictures: usize) -> Result<()> {
        if (1..=self.most).contains(&pictures) {
            return Ok(());
        }
        let mib = self.bytes.div_ceil(1 << 20);
        Err(Error::Request(format!(
            "{pictures} pictures at once are too many: each takes {mib} MiB of this model's caches, {} at once fit here",
            self.most
        )))
    }
}

/// Words of every buffer that a picture has to itself (`engine/build.rs`).
fn words(config: &ModelConfig, generator: Generator, layout: Layout) -> Vec<u64> {
    let lanes = u64::from(layout.lanes);
    let t = config.tokens() as u64;
    let mut all = vec![STATE_WORDS as u64, t, t, t * RECORD_WORDS as u64]; // state, entropies, forced, records
    let model = match generator {
        Generator::Dpar => config.dpar.as_ref(),
        Generator::Baseline => config.baseline.as_ref(),
    };
    let Some(model) = model else { return all };
    let (dim, width) = (model.dim as u64, padded(model.dim) as u64);
    all.extend([(tokens_a_submit(model.vocab_size) * model.vocab_size) as u64, lanes * width]); // guided, classes
    if generator == Generator::Baseline {
        all.extend(token_model(model, lanes, layout));
        return all;
    }
    all.extend(config.entropy.as_ref().map(|entropy| token_model(entropy, 1, layout)).unwrap_or_default());
    // Patch encoder: x, the query of a patch; h, keys and values of the cross-attention, the patch's vector a layer.
    let encoder = model.n_local_encoder_layers;
    if layout.fuses(model) {
        // Patch encoder: h, keys and values, and the patch's vector a layer; patch decoder: what it adds of the patch's state, logits.
        let (heads, decoder) = (model.n_head as u64, model.n_local_decoder_layers);
        all.extend(narrow(model, 1, encoder));
        all.extend((0..encoder).flat_map(|_| [(t + 1) * 3 * dim, (2 + heads) * dim]));
        all.extend(narrow(model, lanes, model.n_layer));
        all.extend(narrow(model, lanes, decoder));
        all.extend([lanes * decoder as u64 * dim, lanes * model.vocab_size as u64]);
        return all;
    }
    let caches = layout.caches;
    all.extend(stack(model, 1, encoder, caches).into_iter().chain([width, width]));
    all.extend((0..encoder).flat_map(|_| [t * width, t * 2 * dim, width]));
    // Patch transformer: x, angles.
    all.extend(stack(model, lanes, model.n_layer, caches).into_iter().chain([lanes * width, model.head_dim() as u64]));
    // Patch decoder: x, logits, what it adds of the patch's state a layer.
    let decoder = model.n_local_decoder_layers;
    all.extend(
        stack(model, lanes, decoder, caches).into_iter().chain([lanes * width, lanes * model.vocab_size as u64]),
    );
    all.extend((0..decoder).map(|_| lanes * width));
    all
}

/// A token model: its layers, x, logits.
fn token_model(model: &TransformerConfig, lanes: u64, layout: Layout) -> Vec<u64> {
    if layout.fuses(model) {
        let mut all = narrow(model, lanes, model.n_layer);
        all.push(lanes * model.vocab_size as u64);
        return all;
    }
    let mut all = stack(model, lanes, model.n_layer, layout.caches);
    all.extend([lanes * padded(model.dim) as u64, lanes * model.vocab_size as u64]);
    all
}

/// What layers compute in, and their caches.
fn stack(model: &TransformerConfig, lanes: u64, layers: usize, caches: CacheFormat) -> Vec<u64> {
    let (width, hidden) = (lanes * padded(model.dim) as u64, lanes * padded(model.ffn_dim()) as u64);
    let cache = caches.words(lanes as usize * model.tokens() * model.dim) as u64;
    let mut all = vec![width, width, width, hidden];
    all.extend((0..2 * layers).map(|_| cache));
    all
}

/// The same of layers whose ops put their input together themselves (`engine/narrow.rs`).
fn narrow(model: &TransformerConfig, lanes: u64, layers: usize) -> Vec<u64> {
    let (dim, heads, slices) = (model.dim as u64, model.n_head as u64, model.ffn_dim().div_ceil(SLICE) as u64);
    let mut all = vec![lanes * (2 + heads) * dim, lanes * (1 + slices) * dim];
    all.extend((0..layers).map(|_| lanes * 2 * dim * model.tokens() as u64));
    all
}
