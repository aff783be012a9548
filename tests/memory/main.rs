//! Files of strangers with damage: each is read, or refused in a sentence, and takes little memory on the way.
//!
//! In a program of its own, because what it counts is the whole program's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests
#![allow(unsafe_code)] // an allocator has no other form

mod checkpoints;
mod pictures;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

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

/// One at a time: the counters are the whole program's.
static MEASURING: Mutex<()> = Mutex::new(());

/// The most bytes that were in use while `work` was done, beyond those before it; and what it gives.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = USED.load(Relaxed);
    PEAK.store(before, Relaxed);
    let made = work();
    (PEAK.load(Relaxed).saturating_sub(before), made)
}

/// The most that reading a file of so many bytes may take.
fn most(bytes: usize) -> usize {
    4 * bytes + (16 << 20)
}

/// What happens to a file on its way to a person.
#[derive(Clone, Debug)]
enum Damage {
    /// Another byte somewhere, or at the beginning, where the headers are.
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

/// A damaged file, whose headers are in its first `early` bytes.
fn damaged(mut file: Vec<u8>, early: usize, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let early = file.len().min(early);
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
