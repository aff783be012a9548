// The patch rule (src/patching.rs, dpar.md section 2) for token i, and the bookkeeping of what it opens and closes.
// One thread.

struct Params { pad0: u32, pad1: u32, pad2: u32, pad3: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> controls: Controls;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read> entropies: array<f32>; // (T)

fn reason(i: u32, e: f32, run: u32) -> u32 {
    let hard = hard_start(i, e);
    let full = controls.max_patch_length > 0u && run >= controls.max_patch_length;
    return select(hard, FULL, hard == 0u && full);
}

@compute @workgroup_size(1)
fn main() {
    if state[RUN] == 0u {
        state[BOUNDARY] = 0u;
        state[CLOSE] = 0u;
        return;
    }
    let i = state[POS];
    let why = reason(i, entropies[i], state[PATCH_LEN]);
    state[REASON] = why;
    state[BOUNDARY] = u32(why != 0u);
    state[CLOSE] = u32(why != 0u && i > 0u);
    if why == 0u {
        state[PATCH_LEN] += 1u;
        return;
    }
    if i > 0u {
        state[CLOSE_FIRST] = state[PATCH_FIRST];
        state[CLOSE_LAST] = i - 1u;
        state[PATCH] += 1u;
    }
    state[PATCH_FIRST] = i;
    state[PATCH_LEN] = 1u;
}
