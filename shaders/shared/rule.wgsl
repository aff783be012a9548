// The part of the patch rule that does not look at the patch before (src/patching.rs, dpar.md section 2).

// Codes of a StartReason; 0: the token continues a patch.
const FIRST = 1u;
const ROW = 2u;
const ENTROPY = 3u;
const FULL = 4u;
const EVERY = 5u;

// Why token i starts a patch however many tokens the patch before it holds; 0 where it takes a full patch to start one.
fn hard_start(controls: Controls, i: u32, e: f32) -> u32 {
    if i == 0u { return FIRST; }
    if controls.mode == 0u { return EVERY; }
    if controls.mode == 1u { return 0u; }
    if i == 1u { return FIRST; }
    if controls.mode == 3u && i % controls.grid == 0u { return ROW; }
    return select(0u, ENTROPY, e > controls.threshold);
}
