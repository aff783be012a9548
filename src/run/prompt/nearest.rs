//! Which names are spelled like a text: Python's `difflib.get_close_matches`, so that this program suggests what
//! `training/prompt.py` does.

use std::cmp::Ordering;

/// Names for a text that is none, the most likely first: those that hold all its words; then those that hold a word spelled
/// much like it, and the three spelled most like it as a whole. Later names come before earlier ones, as in the reference.
pub fn names(text: &str, names: &[String]) -> (Vec<String>, Vec<String>) {
    let wanted: Vec<&str> = text.split(' ').collect();
    let words = |name: &str| name.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let holds = |name: &&String| {
        let words = words(name);
        wanted.iter().all(|w| words.iter().any(|word| word == w))
    };
    let backwards = || names.iter().rev();
    let held = backwards().filter(holds).cloned().collect();
    let mut near: Vec<String> = Vec::new();
    let mut all: Vec<String> = names.iter().flat_map(|name| words(name)).collect();
    all.sort_unstable();
    all.dedup();
    if let Some(word) = close(text, &all, 1, 0.7).first() {
        near.extend(backwards().filter(|name| words(name).contains(word)).cloned());
    }
    near.extend(close(text, names, 3, 0.0));
    (held, near)
}

/// The `count` texts with the highest [`ratio`], if it is at least `least`; of equal ones the later in the alphabet.
fn close(text: &str, among: &[String], count: usize, least: f64) -> Vec<String> {
    let b: Vec<char> = text.chars().collect();
    let rated = among.iter().map(|a| (ratio(&a.chars().collect::<Vec<_>>(), &b), a));
    let mut rated: Vec<(f64, &String)> = rated.filter(|(r, _)| *r >= least).collect();
    let order = |a: &(f64, &String), b: &(f64, &String)| match b.0.total_cmp(&a.0) {
        Ordering::Equal => b.1.cmp(a.1),
        other => other,
    };
    rated.sort_by(order);
    rated.into_iter().take(count).map(|(_, a)| a.clone()).collect()
}

/// Ratcliff and Obershelp's similarity, 0 to 1: twice the characters in common runs over all characters.
fn ratio(a: &[char], b: &[char]) -> f64 {
    let all = a.len() + b.len();
    if all == 0 { 1.0 } else { 2.0 * common(a, b) as f64 / all as f64 }
}

/// Characters in the longest common run, and in those left and right of it.
fn common(a: &[char], b: &[char]) -> usize {
    let (i, j, length) = longest(a, b);
    if length == 0 { 0 } else { length + common(&a[..i], &b[..j]) + common(&a[i + length..], &b[j + length..]) }
}

/// The longest common run: where it begins in `a` (the earliest), in `b` (the earliest of these), how long it is.
fn longest(a: &[char], b: &[char]) -> (usize, usize, usize) {
    let mut best = (0, 0, 0);
    let mut before = vec![0; b.len() + 1]; // run lengths that end at a[i - 1] and b[j - 1]
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![0; b.len() + 1];
        for (j, _) in b.iter().enumerate().filter(|(_, y)| *y == x) {
            row[j + 1] = before[j] + 1;
            if row[j + 1] > best.2 {
                best = (i + 1 - row[j + 1], j + 1 - row[j + 1], row[j + 1]);
            }
        }
        before = row;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_difflib() {
        let of = |a: &str, b: &str| ratio(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        // difflib.SequenceMatcher(None, a, b).ratio()
        for (a, b, expected) in [
            ("maple", "aple", 0.888_888_888_888_888_8),
            ("abxcd", "abcd", 0.888_888_888_888_888_8),
            ("whale", "aple", 0.666_666_666_666_666_6),
            ("", "", 1.0),
            ("a", "", 0.0),
            ("tide", "diet", 0.25),
            ("diet", "tide", 0.5),
        ] {
            assert!((of(a, b) - expected).abs() < 1e-12, "{a} {b}: {}", of(a, b));
        }
    }
}
