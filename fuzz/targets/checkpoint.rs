//! `.safetensors` of a stranger's model folder, and validation tokens. The first byte says what the rest shall be.
#![no_main]

use dpar::analysis::evaluation::TokenSet;
use dpar::checkpoint::{Checkpoint, dpar_tensors, token_model_tensors, vq_tensors};
use dpar_fuzz::{LEAST, accepted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let specs = match kind % 4 {
        0 => LEAST.entropy.as_ref().map(token_model_tensors),
        1 => LEAST.dpar.as_ref().map(dpar_tensors),
        2 => Some(vq_tensors(&LEAST.vq)),
        _ => None,
    };
    let Some(specs) = specs else {
        if let Some(set) = accepted(TokenSet::read("tokens", bytes, &LEAST)) {
            assert_eq!(set.tokens.len(), set.len() * LEAST.tokens());
            assert_eq!(set.spread(3).len(), set.len().min(3));
        }
        return;
    };
    // Of a file that has what is needed, and of one of which nothing is needed.
    for specs in [specs, Vec::new()] {
        let Some(file) = accepted(Checkpoint::open("weights", bytes.to_vec(), &specs)) else { continue };
        assert_eq!(file.byte_len(), bytes.len());
        file.parameters();
        for (name, shape) in &specs {
            assert_eq!(file.shape(name).expect("it was asked for"), shape);
            if let Some(values) = accepted(file.f32(name)) {
                assert_eq!(values.len(), shape.iter().product::<usize>());
                assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }
});
