//! Choosing what to draw: a search, the things that come out best, and every group with its things; one thing dropped
//! onto another mixes the two. What is shown is a list of rows, made anew only when the search or the open groups
//! change; a frame lays out those in sight.

mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;

pub use show::show;

use crate::checkpoint::config::ModelConfig;
use crate::mix::Mix;
use crate::run::prompt::{self, Catalogue};

/// Height of a line of text, in points: enough for a finger.
const LINE: f32 = 30.0;
/// Height of a row of pictures.
const PICTURES: f32 = 92.0;

/// What the picker remembers between frames.
#[derive(Default)]
pub struct Picker {
    search: String,
    open: BTreeSet<usize>,
    catalogue: Catalogue,
    rows: Vec<Row>,
    /// Where each row begins, and where the last one ends, in points.
    tops: Vec<f32>,
    /// Everything that can be chosen, in order: its row, and its place in it.
    choices: Vec<(usize, usize)>,
    /// Which of them Enter takes.
    marked: usize,
    /// What the rows were made for: the search, pictures in a row.
    made: Option<(String, usize)>,
    /// The marked choice has to come into sight.
    reveal: bool,
    /// The weight of the term that is being typed, as it was written: `0.7` of `0.7 ow`.
    weight: Option<String>,
    /// The list is open, and whether a key opened it.
    shown: Option<bool>,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq)]
enum Row {
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

impl Row {
    fn height(&self) -> f32 {
        if let Self::Best(_) = self { PICTURES } else { LINE }
    }

    fn choices(&self) -> usize {
        match self {
            Self::Note(_) => 0,
            Self::Best(all) => all.len(),
            Self::Typed(_) | Self::Group(_) | Self::Any(_) | Self::Thing(_) => 1,
        }
    }
}

/// What choosing does.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
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
    fn typed(&self) -> (&str, &str) {
        match self.search.rsplit_once('+') {
            Some((before, last)) => (before, last),
            None => ("", &self.search),
        }
    }

    /// Makes the rows, where what they depend on has changed; whether it has.
    fn refresh(&mut self, config: &ModelConfig, across: usize) -> bool {
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
    fn all(&self, config: &ModelConfig, across: usize) -> Vec<Row> {
        let best: Vec<usize> = config.best().collect();
        let mut rows: Vec<Row> = best.chunks(across.max(1)).map(|row| Row::Best(row.to_vec())).collect();
        let groups: Vec<usize> = (0..config.classes.len()).filter(|class| config.is_group(*class)).collect();
        if groups.is_empty() {
            rows.extend((0..config.num_classes()).map(Row::Thing));
            return rows;
        }
        for group in groups {
            rows.push(Row::Group(group));
            if self.open.contains(&group) {
                rows.push(Row::Any(group));
                rows.extend(config.members(group).map(Row::Thing));
            }
        }
        rows
    }

    /// What the search finds.
    fn found(&mut self, config: &ModelConfig) -> Vec<Row> {
        let (before, last) = self.typed();
        let mut rows = Vec::new();
        if !before.is_empty()
            && let Err(e) = prompt::resolve(before, config)
        {
            // What is chosen now would stand alone: nobody wants half of what they typed.
            return vec![Row::Note(e.to_string())];
        }
        let whole = || prompt::resolve(&self.search, config);
        if !before.is_empty()
            && let Ok(mix) = whole()
        {
            rows.push(Row::Typed(mix));
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
        let row = |class: usize| if config.is_group(class) { Row::Any(class) } else { Row::Thing(class) };
        rows.extend(found.into_iter().map(row));
        if rows.is_empty() {
            let said = if last.trim().is_empty() { None } else { whole().err().map(|e| e.to_string()) };
            rows.push(Row::Note(said.unwrap_or_else(|| "type what to mix it with".into())));
        }
        self.weight = weight;
        rows
    }

    /// The rows in sight of a list whose upper `hidden` points are out of it.
    fn in_sight(&self, hidden: f32, height: f32) -> Range<usize> {
        let first = self.tops.partition_point(|top| *top <= hidden).saturating_sub(1);
        let end = self.tops.partition_point(|top| *top < hidden + height);
        first..end.min(self.rows.len())
    }

    /// What a choice means.
    fn choice(&self, (row, place): (usize, usize), config: &ModelConfig) -> Option<Choice> {
        let class = match self.rows.get(row)? {
            Row::Note(_) => return None,
            Row::Typed(mix) => return Some(Choice::Take(mix.clone())),
            Row::Group(group) => return Some(Choice::Toggle(*group)),
            Row::Best(all) => *all.get(place)?,
            Row::Any(class) | Row::Thing(class) => *class,
        };
        Some(Choice::Take(self.completed(class, config)))
    }

    /// A class in the place of the name that is being typed: `2 owl + pan` with the panda is `2 owl + panda`.
    fn completed(&self, class: usize, config: &ModelConfig) -> Mix {
        let before = self.typed().0;
        let name = config.class_name(class);
        let term = self.weight.as_ref().map_or_else(|| name.clone(), |weight| format!("{weight} {name}"));
        let text = if before.is_empty() { term } else { format!("{before} + {term}") };
        prompt::resolve(&text, config).unwrap_or_else(|_| class.into())
    }

    /// What is typed or pasted, with the emoji of known things by their names, which every font can show; `None` where there
    /// are none.
    fn spelled_out(&self, text: &str, config: &ModelConfig) -> Option<String> {
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
    fn close(&mut self) {
        self.search.clear();
        (self.marked, self.shown) = (0, None);
    }

    /// Shows or hides a group's things; their rows are made with the next frame.
    fn toggle(&mut self, group: usize) {
        if !self.open.remove(&group) {
            self.open.insert(group);
        }
        self.made = None;
    }

    /// Marks the choice `by` places on.
    fn mark(&mut self, by: isize) {
        let last = self.choices.len().saturating_sub(1);
        self.marked = self.marked.saturating_add_signed(by).min(last);
        self.reveal = true;
    }
}

/// One thing and another, half and half; a mix keeps its parts.
fn mixed(a: &Mix, b: &Mix) -> Mix {
    let terms = [a, b].into_iter().flat_map(|mix| mix.shares().map(|(share, class)| (0.5 * share, class).into()));
    let terms: Vec<crate::mix::Term> = terms.collect();
    // Equal parts are said without numbers.
    let equal = terms.iter().all(|t| t.weight == terms[0].weight);
    let plain = terms.iter().map(|t| crate::mix::Term { weight: if equal { 1.0 } else { t.weight }, ..*t }).collect();
    // Two mixes add up to something, and so do their halves.
    Mix::new(plain).unwrap_or_else(|_| a.clone())
}
