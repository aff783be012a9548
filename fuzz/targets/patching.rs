//! The patch rule for any entropies and settings, against the op that cuts whole pictures and against its own promises.
#![no_main]

use std::cell::RefCell;

use dpar::engine::backend::Backend;
use dpar::engine::merger::{MAX_TOKENS, Merger};
use dpar::patching::{Mode, PatchRule};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static MERGER: RefCell<Merger> = RefCell::new(pollster::block_on(Merger::new(&Backend::cpu(None))).expect("a merger"));
}

fuzz_target!(|input: (u8, f32, u32, u8, Vec<f32>)| {
    let (mode, threshold, max_patch_length, grid, mut entropies) = input;
    entropies.truncate(MAX_TOKENS);
    let mode = Mode::NAMES[usize::from(mode % 4)].1;
    let rule = PatchRule { mode, threshold, max_patch_length, grid: u32::from(grid % 64) + 1 };
    let patches = rule.patches(&entropies);
    let list = patches.list();
    assert_eq!(list.iter().map(|patch| patch.len).sum::<usize>(), entropies.len());
    let most = if max_patch_length == 0 { usize::MAX } else { max_patch_length as usize };
    assert!(list.iter().all(|patch| (1..=most).contains(&patch.len)), "{list:?}");
    MERGER.with_borrow_mut(|merger| {
        merger.set_entropies(&entropies).expect("not too many");
        merger.request(rule);
        let merged = merger.poll().expect("a CPU is not lost").expect("the twin answers at once");
        assert_eq!(merged.count, patches.count());
        assert_eq!(merged.patches(), patches);
        assert!(merged.ids.iter().map(|id| *id as usize).eq(patches.ids()));
    });
});
