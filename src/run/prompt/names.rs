//! What classes are called, and which of them a name means: of names that differ in nothing, none.

use std::collections::HashMap;

use super::nearest;
use super::search::Catalogue;
use super::words::{fold, is_number, quoted, shortened, tidy};
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};

/// The longest name, in bytes, that a class is spelled with; one of a longer name is told by its number.
const MAX_NAME: usize = 200;
/// The most classes that a message lists.
const MAX_LISTED: usize = 8;

/// The classes of a folded name.
pub(super) fn called<'a>(folded: &'a str, config: &'a ModelConfig) -> impl Iterator<Item = usize> + 'a {
    // Folding takes a while, and names that begin with another letter are most.
    let first = folded.chars().next();
    let may = move |name: &str| name.trim_start().chars().next().is_some_and(|c| c.to_lowercase().next() == first);
    let names = config.classes.iter().enumerate().filter(move |(_, name)| may(name));
    names.filter(move |(_, name)| fold(name) == folded).map(|(class, _)| class)
}

/// A class as [`super::resolve`] reads it back: by its name, where that is its own.
pub(super) fn spelled(class: usize, config: &ModelConfig) -> String {
    let Some(name) = config.classes.get(class) else { return class.to_string() };
    let folded = fold(name);
    let fits = !folded.is_empty() && name.len() <= MAX_NAME;
    match fits.then(|| meant(name, &folded, config)) {
        Some(Ok(found)) if found == class => tidy(name),
        _ => number(class, config),
    }
}

/// A class's number; with a zero before it where it is what another class is called.
pub(super) fn number(class: usize, config: &ModelConfig) -> String {
    let mut number = class.to_string();
    while called(&number, config).next().is_some() {
        number.insert(0, '0');
    }
    number
}

/// The class that is called so.
///
/// # Errors
/// All that could be meant, where that is more than one.
fn meant(name: &str, folded: &str, config: &ModelConfig) -> std::result::Result<usize, Vec<usize>> {
    let mut all: Vec<usize> = called(folded, config).collect();
    let count = config.num_classes();
    let number = is_number(folded).then(|| folded.parse().ok()).flatten();
    if let Some(number) = number.filter(|number| *number < count && !all.contains(number)) {
        all.push(number);
        return Err(all);
    }
    if let [one] = *all {
        return Ok(one);
    }
    // Some names differ in their case alone.
    let same = |class: &usize| config.classes.get(*class).is_some_and(|other| tidy(other) == tidy(name));
    match *all.iter().copied().filter(same).collect::<Vec<_>>() {
        [one] => Ok(one),
        _ => Err(all),
    }
}

/// What a model's classes are called.
pub(super) struct Names<'a> {
    config: &'a ModelConfig,
    /// Folded names, each with one of the classes of that name, and whether there are more.
    exact: HashMap<String, (usize, bool)>,
}

impl<'a> Names<'a> {
    /// Folds all names, once.
    pub fn of(config: &'a ModelConfig) -> Self {
        let mut exact = HashMap::with_capacity(config.classes.len());
        for (class, name) in config.classes.iter().enumerate().filter(|(_, name)| !name.trim().is_empty()) {
            exact.entry(fold(name)).and_modify(|(_, more)| *more = true).or_insert((class, false));
        }
        Self { config, exact }
    }

    /// The class that is called so, if one is; an error where it could be another as well.
    pub fn exact(&self, name: &str) -> Option<Result<usize>> {
        let folded = fold(name);
        let (class, more) = *self.exact.get(&folded)?;
        if !more && !is_number(&folded) {
            return Some(Ok(class));
        }
        Some(meant(name, &folded, self.config).map_err(|all| {
            let mut listed: Vec<String> =
                all.iter().take(MAX_LISTED).map(|class| number(*class, self.config)).collect();
            if all.len() > MAX_LISTED {
                listed.push(format!("{} more", all.len() - MAX_LISTED));
            }
            let last = listed.pop().unwrap_or_default();
            let listed = format!("{} and {last}", listed.join(", "));
            Error::Request(format!("{} can mean the classes {listed}: give one by its number", quoted(name)))
        }))
    }

    /// The class of a name, a number, or other words for it.
    pub fn find(&self, name: &str) -> Result<usize> {
        if let Some(class) = self.exact(name) {
            return class;
        }
        let folded = fold(name);
        let folded = folded.as_str();
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
