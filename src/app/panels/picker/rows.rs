//! What is listed: rows, made anew only when the search or the open groups change.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::checkpoint::config::ModelConfig;
use crate::mix::Mix;
use crate::run::prompt::{self, Catalogue};

/// Height of a line of text, in points: enough for a finger.
pub(super) const LINE: f32 = 30.0;
/// Height of a row of pictures.
pub(super) const PICTURES: f32 = 92.0;

/// What the picker remembers between frames.
#[derive(Default)]
pub struct Picker {
    pub(super) search: String,
    pub(super) open: BTreeSet<usize>,
    pub(super) catalogue: Catalogue,
    pub(super) rows: Vec<PickerRow>,
    /// Where each row begins, and where the last one ends, in points.
    pub(super) tops: Vec<f32>,
    /// Everything that can be chosen, in order: its row, and its place in it.
    pub(super) choices: Vec<(usize, usize)>,
    /// Which of them Enter takes.
    pub(super) marked: usize,
    /// What the rows were made for: the search, pictures in a row.
    pub(super) made: Option<(String, usize)>,
    /// The marked choice has to come into sight.
    pub(super) reveal: bool,
    /// The weight of the term that is being typed, as it was written: `0.7` of `0.7 ow`.
    pub(super) weight: Option<String>,
    /// The list is open, and whether a key opened it.
    pub(super) shown: Option<bool>,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PickerRow {
    /// Words that nobody can choose.
    Note(String),
    /// What has been typed, where that is a mix.
    Typed(Mix),
    /// Pictures of things that come out best.
    Best(Vec<usize>),
    /// A group, to be opened.
    Group(usize),
    /// A group itself: any of its things.
    Any(usize),
    /// A thing.
    Thing(usize),
}

impl PickerRow {
    pub(super) fn height(&self) -> f32 {
        if let Self::Best(_) = self { PICTURES } else { LINE }
    }

    pub(super) fn choices(&self) -> usize {
        match self {
            Self::Note(_) => 0,
            Self::Best(all) => all.len(),
            Self::Typed(_) | Self::Group(_) | Self::Any(_) | Self::Thing(_) => 1,
        }
    }
}

/// What choosing does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    /// Draw this.
    Take(Mix),
    /// Show or hide a group's things.
    Toggle(usize),
}

impl Picker {
    /// For a model's classes.
    pub fn new(config: &ModelConfig) -> Self {
        Self { catalogue: Catalogue::of(config), ..Self::default() }
    }

    /// What has been typed before the last '+', to be completed, and the name that is being typed.
    pub(super) fn typed(&self) -> (&str, &str) {
        match self.search.rsplit_once('+') {
            Some((before, last)) => (before, last),
            None => ("", &self.search),
        }
    }

    /// Makes the rows, where what they depend on has changed; whether it has.
    pub(super) fn refresh(&mut self, config: &ModelConfig, across: usize) -> bool {
        if self.made.as_ref().is_some_and(|(search, columns)| *search == self.search && *columns == across) {
            return false;
        }
        self.weight = None;
        self.rows = if self.search.trim().is_empty() { self.all(config, across) } else { self.found(config) };
        self.made = Some((self.search.clone(), across));
        self.tops = vec![0.0];
        self.choices.clear();
        for (n, row) in self.rows.iter().enumerate() {
            self.tops.push(self.tops[n] + row.height());
            self.choices.extend((0..row.choices()).map(|place| (n, place)));
        }
        self.marked = self.marked.min(self.choices.len().saturating_sub(1));
        true
    }

    /// Everything: the best, then the groups.
    pub(super) fn all(&self, config: &ModelConfig, across: usize) -> Vec<PickerRow> {
        let best: Vec<usize> = config.best().collect();
        let mut rows: Vec<PickerRow> = best.chunks(across.max(1)).map(|row| PickerRow::Best(row.to_vec())).collect();
        let groups: Vec<usize> = (0..config.classes.len()).filter(|class| config.is_group(*class)).collect();
        if groups.is_empty() {
            rows.extend((0..config.num_classes()).map(PickerRow::Thing));
            return rows;
        }
        for group in groups {
            rows.push(PickerRow::Group(group));
            if self.open.contains(&group) {
                rows.push(PickerRow::Any(group));
                let (last, first): (Vec<_>, Vec<_>) =
                    config.members(group).partition(|class| config.is_unclear(*class));
                rows.extend(first.into_iter().chain(last).map(PickerRow::Thing));
            }
        }
        rows
    }

    /// What the search finds.
    pub(super) fn found(&mut self, config: &ModelConfig) -> Vec<PickerRow> {
        let (before, last) = self.typed();
        let mut rows = Vec::new();
        if !before.is_empty()
            && let Err(e) = prompt::resolve(before, config)
        {
            // What is chosen now would stand alone: nobody wants half of what they typed.
            return vec![PickerRow::Note(e.to_string())];
        }
        let whole = || prompt::resolve(&self.search, config);
        if !before.is_empty()
            && let Ok(mix) = whole()
        {
            rows.push(PickerRow::Typed(mix));
        }
        let mut weight = None;
        let mut found = self.catalogue.search(last);
        if found.is_empty()
            && let Some((_, name)) = prompt::weighted(last.trim())
        {
            found = self.catalogue.search(name); // "0.7 ow"
            weight = last.split_whitespace().next().map(str::to_owned);
        }
        if found.is_empty()
            && let Ok(class) = last.trim().parse::<usize>()
            && class < config.num_classes()
        {
            found.push(class);
        }
        let row = |class: usize| if config.is_group(class) { PickerRow::Any(class) } else { PickerRow::Thing(class) };
        rows.extend(found.into_iter().map(row));
        if rows.is_empty() {
            let said = if last.trim().is_empty() { None } else { whole().err().map(|e| e.to_string()) };
            rows.push(PickerRow::Note(said.unwrap_or_else(|| "type what to mix it with".into())));
        }
        self.weight = weight;
        rows
    }

    /// The rows in sight of a list whose upper `hidden` points are out of it.
    pub(super) fn in_sight(&self, hidden: f32, height: f32) -> Range<usize> {
        let first = self.tops.partition_point(|top| *top <= hidden).saturating_sub(1);
        let end = self.tops.partition_point(|top| *top < hidden + height);
        first..end.min(self.rows.len())
    }

    /// What a choice means.
    pub(super) fn choice(&self, (row, place): (usize, usize), config: &ModelConfig) -> Option<Choice> {
        let class = match self.rows.get(row)? {
            PickerRow::Note(_) => return None,
            PickerRow::Typed(mix) => return Some(Choice::Take(mix.clone())),
            PickerRow::Group(group) => return Some(Choice::Toggle(*group)),
            PickerRow::Best(all) => *all.get(place)?,
            PickerRow::Any(class) | PickerRow::Thing(class) => *class,
        };
        Some(Choice::Take(self.completed(class, config)))
    }

    /// A class in the place of the name that is being typed: `2 owl + pan` with the panda is `2 owl + panda`.
    pub(super) fn completed(&self, class: usize, config: &ModelConfig) -> Mix {
        let before = self.typed().0;
        let name = config.class_name(class);
        let term = self.weight.as_ref().map_or_else(|| name.clone(), |weight| format!("{weight} {name}"));
        let text = if before.is_empty() { term } else { format!("{before} + {term}") };
        prompt::resolve(&text, config).unwrap_or_else(|_| class.into())
    }

    /// What is typed or pasted, with the emoji of known things by their names, which every font can show; `None` where there
    /// are none.
    pub(super) fn spelled_out(&self, text: &str, config: &ModelConfig) -> Option<String> {
        if text.is_ascii() {
            return None;
        }
        let spelled = |term: &str| {
            let term = term.trim();
            let emoji = prompt::weighted(term).map_or(term, |(_, name)| name);
            let name = config.class_name(self.catalogue.shown_by(emoji)?);
            Some(term.replace(emoji, &name))
        };
        let terms: Vec<Option<String>> = text.split('+').map(spelled).collect();
        if terms.iter().all(Option::is_none) {
            return None;
        }
        let whole = text.split('+').zip(terms).map(|(term, name)| name.unwrap_or_else(|| term.trim().to_owned()));
        Some(whole.collect::<Vec<_>>().join(" + "))
    }

    /// Forgets what was looked for.
    pub(super) fn close(&mut self) {
        self.search.clear();
        (self.marked, self.shown) = (0, None);
    }

    /// Shows or hides a group's things; their rows are made with the next frame.
    pub(super) fn toggle(&mut self, group: usize) {
        if !self.open.remove(&group) {
            self.open.insert(group);
        }
        self.made = None;
    }

    /// Marks the choice `by` places on.
    pub(super) fn mark(&mut self, by: isize) {
        let last = self.choices.len().saturating_sub(1);
        self.marked = self.marked.saturating_add_signed(by).min(last);
        self.reveal = true;
    }
}

/// One thing and another, half and half; a mix keeps its parts.
pub(super) fn mixed(a: &Mix, b: &Mix) -> Mix {
    let terms = [a, b].into_iter().flat_map(|mix| mix.shares().map(|(share, class)| (0.5 * share, class).into()));
    let terms: Vec<crate::mix::Term> = terms.collect();
    // Equal parts are said without numbers.
    let equal = terms.iter().all(|t| t.weight == terms[0].weight);
    let plain = terms.iter().map(|t| crate::mix::Term { weight: if equal { 1.0 } else { t.weight }, ..*t }).collect();
    // Two mixes add up to something, and so do their halves.
    Mix::new(plain).unwrap_or_else(|_| a.clone())
}

#[cfg(test)]
mod tests;
