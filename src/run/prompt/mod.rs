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

mod names;
mod nearest;
mod search;
mod words;

use names::Names;
pub use search::Catalogue;
use words::{fold, is_number, quoted, shortened, tidy};
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
            replaced.push((shortened(&fold(name)), config.class_name(near)));
            Ok(near)
        })
    })?;
    Ok((mix, replaced))
}

/// Whether a prompt is exactly a class's name, in any case and with any spaces.
pub fn is_name(prompt: &str, config: &ModelConfig) -> bool {
    names::called(&fold(prompt), config).next().is_some()
}

/// Reads a prompt; `find` brings the class of a name.
fn read(prompt: &str, names: &Names<'_>, mut find: impl FnMut(&str) -> Result<usize>) -> Result<Mix> {
    if prompt.len() > MAX_BYTES {
        let bytes = prompt.len();
        return Err(Error::Request(format!("what to draw is {bytes} bytes long: at most {MAX_BYTES} are read")));
    }
    if let Some(class) = names.exact(prompt) {
        return Ok(Mix::of(class?));
    }
    let mut terms = Vec::new();
    for term in prompt.split('+').map(tidy) {
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

/// What [`resolve`] reads as this mix, as short as it can be said: names, and numbers where a name would be read as another
/// thing.
pub fn describe(mix: &Mix, config: &ModelConfig) -> String {
    words(mix, |class| {
        // In a mix a name with a '+' in it would be read as two.
        let name = Some(names::spelled(class, config)).filter(|name| mix.single().is_some() || !name.contains('+'));
        name.unwrap_or_else(|| names::number(class, config))
    })
}

/// A mix for people to read: every class by its name, also where another is called so too.
pub fn caption(mix: &Mix, config: &ModelConfig) -> String {
    words(mix, |class| config.class_name(class))
}

fn words(mix: &Mix, name: impl Fn(usize) -> String) -> String {
    if let Some(class) = mix.single() {
        return name(class);
    }
    // Rust writes floats without exponents and reads back what it wrote.
    let term = |t: &Term| if t.weight == 1.0 { name(t.class) } else { format!("{} {}", t.weight, name(t.class)) };
    mix.terms().iter().map(term).collect::<Vec<_>>().join(" + ")
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
