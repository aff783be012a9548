use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn built_in() -> ModelConfig {
    ModelConfig::parse(include_bytes!("../../../assets/model/config.json"), "config.json").unwrap()
}

fn class(config: &ModelConfig, name: &str) -> usize {
    config.classes.iter().position(|c| c == name).unwrap()
}

/// What `training/prompt.py` made of a prompt.
#[derive(Deserialize)]
struct Expected {
    prompt: String,
    terms: Option<Vec<(f64, usize)>>,
    error: Option<String>,
}

#[test]
fn the_reference_agrees_on_all_its_prompts() {
    let config = built_in();
    let all: Vec<Expected> = serde_json::from_slice(include_bytes!("../../../tests/fixtures/prompts.json")).unwrap();
    assert_eq!(all.len(), 40);
    for Expected { prompt, terms, error } in all {
        match (resolve(&prompt, &config), terms, error) {
            (Ok(mix), Some(terms), None) => {
                let shares: Vec<(f64, usize)> = mix.shares().collect();
                assert_eq!(shares.len(), terms.len(), "{prompt}");
                for ((share, class), (expected, expected_class)) in shares.into_iter().zip(terms) {
                    assert_eq!(class, expected_class, "{prompt}");
                    assert!((share - expected).abs() <= 1e-15 * expected, "{prompt}: {share}, {expected} expected");
                }
            }
            (Err(e), None, Some(expected)) => assert_eq!(e.to_string(), expected, "{prompt}"),
            (got, terms, error) => panic!("{prompt}: {got:?}, expected {terms:?} {error:?}"),
        }
    }
}

#[test]
fn what_is_described_is_read_back() {
    let config = built_in();
    for (prompt, said) in [
        ("RED  apple", "red apple"),
        ("0.25 owl", "owl"),
        ("owl+panda", "owl + panda"),
        ("7 owl + 3 panda", "7 owl + 3 panda"),
        (".5 owl + 0 panda", "0.5 owl + 0 panda"),
        ("2 1st place medal + owl", "2 1st place medal + owl"),
        ("30", "heart"),
    ] {
        let mix = resolve(prompt, &config).unwrap();
        assert_eq!(describe(&mix, &config), said);
        assert_eq!(resolve(said, &config).unwrap(), mix, "{said}");
    }
}

proptest! {
    #[test]
    fn any_mix_is_described_and_read_back(terms in prop::collection::vec((0.0f64..1e6, 0usize..557), 1..6)) {
        let config = built_in();
        let terms: Vec<Term> = terms.into_iter().map(Term::from).collect();
        prop_assume!(terms.iter().any(|t| t.weight > 0.0));
        let mix = Mix::new(terms).unwrap();
        prop_assert_eq!(resolve(&describe(&mix, &config), &config).unwrap(), mix);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", other in "[a-z0-9. +'-]{0,30}") {
        let config = built_in();
        for text in [text, other] {
            if let Err(e) = resolve(&text, &config) {
                let said = e.to_string();
                prop_assert!(said.lines().count() == 1 && said.len() < 400, "{}", said);
            }
        }
    }
}

/// Class names as people's models have them: ImageNet's cranes, names in two cases, none, padded, endless, all digits.
fn awkward() -> ModelConfig {
    let mut config = built_in();
    (config.parents, config.emoji, config.aliases, config.keywords, config.featured) = Default::default();
    let names = ["crane", "maillot", "Polish", "crane", "polish", "", "  padded  name ", "12", "a+b", "8", "3"];
    let long = "x".repeat(201);
    let names = names.into_iter().chain([long.as_str(), "2", "crane", "Owl\nbird"]).map(str::to_owned);
    config.classes = names.collect();
    let count = config.classes.len();
    for model in [&mut config.dpar, &mut config.baseline] {
        model.as_mut().unwrap().num_classes = count;
    }
    config
}

#[test]
fn every_class_is_said_so_that_it_is_read_back() {
    let config = awkward();
    let said: Vec<String> = (0..config.num_classes()).map(|class| describe(&Mix::of(class), &config)).collect();
    // "12" and "3" are names of the classes 7 and 10; so is "2" of 12, whose number is 7's name, and "8" of 9.
    let expected = [
        "0",
        "maillot",
        "Polish",
        "03",
        "polish",
        "5",
        "padded name",
        "7",
        "a+b",
        "9",
        "10",
        "11",
        "012",
        "13",
        "Owl bird",
    ];
    assert_eq!(said, expected);
    for (class, said) in said.iter().enumerate() {
        assert_eq!(resolve(said, &config).unwrap(), Mix::of(class), "{said}");
        let mix = Mix::new(vec![(0.25, class).into(), (0.5, 1).into()]).unwrap();
        let said = describe(&mix, &config);
        assert_eq!(resolve(&said, &config).unwrap(), mix, "{said}");
    }
}

#[test]
fn a_name_of_several_classes_is_refused_with_their_numbers() {
    let config = awkward();
    for (prompt, says) in [
        ("crane", "'crane' can mean the classes 0, 03 and 13: give one by its number"),
        ("CRANE + maillot", "'CRANE' can mean the classes 0, 03 and 13"),
        ("POLISH", "'POLISH' can mean the classes 02 and 4"),
        ("3", "'3' can mean the classes 10 and 03"),
    ] {
        let said = resolve(prompt, &config).unwrap_err().to_string();
        assert!(said.starts_with(says), "{prompt}: {said}");
    }
    assert_eq!(resolve("Polish", &config).unwrap(), Mix::of(2), "as it is written");
}

#[test]
fn numbers_count_where_no_name_does() {
    let mut config = built_in();
    assert_eq!(resolve("556", &config).unwrap(), Mix::of(556));
    assert_eq!(resolve("3 + 1st place medal", &config).unwrap().terms()[0].class, 3);
    let said = resolve("557", &config).unwrap_err().to_string();
    assert_eq!(said, "class 557 does not exist: this model has 0 to 556");
    assert!(resolve(&"9".repeat(500), &config).unwrap_err().to_string().len() < 200);
    (config.classes, config.parents, config.emoji, config.keywords, config.featured) = Default::default();
    let mix = resolve("0.5 3 + 0.25 7", &config).unwrap();
    assert_eq!(describe(&mix, &config), "0.5 3 + 0.25 7");
    assert!(resolve("owl", &config).unwrap_err().to_string().contains("names no classes, give a number from 0 to 556"));
    assert!(resolve_nearest("owl", &config).is_err());
}

#[test]
fn a_prompt_too_long_to_be_one_is_refused_before_it_is_read() {
    let said = resolve(&"owl + ".repeat(200), &built_in()).unwrap_err().to_string();
    assert!(said.contains("1200 bytes long: at most 1000"), "{said}");
}

#[test]
fn people_find_things_by_other_words() {
    let config = built_in();
    for (typed, meant) in [
        ("car", "automobile"),
        ("TV", "television"),
        ("donut", "doughnut"),
        ("\u{1F989}", "owl"),
        ("\u{2764}\u{FE0F}", "red heart"),
        ("cat monkey face", "cat-monkey-face"),
        ("JACK O\u{2019} LANTERN", "jack-o-lantern"),
        ("fruit", "food-fruit"),
        ("vegetable", "food-vegetable"),
        ("weather", "sky-weather"),
    ] {
        let mix = resolve(typed, &config).unwrap_or_else(|e| panic!("{typed}: {e}"));
        assert_eq!(describe(&mix, &config), meant, "{typed}");
    }
    let mixed = resolve("2 \u{1F989} + \u{1F43C}", &config).unwrap();
    assert_eq!(describe(&mixed, &config), "2 owl + panda");
    // Any other skin or gender of it is the same idea.
    assert_eq!(resolve("\u{1F44D}\u{1F3FD}", &config).ok(), resolve("\u{1F44D}", &config).ok());
}

#[test]
fn a_word_of_many_groups_is_none_of_them() {
    let config = built_in();
    for typed in ["face", "water", "open", "paper", "-1", "cat2", "facee"] {
        let said = resolve(typed, &config).unwrap_err().to_string();
        assert!(said.contains(&format!("nothing is called '{typed}'; nearest: ")), "{said}");
        assert_eq!(said.matches(", ").count(), 2, "three of them: {said}");
    }
    // Two, and what is mixed after all.
    assert_eq!(describe(&resolve("cat + face-sad", &config).unwrap(), &config), "cat + face-sad");
}

#[test]
fn other_models_names_become_the_nearest_term_by_term() {
    let config = built_in();
    let (mix, replaced) = resolve_nearest("0.7 owls + 2 panda + red aple", &config).unwrap();
    assert_eq!(describe(&mix, &config), "0.7 owl + 2 panda + red apple");
    let replaced: Vec<(&str, &str)> = replaced.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(replaced, [("owls", "owl"), ("red aple", "red apple")]);
    assert!(resolve_nearest("600", &config).unwrap_err().to_string().contains("class 600 does not exist"));
    assert!(resolve_nearest("owl +", &config).is_err());
}

#[test]
fn a_mix_is_not_endless() {
    let config = built_in();
    let most = vec!["\u{1F648}"; MAX_TERMS].join("+");
    let mix = resolve(&most, &config).unwrap();
    let said = describe(&mix, &config);
    assert_eq!(resolve(&said, &config).unwrap(), mix, "{said}");
    let said = resolve(&format!("{most}+owl"), &config).unwrap_err().to_string();
    assert!(said.contains("mixes more than 16 things") && said.len() < 200, "{said}");
}

#[test]
fn names_with_a_plus_are_mixed_by_number() {
    let mut config = built_in();
    config.classes[3] = "black+white".into();
    assert_eq!(resolve("Black+White", &config).unwrap(), Mix::of(3));
    let mix = Mix::new(vec![(1.0, 3).into(), (2.0, 4).into()]).unwrap();
    assert_eq!(describe(&mix, &config), format!("3 + 2 {}", config.classes[4]));
    assert_eq!(resolve(&describe(&mix, &config), &config).unwrap(), mix);
}

#[test]
fn named_classes_without_groups_are_found_as_well() {
    let mut config = built_in();
    config.parents.clear();
    assert_eq!(resolve("RED apple", &config).unwrap(), Mix::of(class(&config, "red apple")));
    assert_eq!(resolve("car", &config).unwrap(), Mix::of(class(&config, "automobile")));
    assert!(resolve("fruit", &config).is_err(), "no group, no part of one");
    assert!(Catalogue::of(&config).search("owl").contains(&class(&config, "owl")));
}

#[test]
fn a_search_brings_the_thing_itself_first() {
    let config = built_in();
    let catalogue = Catalogue::of(&config);
    for (typed, first) in [
        ("owl", "owl"),
        ("ow", "owl"),
        ("apple", "red apple"),
        ("car", "automobile"),
        ("heart", "heart"),
        ("animal b", "animal-bug"),
        ("face cat", "cat face"),
        ("tele", "television"),
        ("\u{1F355}", "pizza"),
    ] {
        let found: Vec<&str> = catalogue.search(typed).into_iter().map(|c| config.classes[c].as_str()).collect();
        assert_eq!(found.first(), Some(&first), "{typed}: {:?}", &found[..found.len().min(8)]);
    }
    assert!(catalogue.search("").is_empty() && catalogue.search(" - ").is_empty());
    assert!(catalogue.search("zzzzzz").is_empty());
    assert!(catalogue.search("apple").contains(&class(&config, "pineapple")), "also inside a word");
}

#[test]
fn folding_leaves_what_is_heard() {
    for (text, folded) in [
        ("Pi\u{F1}ata", "pinata"),
        ("jack-o\u{2019}-lantern", "jack o lantern"),
        ("  A  B\t", "a b"),
        ("\u{FF23}afe\u{301}", "cafe"),
        ("'", ""),
    ] {
        assert_eq!(fold_softly(text), folded);
    }
}
