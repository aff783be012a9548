//! What the 1,000 classes of ImageNet's challenge are called, which the public checkpoints were trained on.

use std::collections::HashMap;

/// Each class's WordNet id and words, in the order of the classes; where they are from stands at its top.
const LIST: &str = include_str!("../../../assets/imagenet/classes.txt");

/// How many there are.
pub(super) const CLASSES: usize = 1000;

/// Names of the classes, and other words for each that mean no other class. Of two classes of one name (two cranes, two maillots)
/// each has its number behind it.
pub(super) fn names() -> (Vec<String>, Vec<Vec<String>>) {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    // n01440764 tench, Tinca tinca
    let words: Vec<Vec<&str>> =
        lines.filter_map(|line| line.split_once(' ')).map(|(_, words)| words.split(", ").collect()).collect();
    let mut shared: HashMap<&str, usize> = HashMap::new();
    let mut meant: HashMap<String, usize> = HashMap::new();
    for all in &words {
        all.first().into_iter().for_each(|name| *shared.entry(name).or_default() += 1);
        all.iter().for_each(|word| *meant.entry(word.to_lowercase()).or_default() += 1);
    }
    let name = |(class, all): (usize, &Vec<&str>)| match all.first() {
        Some(name) if shared[name] > 1 => format!("{name} {class}"),
        name => name.copied().unwrap_or_default().to_owned(),
    };
    let others = |all: &Vec<&str>| {
        all.iter().skip(1).filter(|word| meant[&word.to_lowercase()] == 1).map(|word| (*word).to_owned()).collect()
    };
    (words.iter().enumerate().map(name).collect(), words.iter().map(others).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_a_thousand_names_in_the_order_of_their_ids_and_no_two_are_alike() {
        let ids: Vec<&str> = LIST
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once(' ')?.0))
            .collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.len() == 9 && id.starts_with('n')));
        let (names, aliases) = names();
        assert_eq!((ids.len(), names.len(), aliases.len()), (CLASSES, CLASSES, CLASSES));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), CLASSES);
        // Known from the challenge: the first, the last, and those of one name.
        for (class, id, name) in [
            (0, "n01440764", "tench"),
            (134, "n02012849", "crane 134"),
            (207, "n02099601", "golden retriever"),
            (517, "n03126707", "crane 517"),
            (638, "n03710637", "maillot 638"),
            (639, "n03710721", "maillot 639"),
            (999, "n15075141", "toilet tissue"),
        ] {
            assert_eq!((ids[class], names[class].as_str()), (id, name));
        }
        assert_eq!(aliases[22], ["American eagle", "Haliaeetus leucocephalus"]);
        let all: Vec<String> = names.iter().chain(aliases.iter().flatten()).map(|word| word.to_lowercase()).collect();
        let twice = all.iter().filter(|word| all.iter().filter(|other| other == word).count() > 1);
        assert_eq!(twice.collect::<HashSet<_>>(), HashSet::from([&"cardigan".to_owned()]), "told apart by their case");
    }
}
