//! What a patch attends to, found out beside the frame: a whole layer at once where it fits, else one patch at a time.

use std::sync::Arc;

use crate::app::state::own::Attend;
use crate::app::state::picture::Picture;
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::error::{Error, Result};
use crate::model::Dpar;
use crate::model::attention::AttentionMap;
use crate::patching::Patches;
use crate::platform::Task;

/// What weights belong to: picture, layer, patches, and the patch where they are one patch's alone.
#[derive(Clone, Debug, PartialEq)]
struct Subject {
    picture: u64,
    layer: usize,
    starts: Vec<bool>,
    patch: Option<usize>,
}

/// Attending weights.
enum PatchWeights {
    /// Of a layer.
    Layer(AttentionMap),
    /// Of one patch: a row a head, [class, patch 0 .. patch m - 1].
    Patch(Vec<f32>),
}

impl PatchWeights {
    /// What a patch attends to, with a head or on average; column 0 is the class.
    fn row(&self, patch: usize, head: Option<usize>) -> Vec<f32> {
        match (self, head) {
            (Self::Layer(map), Some(head)) => map.row(head, patch).to_vec(),
            (Self::Layer(map), None) => map.mean_row(patch),
            (Self::Patch(rows), head) => {
                let mut heads = rows.chunks_exact(patch + 1);
                match head {
                    Some(head) => heads.nth(head).unwrap_or_default().to_vec(),
                    None => {
                        let count = heads.len() as f32;
                        let mut mean = vec![0.0; patch + 1];
                        heads.for_each(|row| mean.iter_mut().zip(row).for_each(|(to, w)| *to += w / count));
                        mean
                    }
                }
            }
        }
    }
}

/// PatchWeights, and the model that made them, for the next ones.
type Found = (Arc<Dpar>, PatchWeights);

/// The newest weights, and those on their way.
#[derive(Default)]
pub struct Attending {
    dpar: Option<Arc<Dpar>>,
    known: Option<(Subject, PatchWeights)>,
    asked: Option<(Subject, Task<Result<Found>>)>,
    /// Not to be asked again: it has failed.
    failed: Option<Subject>,
}

impl Attending {
    /// What a patch attends to among the patches before it, as far as it is known; starts to find out if it is not. What
    /// fails is said once and not tried again.
    ///
    /// # Errors
    /// As [`Dpar::attention`] and [`Dpar::attention_row`].
    pub fn of(
        &mut self,
        model: &LoadedModel,
        picture: &Picture,
        patches: &Patches,
        (attend, patch): (Attend, usize),
        wake: &Wake,
    ) -> Result<Option<Vec<f32>>> {
        if let Some((subject, result)) = self.asked.as_ref().and_then(|(s, task)| Some((s.clone(), task.take()?))) {
            self.asked = None;
            match result {
                Ok((dpar, weights)) => {
                    self.dpar = Some(dpar);
                    self.known = Some((subject, weights));
                }
                Err(e) => {
                    self.failed = Some(subject);
                    return Err(e);
                }
            }
        }
        let heads = model.files.config.dpar.as_ref().map_or(0, |c| c.n_head);
        let alone = !AttentionMap::fits(heads, patches.count());
        let subject = Subject {
            picture: picture.id,
            layer: attend.layer,
            starts: patches.starts().to_vec(),
            patch: alone.then_some(patch),
        };
        if let Some((_, weights)) = self.known.as_ref().filter(|(known, _)| *known == subject) {
            return Ok(Some(weights.row(patch, attend.head).into_iter().skip(1).collect()));
        }
        if self.asked.is_none() && self.failed.as_ref() != Some(&subject) {
            self.ask(subject, model, picture, patches, wake)?;
        }
        Ok(None)
    }

    fn ask(
        &mut self,
        subject: Subject,
        model: &LoadedModel,
        picture: &Picture,
        patches: &Patches,
        wake: &Wake,
    ) -> Result<()> {
        let (files, dpar, device) = (model.files.clone(), self.dpar.clone(), model.backend.tensor_device()?);
        let tokens: Vec<u32> = picture.tokens.iter().map(|t| t.id).collect();
        let (class, patches, wake) = (picture.request.class.clone(), patches.clone(), wake.clone());
        let (layer, patch) = (subject.layer, subject.patch);
        let work = async move || {
            let dpar = match (dpar, &files.config.dpar, &files.dpar) {
                (Some(dpar), ..) => dpar,
                (None, Some(config), Some(checkpoint)) => Arc::new(Dpar::load(config, checkpoint, &device)?),
                _ => {
                    let why = "this model folder has no DPAR whose attention could be shown";
                    return Err(Error::Request(why.into()));
                }
            };
            let weights = match patch {
                None => PatchWeights::Layer(dpar.attention(&tokens, &class, &patches, layer).await?),
                Some(patch) => PatchWeights::Patch(dpar.attention_row(&tokens, &class, &patches, layer, patch).await?),
            };
            Ok((dpar, weights))
        };
        self.asked = Some((subject, Task::spawn(move || wake(), work)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_patch_are_read_as_those_of_a_layer() {
        let rows = PatchWeights::Patch(vec![0.5, 0.25, 0.25, 0.1, 0.2, 0.7]); // two heads, patch 2
        assert_eq!(rows.row(2, Some(1)), [0.1, 0.2, 0.7]);
        let mean = rows.row(2, None);
        assert!(mean.iter().zip([0.3, 0.225, 0.475]).all(|(a, b)| (a - b).abs() < 1e-6), "{mean:?}");
        assert!(rows.row(2, Some(2)).is_empty());
    }
}
