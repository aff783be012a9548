#![allow(clippy::unwrap_used)] // tests

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::app::state::starting::starting;
use crate::engine::backend::Backend;
use crate::platform::Progress;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");

fn model() -> LoadedModel {
    let load = LoadedModel::load(Some(TINY.into()), None, None, Arc::new(Backend::cpu(None)), Progress::default());
    pollster::block_on(load).unwrap()
}

/// Advances until nothing goes on any more; what went wrong.
fn to_the_end(playback: &mut Playback, model: &mut LoadedModel) -> Result<()> {
    let (wake, start): (Wake, Instant) = (Arc::new(|| ()), Instant::now());
    while playback.is_busy() {
        playback.advance(Some(model), &wake, start.elapsed().as_secs_f64(), 0.0)?;
        assert!(start.elapsed().as_secs() < 60, "it does not end");
    }
    Ok(())
}

#[test]
fn a_baseline_that_cannot_be_built_ends_its_own_picture_only() {
    let mut model = model();
    let alone = {
        let request = Request::new(&model.files.config, Generator::Dpar, 1, 5);
        let mut playback = Playback::default();
        playback.start(&mut model, starting(request, false));
        to_the_end(&mut playback, &mut model).unwrap();
        playback.main.unwrap()
    };
    // A config that has one layer more than there are weights: what a damaged folder looks like behind the loader.
    let files = Arc::get_mut(&mut model.files).unwrap();
    files.config.baseline.as_mut().unwrap().n_layer += 1;
    let request = Request::new(&files.config, Generator::Dpar, 1, 5);
    let mut playback = Playback::default();
    playback.start(&mut model, starting(request.clone(), true));
    to_the_end(&mut playback, &mut model).unwrap();
    let said = playback.take_given_up().unwrap().to_string();
    assert!(said.contains("baseline"), "{said}");
    assert!(playback.take_given_up().is_none(), "it is said once");
    let main = playback.main.as_ref().unwrap();
    assert!(playback.other.is_none() && main.is_done());
    assert_eq!(main.tokens, alone.tokens);

    // Asked for alone, it is the picture that cannot be drawn: an error, and the app goes on.
    let alone = Request { generator: Generator::Baseline, ..request };
    playback.start(&mut model, starting(alone, false));
    assert!(to_the_end(&mut playback, &mut model).is_err());
}
