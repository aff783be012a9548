//! The patch rule, held against its own definition (properties) and against the PyTorch reference (fixtures).

#![allow(clippy::unwrap_used, reason = "a test helper that unwraps fails with the right line")]

use dpar::checkpoint::config::ModelConfig;
use dpar::patching::{Mode, PatchRule, Patches, StartReason};
use proptest::prelude::*;
use safetensors::SafeTensors;

const MODES: [Mode; 4] = [Mode::Token, Mode::Static, Mode::Entropy, Mode::EntropyRowBoundary];

/// A rule and the entropies (T = grid * grid, nats) to try it on. Thresholds are often exactly an entropy: the rule is
/// strict there.
fn case() -> impl Strategy<Value = (PatchRule, Vec<f32>)> {
    (1u32..=9, 0usize..4, 0u32..=6)
        .prop_flat_map(|(grid, mode, max_patch_length)| {
            let tokens = (grid * grid) as usize;
            let nats = prop::collection::vec((0u8..32).prop_map(|e| f32::from(e) / 4.0), tokens);
            (Just((grid, mode, max_patch_length)), -1i8..36, nats)
        })
        .prop_map(|((grid, mode, max_patch_length), quarter_nats, entropies)| {
            let threshold = f32::from(quarter_nats) / 4.0;
            (PatchRule { mode: MODES[mode], threshold, max_patch_length, grid }, entropies)
        })
}

proptest! {
    #[test]
    fn patches_cut_the_tokens_into_runs((rule, entropies) in case()) {
        let patches = rule.patches(&entropies);
        let mut next = 0;
        for patch in patches.list() {
            prop_assert_eq!(patch.first, next);
            prop_assert!(patch.len >= 1);
            next += patch.len;
        }
        prop_assert_eq!(next, entropies.len());
    }

    #[test]
    fn no_patch_is_longer_than_p_max((rule, entropies) in case()) {
        // `token` ignores P_max, but its patches are 1 long and P_max is at least 1.
        for patch in rule.patches(&entropies).list() {
            prop_assert!(rule.max_patch_length == 0 || patch.len <= rule.max_patch_length as usize, "{:?}", patch);
        }
    }

    #[test]
    fn no_patch_crosses_a_row_in_row_mode((mut rule, entropies) in case()) {
        rule.mode = Mode::EntropyRowBoundary;
        for patch in rule.patches(&entropies).list() {
            prop_assert_eq!((patch.first + patch.len - 1) / rule.grid as usize, patch.row);
            prop_assert_eq!(patch.first_column + patch.len - 1, patch.last_column);
        }
    }

    #[test]
    fn boundaries_are_causal((rule, entropies) in case(), cut in 0usize..81, other in 0.0f32..9.0) {
        let cut = cut % entropies.len();
        let mut changed = entropies.clone();
        changed[cut + 1..].fill(other);
        let (before, after) = (rule.patches(&entropies), rule.patches(&changed));
        prop_assert_eq!(&before.starts()[..=cut], &after.starts()[..=cut]);
        // Nor does it matter that the later tokens are not there yet.
        let prefix = rule.patches(&entropies[..=cut]);
        prop_assert_eq!(prefix.starts(), &before.starts()[..=cut]);
    }

    #[test]
    fn a_higher_threshold_only_removes_boundaries((mut rule, entropies) in case(), more in 0u8..12) {
        rule.max_patch_length = 0; // With P_max, a boundary less here fills a patch there: then it does not hold.
        let low = rule.patches(&entropies);
        rule.threshold += f32::from(more) / 4.0;
        let high = rule.patches(&entropies);
        for (i, (l, h)) in low.starts().iter().zip(high.starts()).enumerate() {
            prop_assert!(*l || !*h, "token {i} starts a patch only at the higher threshold");
        }
    }

    #[test]
    fn starts_ids_and_list_tell_the_same((rule, entropies) in case()) {
        let patches = rule.patches(&entropies);
        let (starts, ids, list) = (patches.starts(), patches.ids(), patches.list());
        prop_assert_eq!(list.len(), patches.count());
        prop_assert_eq!(starts.len(), ids.len());
        let grid = rule.grid as usize;
        for (m, patch) in list.iter().enumerate() {
            let tokens = patch.first..patch.first + patch.len;
            prop_assert!(tokens.clone().all(|i| ids[i] == m));
            prop_assert!(tokens.clone().all(|i| starts[i] == (i == patch.first)));
            let last = tokens.end - 1;
            prop_assert_eq!((patch.row, patch.first_column), (patch.first / grid, patch.first % grid));
            prop_assert_eq!(patch.last_column, last % grid);
        }
        let average = entropies.len() as f32 / list.len() as f32;
        prop_assert!((patches.average_length() - average).abs() < 1e-6);
        prop_assert_eq!(Patches::from_starts(starts.to_vec(), rule.grid), patches);
    }

    #[test]
    fn the_first_token_is_a_patch_of_its_own_in_entropy_modes((mut rule, mut entropies) in case(), row in any::<bool>()) {
        rule.mode = if row { Mode::EntropyRowBoundary } else { Mode::Entropy };
        let before = rule.patches(&entropies);
        prop_assert_eq!(before.list()[0].len, 1);
        entropies[0] = 99.0;
        prop_assert_eq!(rule.patches(&entropies), before);
    }
}

#[test]
fn worked_example_of_the_module_doc() {
    use StartReason::{Entropy, First, Full, Row};
    let rule = PatchRule { mode: Mode::EntropyRowBoundary, threshold: 2.0, max_patch_length: 3, grid: 4 };
    let entropies = [0.1, 0.3, 0.4, 2.5, 0.2, 0.2, 0.1, 0.1];
    let patches = rule.patches(&entropies);
    assert_eq!(patches.ids(), [0, 1, 1, 2, 3, 3, 3, 4]);
    let mut run = 0;
    let reasons: Vec<Option<StartReason>> = (0u32..)
        .zip(entropies)
        .map(|(i, e)| {
            let reason = rule.start(i, e, run);
            run = if reason.is_some() { 1 } else { run + 1 };
            reason
        })
        .collect();
    assert_eq!(reasons, [Some(First), Some(First), None, Some(Entropy), Some(Row), None, None, Some(Full)]);
}

#[test]
fn the_threshold_is_strict() {
    let rule = PatchRule { mode: Mode::Entropy, threshold: 2.0, max_patch_length: 0, grid: 4 };
    assert_eq!(rule.patches(&[0.0, 0.0, 2.0, 2.000001]).starts(), [true, true, false, true]);
}

/// The reference implementation's `starts` (2, T) for its own `entropies` (2, T), bit for bit.
#[test]
fn agrees_with_the_reference() {
    for name in ["tiny", "odd"] {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let config = ModelConfig::parse(&std::fs::read(dir.join("config.json")).unwrap(), name).unwrap();
        let bytes = std::fs::read(dir.join("expected.safetensors")).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let (entropies, starts) = (expected.tensor("entropies").unwrap(), expected.tensor("starts").unwrap());
        assert_eq!(entropies.shape(), [2, config.tokens()], "{name}");
        assert_eq!(starts.shape(), [2, config.tokens()], "{name}");
        let entropies: Vec<f32> =
            entropies.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let rule = PatchRule {
            mode: config.patching.mode,
            threshold: config.patching.threshold,
            max_patch_length: u32::try_from(config.patching.max_patch_length).unwrap(),
            grid: u32::try_from(config.grid()).unwrap(),
        };
        let rows = entropies.chunks_exact(config.tokens()).zip(starts.data().chunks_exact(config.tokens()));
        for (lane, (e, want)) in rows.enumerate() {
            let want: Vec<bool> = want.iter().map(|b| *b != 0).collect();
            assert_eq!(rule.patches(e).starts(), want, "{name}, image {lane}");
            assert!(
                want.iter().filter(|s| **s).count() < want.len(),
                "{name}: a fixture without a merged patch tests nothing"
            );
        }
    }
}
