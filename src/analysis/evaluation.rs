//! How well the models predict pictures they have not seen: nats per token, teacher-forced, in one parallel pass a batch
//! (dpar.md section 8; `training/evaluate.py nll` computes the same in PyTorch).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::model::{Dpar, TokenModel, entropies, read_f32};
use crate::patching::{PatchRule, Patches};

/// Pictures as tokens, with their classes (`training/encode.py validation`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// x_i of N pictures, one after the other. (N * T)
    pub tokens: Vec<u32>,
    /// (N), C is the null class.
    pub classes: Vec<usize>,
}

impl TokenSet {
    /// Reads `tokens` (N, T) and `classes` (N), integers, from the bytes of a safetensors file; T is the model's.
    /// `file` is the name used in messages.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a broken file, a missing tensor, another shape, codes or classes the model has not.
    pub fn read(file: &str, bytes: &[u8], config: &ModelConfig) -> Result<Self> {
        let bad = |problem: String| Error::Checkpoint { file: file.to_owned(), problem };
        let parsed = SafeTensors::deserialize(bytes)
            .map_err(|e| bad(format!("is not a whole safetensors file ({e}); write it again")))?;
        let tensor = |name: &str, below: usize| {
            let view = parsed.tensor(name).map_err(|_| {
                bad(format!("has no tensor `{name}`: it needs `tokens` (pictures, {}) and `classes`", config.tokens()))
            })?;
            let values = integers(view.dtype(), view.data())
                .ok_or_else(|| bad(format!("`{name}` is stored as {:?}; integers are needed", view.dtype())))?;
            let fits = |v: &i64| usize::try_from(*v).is_ok_and(|v| v < below);
            if let Some(wrong) = values.iter().find(|v| !fits(v)) {
                return Err(bad(format!("`{name}` holds {wrong}, this model has 0 to {}", below - 1)));
            }
            // Each was found to lie between 0 and `below`, a number of codes or classes.
            Ok((view.shape().to_vec(), values.into_iter().map(|v| v as u32).collect::<Vec<u32>>()))
        };
        let (shape, classes) = tensor("classes", config.num_classes() + 1)?;
        let count = classes.len();
        if shape.len() != 1 || count == 0 {
            return Err(bad(format!("`classes` has shape {shape:?}, one number a picture is needed")));
        }
        let (shape, tokens) = tensor("tokens", config.vocab())?;
        if shape != [count, config.tokens()] {
            let t = config.tokens();
            return Err(bad(format!("`tokens` has shape {shape:?}, [{count}, {t}] fits `classes` and this model")));
        }
        Ok(Self { tokens, classes: classes.into_iter().map(|c| c as usize).collect() })
    }

    /// How many pictures.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none; [`TokenSet::read`] gives no such set.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// `count` of them, evenly spread; all where there are no more.
    pub fn spread(&self, count: usize) -> Self {
        let (n, t) = (self.len(), self.tokens.len() / self.len().max(1));
        let picked: Vec<usize> = if count < n { (0..count).map(|i| i * n / count).collect() } else { (0..n).collect() };
        Self {
            tokens: picked.iter().flat_map(|i| &self.tokens[i * t..(i + 1) * t]).copied().collect(),
            classes: picked.iter().map(|i| self.classes[*i]).collect(),
        }
    }

    /// Batches of at most `size` pictures: (b * T) tokens, (b) classes.
    fn batches(&self, size: usize) -> impl Iterator<Item = (&[u32], Vec<Mix>)> {
        let t = self.tokens.len() / self.len().max(1);
        self.tokens
            .chunks((size * t).max(1))
            .zip(self.classes.chunks(size.max(1)).map(|c| c.iter().copied().map(Mix::of).collect()))
    }
}

/// Little-endian integers of any width, or `None` for another type.
fn integers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<i64>> {
    fn all<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        bytes.as_chunks::<N>().0.iter().map(|b| value(*b)).collect()
    }
    Some(match dtype {
        Dtype::I64 => all(bytes, i64::from_le_bytes),
        Dtype::I32 => all(bytes, |b| i32::from_le_bytes(b).into()),
        Dtype::I16 => all(bytes, |b| i16::from_le_bytes(b).into()),
        Dtype::U32 => all(bytes, |b| u32::from_le_bytes(b).into()),
        Dtype::U16 => all(bytes, |b| u16::from_le_bytes(b).into()),
        Dtype::U8 => bytes.iter().map(|b| i64::from(*b)).collect(),
        _ => return None,
    })
}

/// What one model makes of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// Mean of -log p(x_i | the tokens before it, the class), nats.
    pub nats: f64,
    /// Tokens per patch, over the whole set; 1 without patches.
    pub patch_length: f64,
}

/// The three models on a tensor device.
#[derive(Debug)]
pub struct Evaluator {
    entropy: Option<TokenModel>,
    dpar: Option<Dpar>,
    baseline: Option<TokenModel>,
    batch: usize,
}

impl Evaluator {
    /// Uploads whatever token models the folder has. `batch`: pictures a pass.
    ///
    /// # Errors
    /// As [`TokenModel::load`].
    pub fn new(files: &ModelFiles, device: &Device, batch: usize) -> Result<Self> {
        let token_model = |config: &Option<_>, weights: &Option<_>| match (config, weights) {
            (Some(config), Some(weights)) => TokenModel::load(config, weights, device).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            entropy: token_model(&files.config.entropy, &files.entropy)?,
            baseline: token_model(&files.config.baseline, &files.baseline)?,
            dpar: match (&files.config.dpar, &files.dpar) {
                (Some(config), Some(weights)) => Some(Dpar::load(config, weights, device)?),
                _ => None,
            },
            batch,
        })
    }

    /// The entropy model's likelihood and its entropies (N * T); `None` without an entropy model. `done` counts pictures.
    ///
    /// # Errors
    /// As [`TokenModel::logits`] and [`read_f32`].
    pub async fn entropy(&self, set: &TokenSet, done: impl Fn(usize)) -> Result<Option<(Likelihood, Vec<f32>)>> {
        let Some(model) = &self.entropy else { return Ok(None) };
        let (mut sum, mut all) = (0.0, Vec::with_capacity(set.tokens.len()));
        for (tokens, classes) in set.batches(self.batch) {
            // Unconditional: its class is always the null class.
            let logits = model.logits(tokens, &vec![Mix::of(model.config.num_classes); classes.len()])?; // (b, T, V)
            sum += total(logits.clone(), tokens).await?;
            all.extend(read_f32(entropies(logits)).await?);
            done(classes.len());
        }
        Ok(Some((mean(sum, set, set.tokens.len()), all)))
    }

    /// DPAR's likelihood under a patch rule, whose boundaries follow from the `entropies` (N * T) of
    /// [`Evaluator::entropy`]; `None` without a DPAR model.
    ///
    /// # Errors
    /// As [`Dpar::logits`] and [`read_f32`].
    pub async fn dpar(
        &self,
        set: &TokenSet,
        entropies: &[f32],
        rule: PatchRule,
        done: impl Fn(usize),
    ) -> Result<Option<Likelihood>> {
        let Some(model) = &self.dpar else { return Ok(None) };
        let t = set.tokens.len() / set.len().max(1);
        let all: Vec<Patches> = entropies.chunks(t.max(1)).map(|e| rule.patches(e)).collect();
        let mut sum = 0.0;
        for ((tokens, classes), patches) in set.batches(self.batch).zip(all.chunks(self.batch.max(1))) {
            sum += total(model.logits(tokens, &classes, patches)?, tokens).await?;
            done(classes.len());
        }
        Ok(Some(mean(sum, set, all.iter().map(Patches::count).sum())))
    }

    /// The fixed-length baseline's likelihood; `None` without one.
    ///
    /// # Errors
    /// As [`TokenModel::logits`] and [`read_f32`].
    pub async fn baseline(&self, set: &TokenSet, done: impl Fn(usize)) -> Result<Option<Likelihood>> {
        let Some(model) = &self.baseline else { return Ok(None) };
        let mut sum = 0.0;
        for (tokens, classes) in set.batches(self.batch) {
            sum += total(model.logits(tokens, &classes)?, tokens).await?;
            done(classes.len());
        }
        Ok(Some(mean(sum, set, set.tokens.len())))
    }
}

fn mean(sum: f64, set: &TokenSet, patches: usize) -> Likelihood {
    let tokens = set.tokens.len().max(1) as f64;
    Likelihood { nats: sum / tokens, patch_length: tokens / patches.max(1) as f64 }
}

/// Sum of -log p over a batch. `logits` (b, T, V), `tokens` (b * T).
async fn total(logits: Tensor<3>, tokens: &[u32]) -> Result<f64> {
    let [b, t, _] = logits.dims();
    let ids: Vec<i32> = tokens.iter().map(|id| *id as i32).collect();
    let ids = Tensor::<3, Int>::from_data(TensorData::new(ids, [b, t, 1]), &logits.device()); // (b, T, 1)
    let log_p = read_f32(log_softmax(logits, 2).gather(2, ids)).await?; // (b, T, 1)
    let sum: f64 = log_p.iter().map(|v| -f64::from(*v)).sum();
    if !sum.is_finite() {
        return Err(Error::Internal("a likelihood is not a number: the weights are damaged".into()));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_keeps_order_and_both_ends_of_small_sets() {
        let set = TokenSet { tokens: (0..20).collect(), classes: (0..10).collect() };
        let few = set.spread(5);
        assert_eq!(few.classes, [0, 2, 4, 6, 8]);
        assert_eq!(few.tokens, [0, 1, 4, 5, 8, 9, 12, 13, 16, 17]);
        assert_eq!(set.spread(99), set);
        assert_eq!(set.batches(4).map(|(x, y)| (x.len(), y.len())).collect::<Vec<_>>(), [(8, 4), (8, 4), (4, 2)]);
    }

    #[test]
    fn integers_of_every_width() {
        assert_eq!(integers(Dtype::I16, &[1, 0, 255, 255]), Some(vec![1, -1]));
        assert_eq!(integers(Dtype::U16, &[255, 255]), Some(vec![65_535]));
        assert_eq!(integers(Dtype::U8, &[7]), Some(vec![7]));
        assert_eq!(integers(Dtype::F32, &[0; 4]), None);
    }
}
