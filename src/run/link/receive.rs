//! A link where it arrives: what its model was, what this one draws instead, and whether it came out the same.

use super::{Link, as_form, sum};
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::error::{Error, Result};
use crate::run::prompt;
use crate::run::request::Request;

impl Link {
    /// The hash of the model that the link was made with, where it names one and that is not `hash`: the same settings
    /// then draw another picture, and a viewer should say so.
    pub fn other_model(&self, hash: &str) -> Option<&str> {
        self.model.as_deref().filter(|model| !model.eq_ignore_ascii_case(hash))
    }

    /// What to tell somebody on `adapter`, with the model of this hash, who has drawn other `tokens` than the link's sender
    /// saw; `None` where they are the same, where the link says nothing of it, or comes from another model.
    pub fn differs(&self, tokens: impl IntoIterator<Item = u32>, hash: &str, adapter: &str) -> Option<String> {
        let wanted = self.sum.as_deref().filter(|_| self.other_model(hash).is_none())?;
        let drawn = sum(tokens);
        (!drawn.eq_ignore_ascii_case(wanted)).then(|| {
            format!(
                "this is not quite the picture of the link (sum {drawn}, the sender's {wanted}): {adapter} rounds \
                 differently, and a near tie went the other way"
            )
        })
    }

    /// The run that the link asks for, with the model of this hash, and what a viewer should say of it, each as one
    /// sentence: what was not understood; that another model drew the picture; what this model draws instead of a thing
    /// that it does not know, or with instead of a threshold that means nothing to it.
    ///
    /// # Errors
    /// [`Error::Link`] for what this model cannot draw, naming it.
    pub fn request_for(&self, config: &ModelConfig, hash: &str) -> Result<(Request, Vec<String>)> {
        let mut notes = self.warnings.clone();
        let Some(other) = self.other_model(hash) else {
            return Ok((self.request(config).map_err(undrawable)?, notes));
        };
        notes.push(format!("the link was made with model {other}, this is {hash}: the picture will differ"));
        let mut request =
            self.request(config).or_else(|e| self.nearest(config, &mut notes).ok_or(e)?).map_err(undrawable)?;
        if request.generator != self.generator {
            notes.push(format!(
                "this model has no {}, which the link asks for: {} draws it",
                self.generator, request.generator
            ));
        }
        if let Some(trained) = config.trained_thresholds(hash) {
            notes.extend(within(trained, config.patching.threshold, &mut request));
        }
        Ok((request, notes))
    }

    /// The run with the nearest things that this model knows, and which they are; `None` where nothing is near.
    fn nearest(&self, config: &ModelConfig, notes: &mut Vec<String>) -> Option<Result<Request>> {
        let asked = self.class.as_deref()?;
        let form = as_form(asked).and_then(|text| prompt::resolve_nearest(&text, config).ok());
        let (mix, replaced) = form.or_else(|| prompt::resolve_nearest(asked, config).ok())?;
        notes.extend(
            replaced
                .into_iter()
                .map(|(name, drawn)| format!("that model's {name:?} is unknown here: the nearest, {drawn}, is drawn")),
        );
        Some(Self { class: Some(prompt::describe(&mix, config)), ..self.clone() }.request(config))
    }
}

fn undrawable(e: Error) -> Error {
    Error::Link(format!("the link cannot be drawn: {e}"))
}

/// Replaces thresholds that this model was not trained with by its own, and says so. In nats, least and most.
fn within([least, most]: [f32; 2], own: f32, request: &mut Request) -> Option<String> {
    let (mut replaced, mut all) = (Vec::new(), vec![&mut request.controls]);
    all.extend(request.schedule.iter_mut().map(|(_, controls)| controls));
    for controls in all {
        let Controls { threshold, .. } = controls;
        if !(least..=most).contains(threshold) {
            let text = threshold.to_string();
            if !replaced.contains(&text) {
                replaced.push(text);
            }
            *threshold = own;
        }
    }
    (!replaced.is_empty()).then(|| {
        let asked = replaced.join(", ");
        format!("its threshold of {asked} nats is outside {least} to {most}, which this model was trained for: {own} is used")
    })
}
