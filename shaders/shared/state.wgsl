// What every op can read. Word names and order: src/engine/state.rs (a test compares them).

override PICTURES: u32 = 1u; // drawn at once, all at the same position; workgroup z says which

// Words of the `state` buffer, for one picture. Gates are words too: an op whose gate word is 0 returns at once.
const STATE_WORDS = 16u;
const ZERO = 0u;         // always 0
const RUN = 1u;          // 1 until the last token was drawn
const POS = 2u;          // i, the position being drawn
const PREV = 3u;         // i - 1, the newest drawn token
const TOKEN = 4u;        // x_{i-1}
const HAS_TOKEN = 5u;    // 1 once there is an x_{i-1}
const BOUNDARY = 6u;     // token i starts a patch
const CLOSE = 7u;        // ... and so closes the one before
const PATCH = 8u;        // m, the patch that holds token i
const PATCH_FIRST = 9u;  // its first token
const PATCH_LEN = 10u;   // tokens it holds so far, i included
const CLOSE_FIRST = 11u; // first token of the patch being closed
const CLOSE_LAST = 12u;  // last token of the patch being closed
const REASON = 13u;      // why token i starts a patch (patching.rs StartReason), 0 where it does not
const DRAWN = 14u;       // x_i
const TOKENS = 15u;      // T

// Live controls of one picture, written between submits. Rust: src/engine/state.rs ControlsUniform.
const MAX_PICTURES = 32u;
struct Controls {
    threshold: f32,
    max_patch_length: u32,
    mode: u32,
    grid: u32,
    cfg_scale: f32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    seed: u32,
    vocab: u32,
    pad0: u32,
    pad1: u32,
}

// Words of a record: src/engine/state.rs Record.
const RECORD_WORDS = 24u;

// Row of a table (row, picture, ...) that a state word names.
fn row_of(picture: u32, word: u32) -> u32 { return state[picture * STATE_WORDS + word] * PICTURES + picture; }
