//! Checkpoints of others: PyTorch's archives and legacy files, and safetensors, each as `dpar convert` reads it.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use dpar::checkpoint::import::{ForeignFile, Hints, named, recognise};
use dpar::platform::open_foreign;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use crate::{damage, damaged, most, peak};

const FILES: [&str; 5] = [
    "foreign/training.pt",
    "foreign/wrapped.pth",
    "foreign/legacy.pt",
    "tiny/entropy.safetensors",
    "tiny/vq.safetensors",
];

/// Where pickles and headers end, about.
const EARLY: usize = 6000;

/// Checksums of an archive's entries that nobody has computed are not asked for: then the damage is read.
fn forget_checksums(archive: &mut [u8]) {
    for (mark, at) in [(b"PK\x03\x04", 14), (b"PK\x01\x02", 16)] {
        let places: Vec<usize> =
            archive.windows(4).enumerate().filter(|(_, bytes)| bytes == mark).map(|(n, _)| n + at).collect();
        for place in places {
            archive.iter_mut().skip(place).take(4).for_each(|byte| *byte = 0);
        }
    }
}

/// All that becomes of a file on its way into a model folder: a sentence, or how many tensors were read.
fn read(path: &Path) -> Result<usize, String> {
    let file = open_foreign(path).map_err(|e| e.to_string())?;
    let hints = Hints { heads: vec![2], grid: Some(8), groups: Some(8), entropy_only: false };
    let found = named(&file).map_err(|e| e.to_string())?;
    recognise("file", &found, Some(2), &hints).map_err(|e| e.to_string())?;
    let numbers = |file: &ForeignFile| file.tensors.values().filter(|tensor| (tensor.read)().is_ok()).count();
    Ok(numbers(&file))
}

thread_local! {
    /// One file for all: making one takes longer than reading it.
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6000) })]

    #[test]
    fn damaged_checkpoints_take_four_times_their_size_and_a_little(
        name in proptest::sample::select(&FILES[..]),
        damages in proptest::collection::vec(damage(), 0..5),
        mended in any::<bool>(),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let mut file = fs::read(folder.join(name)).unwrap();
        if mended {
            forget_checksums(&mut file);
        }
        let file = damaged(file, EARLY, &damages);
        let (peak, read) = FILE.with_borrow(|at| {
            fs::write(at.path(), &file).unwrap();
            peak(|| read(at.path()))
        });
        prop_assert!(peak <= most(file.len()), "{} bytes took {peak}: {read:?}", file.len());
        match read {
            Ok(tensors) => prop_assert!(tensors > 0 || !damages.is_empty()),
            Err(said) => {
                prop_assert!(!damages.is_empty(), "{said}");
                prop_assert!(said.lines().count() == 1 && said.len() < 1500 && !said.contains(char::is_control), "{said:?}");
            }
        }
    }
}

/// What a zip bomb is: a small archive with a large entry.
#[test]
fn what_is_packed_is_refused_and_so_is_a_view_larger_than_the_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/foreign");
    for (name, says) in [
        ("packed.pt", "whose `archive/data.pkl` is packed"),
        ("expanded.pt", "`tok_embeddings.weight` of shape [1000000, 1000] would be larger than the whole file"),
    ] {
        let (peak, said) = peak(|| open_foreign(&folder.join(name)).unwrap_err().to_string());
        assert!(said.contains(says), "{said}");
        assert!(peak < 16 << 20, "{peak}");
    }
}
