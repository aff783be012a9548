//! What somebody asks for in words, and searches for.
#![no_main]

use std::sync::LazyLock;

use dpar::checkpoint::config::ModelConfig;
use dpar::run::prompt::{Catalogue, describe, is_name, resolve, resolve_nearest};
use dpar_fuzz::{BUILT_IN, LEAST, NAMES, accepted};
use libfuzzer_sys::fuzz_target;

/// A model that names its classes, and what is searched there.
type Searched = (&'static ModelConfig, Catalogue);

static OF_BUILT_IN: LazyLock<Searched> = LazyLock::new(|| (&BUILT_IN, Catalogue::of(&BUILT_IN)));
static OF_NAMES: LazyLock<Searched> = LazyLock::new(|| (&NAMES, Catalogue::of(&NAMES)));
static OF_LEAST: LazyLock<Searched> = LazyLock::new(|| (&LEAST, Catalogue::of(&LEAST)));

fuzz_target!(|text: &str| {
    // 557 names take a second, as the fuzzer watches every comparison: one text in 256 is for them.
    let sum = text.bytes().fold(0, u8::wrapping_add);
    let names = if sum == 0 { &*OF_BUILT_IN } else { &*OF_NAMES };
    for (config, catalogue) in [names, &*OF_LEAST] {
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
        let classes = config.classes.len();
        assert!(catalogue.search(text).into_iter().chain(catalogue.shown_by(text)).all(|class| class < classes));
    }
});
