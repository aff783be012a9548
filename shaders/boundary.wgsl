// The patch rule (src/patching.rs, dpar.md section 2) for token i, and the bookkeeping of what it opens and closes.
// One thread a picture.

struct Params { pad0: u32, pad1: u32, pad2: u32, pad3: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>; // (picture, word)
@group(0) @binding(3) var<storage, read> entropies: array<f32>; // (T, picture)

fn reason(controls: Controls, i: u32, e: f32, run: u32) -> u32 {
    let hard = hard_start(controls, i, e);
    let full = controls.max_patch_length > 0u && run >= controls.max_patch_length;
    return select(hard, FULL, hard == 0u && full);
}

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
    let picture = group.z;
    let own = picture * STATE_WORDS;
    if state[own + RUN] == 0u {
        state[own + BOUNDARY] = 0u;
        state[own + CLOSE] = 0u;
        return;
    }
    let i = state[own + POS];
    let why = reason(all_controls[picture], i, entropies[i * PICTURES + picture], state[own + PATCH_LEN]);
    state[own + REASON] = why;
    state[own + BOUNDARY] = u32(why != 0u);
    state[own + CLOSE] = u32(why != 0u && i > 0u);
    if why == 0u {
        state[own + PATCH_LEN] += 1u;
        return;
    }
    if i > 0u {
        state[own + CLOSE_FIRST] = state[own + PATCH_FIRST];
        state[own + CLOSE_LAST] = i - 1u;
        state[own + PATCH] += 1u;
    }
    state[own + PATCH_FIRST] = i;
    state[own + PATCH_LEN] = 1u;
}
