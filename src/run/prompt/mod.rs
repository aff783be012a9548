//! The words a picture is asked for with: `red apple`, `0.7 owl + 0.3 panda`, and back from a [`Mix`] to words.
//!
//! ```text
//! prompt:  term ('+' term)*        term:  [number] name
//! ```
//!
//! A whole prompt, then a whole term, that is a name wins over every other reading: `1st place medal` has no weight. Names
//! count in any case and with any spaces; `training/prompt.py` is the reference, and what it makes of 40 prompts is a
//! test here. Beyond it a name may be written without its accents, apostrophes and hyphens, by its emoji, by its number,
//! by an alias, or by a word that means nothing else ([`ModelConfig::aliases`], [`ModelConfig::keywords`]).

mod nearest;
mod search;
mod words;

use std::collections::HashMap;

pub use search::Catalogue;
use words::{fold, is_number, quoted, shortened};
pub use words::{fold_softly, weighted};

use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};
use crate::mix::{Mix, Term};

/// The longest prompt that is read, in bytes.
pub const MAX_BYTES: usize = 1000;
/// The most things of one mix: what [`describe`] makes of them stays below [`MAX_BYTES`] for names of usual length.
pub const MAX_TERMS: usize = 16;

/// The mix that a prompt asks for.
///
/// # Errors
/// [`Error::Request`] for a name that is not known, with the three nearest; a '+' with nothing beside it; more than
/// [`MAX_TERMS`] things; weights that add up to nothing.
pub fn resolve(prompt: &str, config: &ModelConfig) -> Result<Mix> {
    let names = Names::of(config);
    read(prompt, &names, |name| names.find(name))
}

/// As [`resolve`], but what another model called otherwise becomes what is spelled most like it, term by term. With the
/// mix: each name that is not known, and the one that is drawn for it.
///
/// # Errors
/// As [`resolve`], for numbers that this model does not have, and where it names no classes.
pub fn resolve_nearest(prompt: &str, config: &ModelConfig) -> Result<(Mix, Vec<(String, String)>)> {
    let names = Names::of(config);
    let mut replaced = Vec::new();
    let mix = read(prompt, &names, |name| {
        names.find(name).or_else(|e| {
            let near = nearest(name, config).filter(|_| !is_number(name)).ok_or(e)?;
            replaced.push((shortened(name), config.class_name(near)));
            Ok(near)
        })
    })?;
    Ok((mix, replaced))
}

/// Whether a prompt is exactly a class's name, in any case and with any spaces.
pub fn is_name(prompt: &str, config: &ModelConfig) -> bool {
    let folded = fold(prompt);
    config.classes.iter().any(|name| fold(name) == folded)
}

/// Reads a prompt; `find` brings the class of a folded name.
fn read(prompt: &str, names: &Names<'_>, mut find: impl FnMut(&str) -> Result<usize>) -> Result<Mix> {
    if prompt.len() > MAX_BYTES {
        let bytes = prompt.len();
        return Err(Error::Request(format!("what to draw is {bytes} bytes long: at most {MAX_BYTES} are read")));
    }
    if let Some(class) = names.exact(&fold(prompt)) {
        return Ok(Mix::of(class));
    }
    let mut terms = Vec::new();
    for term in prompt.split('+').map(fold) {
        if term.is_empty() {
            return Err(Error::Request(format!("{} has nothing beside a '+'", quoted(prompt))));
        }
        if terms.len() == MAX_TERMS {
            return Err(Error::Request(format!("{} mixes more than {MAX_TERMS} things", quoted(prompt))));
        }
        let (weight, name) = match weighted(&term) {
            Some(both) if names.exact(&term).is_none() => both,
            _ => (1.0, term.as_str()),
        };
        terms.push(Term { weight, class: find(name)? });
    }
    Mix::new(terms).map_err(|_| Error::Request(format!("the weights of {} add up to nothing", quoted(prompt))))
}

/// What [`resolve`] reads as this mix, as short as it can be said.
pub fn describe(mix: &Mix, config: &ModelConfig) -> String {
    if let Some(class) = mix.single() {
        return config.class_name(class);
    }
    let term = |t: &Term| {
        // A name with a '+' in it would be read as two.
        let name = Some(config.class_name(t.class)).filter(|name| !name.contains('+'));
        let name = name.unwrap_or_else(|| t.class.to_string());
        // Rust writes floats without exponents and reads back what it wrote.
        if t.weight == 1.0 { name } else { format!("{} {name}", t.weight) }
    };
    mix.terms().iter().map(term).collect::<Vec<_>>().join(" + ")
}

/// What a model's classes are called.
struct Names<'a> {
    config: &'a ModelConfig,
    /// Folded names; of equal ones the first counts.
    exact: HashMap<String, usize>,
}

impl<'a> Names<'a> {
    fn of(config: &'a ModelConfig) -> Self {
        let exact = config.classes.iter().enumerate().rev().map(|(class, name)| (fold(name), class)).collect();
        Self { config, exact }
    }

    fn exact(&self, folded: &str) -> Option<usize> {
        self.exact.get(folded).copied()
    }

    fn find(&self, folded: &str) -> Result<usize> {
        if let Some(class) = self.exact(folded) {
            return Ok(class);
        }
        let count = self.config.num_classes();
        if is_number(folded) {
            let class = folded.parse::<usize>().ok().filter(|class| *class < count);
            let unknown = || format!("class {} does not exist: this model has 0 to {}", shortened(folded), count - 1);
            return class.ok_or_else(|| Error::Request(unknown()));
        }
        if self.config.classes.is_empty() {
            return Err(Error::Request(format!(
                "nothing is called {}: this model names no classes, give a number from 0 to {}",
                quoted(folded),
                count - 1
            )));
        }
        let catalogue = Catalogue::of(self.config);
        if let Some(class) = catalogue.meant(folded) {
            return Ok(class);
        }
        // What holds it in its name; where nothing does, what it is said of; then what is spelled like it.
        let said_of = catalogue.by_keyword(folded).into_iter().map(|class| fold(&self.config.classes[class]));
        let names: Vec<String> = self.config.classes.iter().map(|name| fold(name)).collect();
        let (held, spelled) = nearest::names(folded, &names);
        let mut near: Vec<String> = Vec::new();
        let said_of = said_of.filter(|_| held.is_empty()).collect::<Vec<_>>();
        for name in held.into_iter().chain(said_of).chain(spelled) {
            if near.len() < 3 && !near.contains(&name) {
                near.push(name);
            }
        }
        Err(Error::Request(format!("nothing is called {}; nearest: {}", quoted(folded), near.join(", "))))
    }
}

/// The class whose name is spelled most like `text`. `None` where the model names no classes.
fn nearest(text: &str, config: &ModelConfig) -> Option<usize> {
    let names: Vec<String> = config.classes.iter().map(|name| fold(name)).collect();
    let (held, spelled) = nearest::names(&fold(text), &names);
    let best = held.into_iter().chain(spelled).next()?;
    names.iter().position(|name| *name == best)
}

#[cfg(test)]
mod tests;
