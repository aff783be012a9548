use super::*;
use crate::platform::built_in_config;

fn labels(picker: &Picker, config: &ModelConfig) -> Vec<String> {
    let label = |row: &PickerRow| match row {
        PickerRow::Note(text) => format!("({text})"),
        PickerRow::Typed(mix) => format!("= {}", prompt::describe(mix, config)),
        PickerRow::Best(all) => format!("{} pictures", all.len()),
        PickerRow::Group(class) => format!("> {}", config.class_name(*class)),
        PickerRow::Any(class) => format!("any {}", config.class_name(*class)),
        PickerRow::Thing(class) => config.class_name(*class),
    };
    picker.rows.iter().map(label).collect()
}

fn searched(search: &str) -> (Picker, ModelConfig) {
    let config = built_in_config();
    let mut picker = Picker { search: search.to_owned(), ..Picker::new(&config) };
    assert!(picker.refresh(&config, 4) && !picker.refresh(&config, 4), "the rows are made once");
    (picker, config)
}

#[test]
fn without_a_search_there_are_the_best_and_the_groups_and_each_opens() {
    let (mut picker, config) = searched("");
    let rows = labels(&picker, &config);
    let pictures = config.best().count().div_ceil(4);
    assert!((10..=14).contains(&config.best().count()), "a dozen");
    assert_eq!(rows.len(), pictures + 58);
    assert_eq!(rows[pictures], "> animal-bird");
    picker.toggle(0);
    picker.refresh(&config, 4);
    let rows = labels(&picker, &config);
    assert_eq!(rows[pictures..pictures + 3], ["> animal-bird", "any animal-bird", "baby chick"]);
    assert_eq!(picker.choice((pictures + 1, 0), &config), Some(Choice::Take(0.into())), "the group itself");
    assert_eq!(picker.choice((pictures, 0), &config), Some(Choice::Toggle(0)));
    // What hardly comes out stands last.
    let unclear = ModelConfig { unclear: vec!["baby chick".into()], ..config.clone() };
    picker.made = None;
    picker.refresh(&unclear, 4);
    let things = config.members(0).count();
    assert_eq!(labels(&picker, &unclear)[pictures + 1 + things], "baby chick");
    assert_ne!(labels(&picker, &unclear)[pictures + 2], "baby chick");
    picker.toggle(0);
    picker.refresh(&config, 4);
    assert_eq!(picker.rows.len(), pictures + 58);
}

#[test]
fn a_search_lists_what_fits_and_completes_a_mix() {
    let (picker, config) = searched("ow");
    assert_eq!(labels(&picker, &config)[0], "owl");
    let (picker, config) = searched("2 owl + pan");
    let panda = picker.rows.iter().position(|r| matches!(r, PickerRow::Thing(c) if config.class_name(*c) == "panda"));
    let Some(Choice::Take(mix)) = picker.choice((panda.unwrap(), 0), &config) else { panic!("a thing") };
    assert_eq!(prompt::describe(&mix, &config), "2 owl + panda");
    let (picker, config) = searched("owl + 0.3 panda");
    assert_eq!(labels(&picker, &config)[..2], ["= owl + 0.3 panda", "panda"]);
    let (picker, config) = searched("owl + 8 ball");
    let Some(Choice::Take(mix)) = picker.choice((0, 0), &config) else { panic!("a thing") };
    assert_eq!(prompt::describe(&mix, &config), "owl + pool 8 ball", "no weight, but a part of a name");
    for (half, says) in [("qqqq + panda", "(nothing is called 'qqqq'; "), ("owl + + panda", "beside a '+')")] {
        let (picker, config) = searched(half);
        let rows = labels(&picker, &config);
        assert!(rows.len() == 1 && rows[0].contains(says), "{half}: {rows:?}");
        assert_eq!(picker.choice((0, 0), &config), None, "half of what was typed is not taken");
    }
    let (picker, config) = searched("owl + ");
    assert_eq!(labels(&picker, &config), ["(type what to mix it with)"]);
    let (picker, config) = searched("qqqqq");
    assert!(labels(&picker, &config)[0].starts_with("(nothing is called 'qqqqq'; nearest: "));
}

#[test]
fn emoji_are_spelled_out_for_fonts_that_have_none() {
    for (typed, spelled) in [
        ("\u{1F989}", "owl"),
        ("2 \u{1F989} + \u{2764}\u{FE0F}", "2 owl + red heart"),
        ("\u{1F44D}\u{1F3FD}+ow", "thumbs up + ow"),
    ] {
        let (picker, config) = searched("");
        assert_eq!(picker.spelled_out(typed, &config).as_deref(), Some(spelled));
        assert_eq!(picker.spelled_out(spelled, &config), None);
    }
    let (picker, config) = searched("");
    assert_eq!(picker.spelled_out("caf\u{E9} + \u{2603}x", &config), None);
}

#[test]
fn only_what_is_in_sight_is_laid_out() {
    let (picker, _) = searched("face");
    let total = *picker.tops.last().unwrap();
    assert_eq!(picker.tops.len(), picker.rows.len() + 1);
    for hidden in [0.0, 29.9, 30.0, 31.0, total - 100.0, total, total + 500.0] {
        let sight = picker.in_sight(hidden, 100.0);
        assert!(sight.len() <= 5, "{hidden}: {sight:?}");
        for (n, row) in picker.rows.iter().enumerate() {
            let seen = picker.tops[n] + row.height() > hidden && picker.tops[n] < hidden + 100.0;
            assert!(!seen || sight.contains(&n), "{hidden}: row {n} is in sight");
        }
    }
}

#[test]
fn the_mark_stays_within_what_can_be_chosen() {
    let (mut picker, config) = searched("");
    picker.mark(-5);
    assert_eq!(picker.marked, 0);
    picker.mark(10_000);
    assert_eq!(picker.marked, picker.choices.len() - 1);
    picker.search = "owl".into();
    picker.refresh(&config, 4);
    assert!(picker.choices.get(picker.marked).is_some());
}

#[test]
fn any_number_of_classes_without_names_can_be_listed() {
    let mut config = built_in_config();
    (config.classes, config.parents, config.emoji, config.aliases, config.keywords, config.featured) =
        Default::default();
    let mut picker = Picker::new(&config);
    picker.refresh(&config, 4);
    assert_eq!(picker.rows.len(), 557);
    picker.search = "556".into();
    picker.refresh(&config, 4);
    assert_eq!(picker.rows, [PickerRow::Thing(556)]);
}

#[test]
fn two_things_are_mixed_half_and_half_and_mixes_keep_their_parts() {
    let config = built_in_config();
    let of = |text: &str| prompt::resolve(text, &config).unwrap();
    let said = |a: &str, b: &str| prompt::describe(&mixed(&of(a), &of(b)), &config);
    assert_eq!(said("owl", "panda"), "owl + panda");
    assert_eq!(said("owl + panda", "fox"), "0.25 owl + 0.25 panda + 0.5 fox");
}
