// How uncertain token i is, the patch rule (src/patching.rs, dpar.md section 2), and the bookkeeping of what it opens and closes.
// Entropy of softmax(logits) in nats: e = ln Z - sum(exp(l - max) (l - max)) / Z, Z = sum exp(l - max). One workgroup a picture.

struct Params { vocab: u32, pad0: u32, pad1: u32, pad2: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>; // (picture, word)
@group(0) @binding(3) var<storage, read> logits: array<f32>;      // (picture, V)
@group(0) @binding(4) var<storage, read_write> entropies: array<f32>; // (T, picture)

var<workgroup> goes_on: u32;

fn reason(controls: Controls, i: u32, e: f32, run: u32) -> u32 {
    let hard = hard_start(controls, i, e);
    let full = controls.max_patch_length > 0u && run >= controls.max_patch_length;
    return select(hard, FULL, hard == 0u && full);
}

// The same in every thread.
fn entropy(t: u32, own: u32) -> f32 {
    var top = LOWEST;
    for (var v = t; v < params.vocab; v += WG) { top = max(top, logits[own + v]); }
    top = largest_of(t, top);
    var sums = vec2(0.0); // of p, of p l
    for (var v = t; v < params.vocab; v += WG) {
        let l = logits[own + v] - top;
        let p = exp(l);
        sums += vec2(p, p * l);
    }
    sums = sums_of(t, sums);
    return log(sums.x) - sums.y / sums.x;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let picture = group.z;
    let own = picture * STATE_WORDS;
    if t == 0u {
        goes_on = state[own + RUN];
        state[own + BOUNDARY] = 0u;
        state[own + CLOSE] = 0u;
    }
    if workgroupUniformLoad(&goes_on) == 0u { return; }
    let e = entropy(t, picture * params.vocab);
    if t > 0u { return; }
    let i = state[own + POS];
    entropies[i * PICTURES + picture] = e;
    let why = reason(all_controls[picture], i, e, state[own + PATCH_LEN]);
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
