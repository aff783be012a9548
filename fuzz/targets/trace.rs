//! Recorded runs, of `dpar replay` and the app.
#![no_main]

use dpar::run::link::Link;
use dpar::run::trace::Trace;
use dpar_fuzz::{LEAST, accepted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let config = &*LEAST;
    let Some(trace) = accepted(Trace::parse(json, "trace.json", config)) else { return };
    for run in &trace.runs {
        run.request().check(config).expect("a run that was read can be drawn");
        let (tokens, patches) = (run.tokens_detailed(config.grid()), run.patches(config.grid()));
        assert_eq!(tokens.len(), run.tokens.len());
        assert_eq!(patches.list().iter().map(|patch| patch.len).sum::<usize>(), tokens.len());
        assert!(tokens.iter().all(|token| token.patch < patches.count()));
        assert_eq!(tokens.iter().filter(|token| token.starts_patch.is_some()).count(), patches.count());
        // The trace of a person's own picture has the null class, which no link asks for.
        if run.request().class.check(config.num_classes() - 1).is_err() {
            continue;
        }
        let link = Link::of_run(run, "", config).to_string();
        let again = Link::parse(&link).and_then(|link| link.request(config)).expect("its link is read");
        assert_eq!(again.seed, run.seed);
    }
    let json = serde_json::to_vec(&trace).expect("a trace can be written");
    assert_eq!(Trace::parse(&json, "trace.json", config).expect("what is written is read"), trace);
});
