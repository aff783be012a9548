//! `config.json` of a stranger's model folder: a config that passes describes sizes that fit everywhere below.
#![no_main]

use dpar::bundled::thumbnails::Picks;
use dpar::bundled::token_swatches::TokenSwatches;
use dpar::checkpoint::config::ModelConfig;
use dpar::checkpoint::{TensorSpec, dpar_tensors, token_model_tensors, vq_tensors};
use dpar::run::prompt::{Catalogue, describe, resolve};
use dpar_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Some(config) = accepted(ModelConfig::parse(json, "config.json")) else { return };
    config.controls().check().expect("default settings can be used");
    let countable = |specs: Vec<TensorSpec>| {
        let mut sizes =
            specs.into_iter().map(|(_, shape)| shape.iter().try_fold(4usize, |n, side| n.checked_mul(*side)));
        assert!(sizes.try_fold(0usize, |sum, size| sum.checked_add(size?)).is_some(), "sizes in bytes can be counted");
    };
    countable(vq_tensors(&config.vq));
    config.dpar.iter().for_each(|c| countable(dpar_tensors(c)));
    config.entropy.iter().chain(&config.baseline).for_each(|c| countable(token_model_tensors(c)));
    let (width, height) = TokenSwatches::layout(&config).size();
    assert!(u64::from(width) * u64::from(height) > 0);
    Picks::of(&config, 1);
    assert!(config.default_class() < config.num_classes() && config.image_size() >= 8);
    for (class, name) in config.classes.iter().enumerate().take(8) {
        config.members(class).for_each(drop);
        let mix = resolve(&describe(&class.into(), &config), &config);
        // Of two classes of one name the first counts; a name may also be too long, or no name.
        let _ = mix.map(|mix| mix.check(config.num_classes()).unwrap_or_else(|e| panic!("{name:?}: {e}")));
    }
    Catalogue::of(&config).search("an owl");
    let json = serde_json::to_vec(&config).expect("a config can be written");
    assert_eq!(ModelConfig::parse(&json, "config.json").expect("what is written is read"), config);
});
