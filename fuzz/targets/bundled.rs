//! The files that come with a model: a recording, thumbnails, swatches. Parts of the input are files: a JSON, then PNGs.
#![no_main]

use std::borrow::Cow;

use dpar::bundled::recording::Recording;
use dpar::bundled::thumbnails::{Picks, Thumbnails};
use dpar::bundled::token_swatches::TokenSwatches;
use dpar_fuzz::{LEAST, accepted, parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parts = parts(bytes);
    let part = |n: usize| parts.get(n).copied().unwrap_or_default();
    let sheet = |name: &str| Ok(part(if name == "dpar.png" { 1 } else { 2 }).into());
    if let Some(recording) = accepted(Recording::parse(part(0), sheet)) {
        let config = &recording.config;
        for recorded in recording.runs() {
            assert_eq!(recorded.run.tokens.len(), config.tokens());
            let last = recorded.frame(config.tokens()).expect("a picture of the whole run");
            assert_eq!(last.image.width() as usize, config.image_size());
        }
        let files = recording.files().expect("it can be written");
        let file = |name: &str| -> Option<Cow<'_, [u8]>> {
            files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| bytes.as_slice().into())
        };
        let json = file("recording.json").expect("it is there");
        let again =
            Recording::parse(&json, |name| file(name).ok_or_else(String::new)).expect("what is written is read");
        assert_eq!((again.dpar.run, again.dpar.frames.len()), (recording.dpar.run, recording.dpar.frames.len()));
    }
    if let Some(picks) = accepted(Picks::parse(part(0), "thumbnails.json", &LEAST)) {
        assert_eq!(
            Picks::parse(&picks.json().expect("it can be written"), "again", &LEAST).expect("it is read"),
            picks
        );
        if let Some(thumbnails) = accepted(Thumbnails::parse(part(1), "thumbnails.png", &picks, &LEAST)) {
            assert!(thumbnails.classes().iter().all(|class| *class < LEAST.num_classes()));
            assert!(thumbnails.sheet().tile(thumbnails.classes().len() - 1).is_some());
        }
    }
    if let Some(swatches) = accepted(TokenSwatches::parse(part(1), "looks.png", &LEAST)) {
        assert!(swatches.tile(LEAST.vocab() as u32 - 1).is_some() && swatches.tile(LEAST.vocab() as u32).is_none());
    }
});
