//! The words of a prompt: folding, weights, numbers, and strangers' text in messages.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// One space between words, none around them.
pub(super) fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same in lower case.
pub(super) fn fold(text: &str) -> String {
    tidy(&text.to_lowercase())
}

/// Whether it is the number of a class.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `0.7 owl` as 0.7 and `owl`: digits with at most one point, a space, a name.
pub fn weighted(term: &str) -> Option<(f64, &str)> {
    let (number, name) = term.split_once(' ')?;
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let points = number.bytes().filter(|b| *b == b'.').count();
    if digits == 0 || points > 1 || digits + points != number.len() {
        return None;
    }
    Some((number.parse().ok()?, name))
}

/// Text of a stranger for a message: in quotes, on one line, not too long.
pub(super) fn quoted(text: &str) -> String {
    let inner = shortened(text).escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
    if inner.contains('\'') && !inner.contains('"') { format!("\"{inner}\"") } else { format!("'{inner}'") }
}

/// At most 60 characters of it.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() { short + "..." } else { short }
}

/// Lower case, without accents and apostrophes, hyphens as spaces, one space between words: `Piñata` is `pinata`,
/// `jack-o’-lantern` is `jack o lantern`.
pub fn fold_softly(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c) && !is_skin_tone(*c)) {
        match c {
            '\'' | '\u{2019}' | '\u{2018}' | '\u{02BC}' | '`' | '\u{B4}' => {}
            '-' | '_' | '\u{2010}'..='\u{2015}' => folded.push(' '),
            c if c.is_whitespace() => folded.push(' '),
            c => folded.extend(c.to_lowercase()),
        }
    }
    folded.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// An emoji without variation selectors and skin tones: what tells it from others.
pub(super) fn plain_emoji(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\u{FE0E}' | '\u{FE0F}') && !is_skin_tone(*c)).collect()
}

fn is_skin_tone(c: char) -> bool {
    ('\u{1F3FB}'..='\u{1F3FF}').contains(&c)
}
