//! Finding a class by what people type: parts of its name, a synonym, its emoji.

use super::words::{fold_softly, is_number, plain_emoji};
use crate::checkpoint::config::ModelConfig;

/// What can be searched of a model's classes, folded once.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: Vec<CatalogueEntry>,
}

#[derive(Clone, Debug)]
struct CatalogueEntry {
    /// Folded softly.
    name: String,
    words: usize,
    /// Its group; `None` for a group, and where there are no groups.
    parent: Option<usize>,
    is_group: bool,
    aliases: Vec<String>,
    keywords: Vec<String>,
    /// Without variation selectors and skin tones.
    emoji: Vec<String>,
}

/// How well something matches, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Name,
    Alias,
    /// A whole word of the name.
    Word,
    Keyword,
    NameBegins,
    WordBegins,
    KeywordBegins,
    /// Every word of the query is somewhere in the name.
    InName,
    /// .. or in a synonym.
    InKeywords,
}

impl Catalogue {
    /// Folds a model's names, synonyms and emoji.
    pub fn of(config: &ModelConfig) -> Self {
        let entry = |(class, name): (usize, &String)| {
            let name = fold_softly(name);
            let folded = |lists: &[Vec<String>]| {
                lists.get(class).into_iter().flatten().map(|word| fold_softly(word)).collect::<Vec<_>>()
            };
            let (aliases, keywords) = (folded(&config.aliases), folded(&config.keywords));
            let emoji = config.emoji.get(class).into_iter().flatten().map(|emoji| plain_emoji(emoji)).collect();
            let words = name.split(' ').count();
            let parent = config.parents.get(class).copied().flatten();
            CatalogueEntry { name, words, parent, is_group: config.is_group(class), aliases, keywords, emoji }
        };
        Self { entries: config.classes.iter().enumerate().map(entry).collect() }
    }

    /// Classes that match, the best first. Nothing matches an empty query.
    pub fn search(&self, query: &str) -> Vec<usize> {
        let (wanted, emoji) = (fold_softly(query), plain_emoji(query.trim()));
        if wanted.is_empty() {
            return Vec::new();
        }
        let words: Vec<&str> = wanted.split(' ').collect();
        let rated = self.entries.iter().enumerate().filter_map(|(class, entry)| {
            let fit = entry.fit(&wanted, &words, &emoji)?;
            // Groups after things, short names before long ones that hold them.
            Some(((fit, entry.is_group, entry.words, entry.name.len()), class))
        });
        let mut rated: Vec<_> = rated.collect();
        rated.sort_unstable();
        rated.into_iter().map(|(_, class)| class).collect()
    }

    /// The class that a text means although it is not its name: the name written softly, its emoji, an alias, the last part
    /// of a group's name ("fruit" for food-fruit, but not "face" for cat-monkey-face: [`Catalogue::is_the_groups`]), or a
    /// keyword of nothing else, which no name holds either ("apple" is a keyword of the pie, but whoever says it means one
    /// of the apples).
    pub(super) fn meant(&self, text: &str) -> Option<usize> {
        let (wanted, emoji) = (fold_softly(text), plain_emoji(text));
        let find = |matches: &dyn Fn(&CatalogueEntry) -> bool| self.entries.iter().position(matches);
        let only = |matches: &dyn Fn(&CatalogueEntry) -> bool| {
            let mut all = self.entries.iter().enumerate().filter(|(_, e)| matches(e)).map(|(class, _)| class);
            all.next().filter(|_| all.next().is_none())
        };
        let held = || self.entries.iter().any(|e| e.name.split(' ').any(|word| word == wanted));
        let itself = find(&|e| e.name == wanted).or_else(|| find(&|e| e.emoji.contains(&emoji)));
        if itself.is_some() || is_number(&wanted) {
            return itself; // a number is a class's, not somebody's word for a thing
        }
        only(&|e| e.aliases.contains(&wanted))
            .or_else(|| {
                only(&|e| e.is_group && e.name.rsplit(' ').next() == Some(&wanted))
                    .filter(|group| self.is_the_groups(*group, &wanted))
            })
            .or_else(|| only(&|e| e.keywords.contains(&wanted)).filter(|_| !held()))
    }

    /// The class that an emoji shows.
    pub fn shown_by(&self, emoji: &str) -> Option<usize> {
        let emoji = plain_emoji(emoji.trim());
        self.entries.iter().position(|e| e.emoji.contains(&emoji))
    }

    /// Whether a word says more of a group's things than of all others: at most a third of those that have it in their
    /// name or are said of it are elsewhere.
    fn is_the_groups(&self, group: usize, word: &str) -> bool {
        let (mut inside, mut outside) = (0, 0);
        for e in self.entries.iter().filter(|e| !e.is_group) {
            let said = || e.aliases.iter().chain(&e.keywords).any(|k| k == word);
            if e.name.split(' ').any(|w| w == word) || said() {
                *if e.parent == Some(group) { &mut inside } else { &mut outside } += 1;
            }
        }
        2 * outside <= inside
    }

    /// Classes with this keyword, those with the shortest names first.
    pub(super) fn by_keyword(&self, text: &str) -> Vec<usize> {
        let wanted = fold_softly(text);
        let has = |(_, e): &(usize, &CatalogueEntry)| e.keywords.contains(&wanted);
        let mut found: Vec<usize> = self.entries.iter().enumerate().filter(has).map(|(class, _)| class).collect();
        found.sort_by_key(|class| (self.entries[*class].words, *class));
        found
    }
}

impl CatalogueEntry {
    fn fit(&self, wanted: &str, words: &[&str], emoji: &str) -> Option<Fit> {
        let keyword = |fits: &dyn Fn(&str) -> bool| self.aliases.iter().chain(&self.keywords).any(|k| fits(k));
        let word = |fits: &dyn Fn(&str) -> bool| self.name.split(' ').any(fits);
        if self.name == wanted || self.emoji.iter().any(|e| e == emoji) {
            return Some(Fit::Name);
        }
        if self.aliases.iter().any(|a| a == wanted) {
            return Some(Fit::Alias);
        }
        if word(&|w| w == wanted) {
            return Some(Fit::Word);
        }
        if keyword(&|k| k == wanted) {
            return Some(Fit::Keyword);
        }
        if self.name.starts_with(wanted) {
            return Some(Fit::NameBegins);
        }
        if word(&|w| w.starts_with(wanted)) {
            return Some(Fit::WordBegins);
        }
        if keyword(&|k| k.starts_with(wanted)) {
            return Some(Fit::KeywordBegins);
        }
        if words.iter().all(|w| self.name.contains(w)) {
            return Some(Fit::InName);
        }
        words.iter().all(|w| self.name.contains(w) || keyword(&|k| k.contains(w))).then_some(Fit::InKeywords)
    }
}
