//! What somebody pastes as a link: read or refused, and what is read is written so that it asks for the same again.
#![no_main]

use dpar::run::link::Link;
use dpar_fuzz::{LEAST, NAMES, accepted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(link) = accepted(Link::parse(text)) else { return };
    for config in [&*NAMES, &*LEAST] {
        let Some((request, notes)) = accepted(link.request_for(config, "0123456789abcdef")) else { continue };
        request.check(config).expect("a request of a link can be drawn");
        assert!(notes.iter().all(|note| note.lines().count() == 1), "{notes:?}");
        let written = Link::of(&request, "", config).to_string();
        let (again, notes) =
            Link::parse(&written).and_then(|link| link.request_for(config, "")).expect("what is written is read");
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(Link::of(&again, "", config).to_string(), written, "the same picture again");
        assert_eq!((&again.class, again.seed, &again.controls), (&request.class, request.seed, &request.controls));
    }
});
