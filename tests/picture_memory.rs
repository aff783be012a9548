//! Real picture files with damage: each ends as a picture or as a sentence, and takes little memory on the way.
//!
//! In a program of its own, because what it counts is the whole program's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests
#![allow(unsafe_code)] // an allocator has no other form

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dpar::analysis::read_picture;
use proptest::prelude::*;
use proptest::sample::Index;

/// The system's allocator, counted: bytes in use, and the most there were.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    PEAK.fetch_max(USED.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it came; the counters touch no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are those of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are those of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `dealloc`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there for a moment.
        took(size);
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `realloc`.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FILES: [&str; 18] = [
    "photo.jpg",
    "trailer-ffda.jpg",
    "half-then-end-marker.jpg",
    "display-p3.jpg",
    "jpeg-444.jpg",
    "jpeg-progressive.jpg",
    "jpeg-progressive-rows.jpg",
    "jpeg-grey.jpg",
    "cmyk.jpg",
    "cmyk-profile.jpg",
    "v5-bitfields-alpha0.bmp",
    "display-p3.png",
    "display-p3-16bit.png",
    "grey-1.8-alpha.png",
    "turned.png",
    "foreign.tiff",
    "display-p3.webp",
    "turned.webp",
];

/// What happens to a file on its way to a person.
#[derive(Clone, Debug)]
enum Damage {
    /// Another byte somewhere, or in the first 700, where the headers are.
    Byte(Index, bool, u8),
    /// Another number of two bytes there, such as a size or a length.
    Number(Index, u16),
    /// The rest is gone.
    Cut(Index),
    /// Bytes between two places are gone.
    Hole(Index, u8),
    /// Bytes from one place come again at another.
    Again(Index, Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), any::<bool>(), any::<u8>()).prop_map(|(at, early, byte)| Damage::Byte(at, early, byte)),
        3 => (any::<Index>(), prop_oneof![Just(0), Just(u16::MAX), Just(0x4000), any::<u16>()])
            .prop_map(|(at, number)| Damage::Number(at, number)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Hole(at, count)),
        1 => (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(from, to, count)| Damage::Again(from, to, count)),
    ]
}

fn damaged(mut file: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let early = file.len().min(700);
        match *damage {
            _ if file.len() < 4 => break,
            Damage::Byte(at, is_early, byte) => {
                let at = at.index(if is_early { early } else { file.len() });
                file[at] = byte;
            }
            Damage::Number(at, number) => {
                let at = at.index(early - 1);
                file[at..at + 2].copy_from_slice(&number.to_be_bytes());
            }
            Damage::Cut(at) => file.truncate(at.index(file.len())),
            Damage::Hole(at, count) => {
                let at = at.index(file.len());
                file.drain(at..(at + usize::from(count)).min(file.len()));
            }
            Damage::Again(from, to, count) => {
                let (from, to) = (from.index(file.len()), to.index(file.len()));
                let part = file[from..(from + usize::from(count)).min(file.len())].to_vec();
                file.splice(to..to, part);
            }
        }
    }
    file
}

/// Makes the checksums of a PNG's chunks right again, so that the damage is read.
fn mend_checksums(png: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = png.get(at..).and_then(|rest| rest.first_chunk()) {
        let end = at.saturating_add(8).saturating_add(u32::from_be_bytes(*length) as usize);
        let Some(body) = png.get(at + 4..end) else { return };
        let crc = !body.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
        });
        let Some(place) = png.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn damaged_files_take_four_times_their_size_and_a_little(
        name in proptest::sample::select(&FILES[..]),
        damages in proptest::collection::vec(damage(), 0..5),
        mended in any::<bool>(),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
        let mut file = damaged(std::fs::read(folder.join(name)).unwrap(), &damages);
        if mended && name.ends_with("png") {
            mend_checksums(&mut file);
        }
        let before = USED.load(Relaxed);
        PEAK.store(before, Relaxed);
        let read = read_picture(&file, name);
        let peak = PEAK.load(Relaxed).saturating_sub(before);
        let decoded = read.as_ref().map_or(0, |read| read.image.as_bytes().len());
        let most = 4 * file.len() + (16 << 20) + decoded;
        // What a WebP packs so well that its header can be neither believed nor doubted is not counted.
        prop_assert!(name.ends_with("webp") || peak <= most, "{} bytes took {peak}, at most {most}: {:?}", file.len(), read.map(|r| r.notes));
        if let Ok(read) = read {
            prop_assert!(read.image.width() > 0 && read.image.height() > 0);
        }
    }
}
