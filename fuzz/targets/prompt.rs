//! What somebody asks for in words, and searches for.
#![no_main]

use dpar::run::prompt::{Catalogue, describe, is_name, resolve, resolve_nearest};
use dpar_fuzz::{BUILT_IN, LEAST, NAMES, accepted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // 557 names take their time: one text in sixteen is for them.
    let names = if text.len() % 16 == 0 { &*BUILT_IN } else { &*NAMES };
    for config in [names, &*LEAST] {
        is_name(text, config);
        let found = accepted(resolve(text, config));
        if let Some(mix) = &found {
            mix.check(config.num_classes()).expect("a class that there is");
            assert_eq!(&resolve(&describe(mix, config), config).expect("what is said is understood"), mix);
        }
        if let Some((mix, replaced)) = accepted(resolve_nearest(text, config)) {
            mix.check(config.num_classes()).expect("a class that there is");
            assert!(found.is_none_or(|found| found == mix && replaced.is_empty()), "nothing is replaced that is known");
        }
        let catalogue = Catalogue::of(config);
        let classes = config.classes.len();
        assert!(catalogue.search(text).into_iter().chain(catalogue.shown_by(text)).all(|class| class < classes));
    }
});
