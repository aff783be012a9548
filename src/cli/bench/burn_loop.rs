//! The first peer of the benchmark: DPAR's token loop written the obvious way, with plain burn operations.
//!
//! Same function as the engine (dpar.md section 7), same key/value caches, same draws; but every operation is a call
//! into burn, and the CPU decides every boundary and draws every token, so each token costs two readbacks. It shows
//! what the engine's fixed list of dispatches is worth. Native only: it blocks on the device.
//!
//! Included by `#[path]` where it is needed; it uses nothing of the crate that includes it.

use burn::tensor::{Device, Tensor};
use dpar::checkpoint::config::TransformerConfig;
use dpar::checkpoint::{Checkpoint, ModelFiles};
use dpar::model::block::KvCache;
use dpar::model::rope::{Rope, RopeRows, rope_dynamic};
use dpar::model::{Dpar, TokenModel, entropies, read_f32};
use dpar::patching::{Patch, PatchRule, Patches};
use dpar::{Error, Result};
use pollster::block_on;

/// The entropy model and DPAR on one device.
pub struct BurnLoop {
    entropy: TokenModel,
    dpar: Dpar,
    device: Device,
}

/// What a run drew. All (n), n the number of tokens asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The tokens in raster order.
    pub tokens: Vec<u32>,
    /// Entropy of every token before it was drawn, nats.
    pub entropies: Vec<f32>,
    /// Whether it started a patch.
    pub starts: Vec<bool>,
}

impl BurnLoop {
    /// Uploads both models of a folder to `device`.
    ///
    /// # Errors
    /// [`Error::Request`] where the folder has no DPAR; else as [`Dpar::load`].
    pub fn load(files: &ModelFiles, device: &Device) -> Result<Self> {
        let c = &files.config;
        let (entropy_config, entropy) = both(&c.entropy, &files.entropy)?;
        let (dpar_config, dpar) = both(&c.dpar, &files.dpar)?;
        Ok(Self {
            entropy: TokenModel::load(entropy_config, entropy, device)?,
            dpar: Dpar::load(dpar_config, dpar, device)?,
            device: device.clone(),
        })
    }

    /// Draws the first `tokens_limit` tokens of an image of `class`. `cfg` 1 runs without guidance (one lane),
    /// `temperature` 0 is greedy, `top_p` 1 keeps every token.
    ///
    /// # Errors
    /// [`Error::Request`] for a class that does not exist; else as [`read_f32`].
    #[allow(clippy::too_many_arguments)] // the settings of one run, named at every call
    pub fn generate(
        &self,
        class: usize,
        seed: u32,
        rule: PatchRule,
        cfg: f32,
        temperature: f32,
        top_p: f32,
        tokens_limit: usize,
    ) -> Result<Output> {
        if class > self.dpar.config.num_classes {
            return Err(Error::Request(format!("class {class} does not exist in this model")));
        }
        let null = self.dpar.config.num_classes;
        let lanes = if cfg == 1.0 { vec![class] } else { vec![class, null] };
        let mut state = LoopState::new(self, lanes.len());
        let mut out = Output { tokens: Vec::new(), entropies: Vec::new(), starts: Vec::new() };
        let mut run = 0; // tokens in the current patch
        for i in 0..tokens_limit.min(self.dpar.config.tokens()) {
            let e = self.entropy_step(&mut state, i, out.tokens.last().copied())?;
            let start = rule.start(i as u32, e, run).is_some();
            if start {
                let read = match Patches::from_starts(out.starts.clone(), rule.grid).list().last() {
                    None => self.class_input(&lanes),
                    Some(patch) => self.close_patch(&mut state, patch),
                };
                self.patch_step(&mut state, read);
            }
            run = if start { 1 } else { run + 1 };
            let logits = guide(&self.decoder_step(&mut state, i)?, self.dpar.config.vocab_size, cfg);
            let token = draw(&logits, seed, i as u32, temperature, top_p);
            self.encoder_step(&mut state, i, token);
            out.tokens.push(token);
            out.entropies.push(e);
            out.starts.push(start);
        }
        Ok(out)
    }

    /// Step 1: the entropy (nats) of token i, after the entropy model has read token i - 1 (its null class for i = 0).
    fn entropy_step(&self, state: &mut LoopState, i: usize, previous: Option<u32>) -> Result<f32> {
        let m = &self.entropy;
        let mut x = match previous {
            None => m.classes.forward([m.config.num_classes], 1),
            Some(token) => m.tokens.forward([token as usize], 1),
        }; // (1, 1, D)
        let rope = m.rope.narrow(i, 1);
        for (layer, cache) in m.layers.iter().zip(&mut state.entropy) {
            x = layer.step(x, &rope, cache);
        }
        let e = block_on(read_f32(entropies(m.head.forward(x))))?;
        e.first().copied().ok_or_else(|| Error::Internal("the entropy model returned nothing".into()))
    }

    /// What the patch transformer reads first: the class of every lane, at the class position.
    fn class_input(&self, lanes: &[usize]) -> (Tensor<3>, Rope) {
        let mut rows = RopeRows::new(self.dpar.config.head_dim());
        rows.push_class();
        let x = self.dpar.transformer.classes.forward(lanes.iter().copied(), lanes.len()); // (lanes, 1, D)
        (x, Rope::upload(&[rows], &self.device))
    }

    /// Step 2, first half: the vector of the patch that has just ended, at its own position. Forgets its tokens.
    fn close_patch(&self, state: &mut LoopState, patch: &Patch) -> (Tensor<3>, Rope) {
        let c = &self.dpar.config;
        let mut p: Option<Tensor<3>> = None; // (1, 1, D)
        for (layer, h) in self.dpar.encoder.layers.iter().zip(&mut state.patch) {
            let h = Tensor::cat(std::mem::take(h), 1); // (1, length, D)
            let query = p.unwrap_or_else(|| h.clone().max_dim(1));
            p = Some(layer.cross.forward(query, h, None));
        }
        // E >= 1 is checked in the config. The lanes share the encoder, which never sees the class.
        let p = p.unwrap_or_else(|| state.h.clone()).expand([state.lanes, 1, c.dim]);
        (p, Rope::upload(&[rope_dynamic(&[*patch], c.head_dim(), c.rope_base)], &self.device))
    }

    /// Step 2, second half: the state for the patch that begins.
    fn patch_step(&self, state: &mut LoopState, (mut x, rope): (Tensor<3>, Rope)) {
        for (layer, cache) in self.dpar.transformer.layers.iter().zip(&mut state.transformer) {
            x = layer.step(x, &rope, cache);
        }
        state.s = x; // (lanes, 1, D)
    }

    /// Step 3: the logits of token i, (lanes * V).
    fn decoder_step(&self, state: &mut LoopState, i: usize) -> Result<Vec<f32>> {
        let mut x = state.h.clone().expand([state.lanes, 1, self.dpar.config.dim]);
        let rope = self.dpar.rope_decoder.narrow(i, 1);
        for (layer, cache) in self.dpar.decoder.layers.iter().zip(&mut state.decoder) {
            x = x + layer.cross.forward(state.s.clone());
            x = layer.block.step(x, &rope, cache);
        }
        block_on(read_f32(self.dpar.head.forward(x)))
    }

    /// Step 4: the encoder's state of the token just drawn.
    fn encoder_step(&self, state: &mut LoopState, i: usize, token: u32) {
        let mut x = self.dpar.tokens.forward([token as usize], 1); // (1, 1, D)
        let rope = self.dpar.rope_encoder.narrow(i, 1);
        for (n, layer) in self.dpar.encoder.layers.iter().enumerate() {
            x = layer.block.step(x, &rope, &mut state.encoder[n]);
            state.patch[n].push(x.clone());
        }
        state.h = x;
    }
}

/// A model's config and weights, or why there is nothing to run.
fn both<'a>(
    config: &'a Option<TransformerConfig>,
    checkpoint: &'a Option<Checkpoint>,
) -> Result<(&'a TransformerConfig, &'a Checkpoint)> {
    let missing = || Error::Request("this model folder has no DPAR with an entropy model".into());
    config.as_ref().zip(checkpoint.as_ref()).ok_or_else(missing)
}

/// Everything a run carries from token to token.
struct LoopState {
    lanes: usize,
    entropy: Vec<KvCache>,
    encoder: Vec<KvCache>,
    transformer: Vec<KvCache>,
    decoder: Vec<KvCache>,
    /// Per encoder layer: the states of the current patch's tokens, (1, 1, D) each.
    patch: Vec<Vec<Tensor<3>>>,
    /// The last encoder layer's state of the previous token; the start vector at first. (1, 1, D)
    h: Tensor<3>,
    /// The state of the current patch. (lanes, 1, D)
    s: Tensor<3>,
}

impl LoopState {
    fn new(models: &BurnLoop, lanes: usize) -> Self {
        let (e, d) = (&models.entropy.config, &models.dpar.config);
        let caches = |c: &TransformerConfig, layers: usize, lanes: usize| -> Vec<KvCache> {
            // M <= T: the patch transformer's caches have room for every token too.
            (0..layers).map(|_| KvCache::new(c, lanes, c.tokens(), &models.device)).collect()
        };
        Self {
            lanes,
            entropy: caches(e, e.n_layer, 1),
            encoder: caches(d, d.n_local_encoder_layers, 1),
            transformer: caches(d, d.n_layer, lanes),
            decoder: caches(d, d.n_local_decoder_layers, lanes),
            patch: vec![Vec::new(); d.n_local_encoder_layers],
            h: models.dpar.decoder.start.clone(),
            s: Tensor::zeros([lanes, 1, d.dim], &models.device),
        }
    }
}

/// Classifier-free guidance of lanes [class, null] (or [class] alone): null + cfg * (class - null). (V)
fn guide(logits: &[f32], vocab: usize, cfg: f32) -> Vec<f32> {
    let (class, null) = logits.split_at(vocab);
    if null.is_empty() {
        return class.to_vec();
    }
    class.iter().zip(null).map(|(c, n)| n + cfg * (c - n)).collect()
}

/// `draw` of `generate.py`: argmax over the kept tokens of logits / temperature + Gumbel noise.
fn draw(logits: &[f32], seed: u32, position: u32, temperature: f32, top_p: f32) -> u32 {
    if temperature == 0.0 {
        return argmax(logits.iter().copied());
    }
    let scaled: Vec<f32> = logits.iter().map(|l| l / temperature).collect();
    let mut kept = vec![true; scaled.len()];
    if top_p < 1.0 {
        let mut order: Vec<usize> = (0..scaled.len()).collect();
        order.sort_by(|&a, &b| scaled[b].total_cmp(&scaled[a]));
        let max = f64::from(scaled[order[0]]);
        let weight = |k: usize| (f64::from(scaled[k]) - max).exp();
        let total: f64 = order.iter().map(|&k| weight(k)).sum();
        let mut before = 0.0; // probability of everything ahead of this token
        for &k in &order {
            kept[k] = before <= f64::from(top_p);
            before += weight(k) / total;
        }
    }
    let noisy = (0u32..).zip(scaled.iter().zip(&kept));
    argmax(noisy.map(|(k, (l, kept))| if *kept { l + gumbel(seed, position, k) } else { f32::NEG_INFINITY }))
}

/// The first of the largest values.
fn argmax(values: impl Iterator<Item = f32>) -> u32 {
    (0u32..).zip(values).fold((0, f32::NEG_INFINITY), |best, (k, v)| if v > best.1 { (k, v) } else { best }).0
}

/// Gumbel noise of one token: u = (hash >> 8 + 0.5) / 2^24, -ln(-ln u).
fn gumbel(seed: u32, position: u32, token: u32) -> f32 {
    let u = (f64::from(pcg3d(seed, position, token) >> 8) + 0.5) / f64::from(1 << 24);
    -(-u.ln()).ln() as f32
}

/// First word of the pcg3d hash (Jarzynski and Olano 2020).
fn pcg3d(x: u32, y: u32, z: u32) -> u32 {
    let [mut x, mut y, mut z] = [x, y, z].map(|v| v.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    x = x.wrapping_add(y.wrapping_mul(z));
    y = y.wrapping_add(z.wrapping_mul(x));
    z = z.wrapping_add(x.wrapping_mul(y));
    [x, y, z] = [x, y, z].map(|v| v ^ (v >> 16));
    x.wrapping_add(y.wrapping_mul(z))
}
