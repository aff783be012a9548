// The patch rule (src/patching.rs, dpar.md section 2) for a whole image whose entropies are known. One workgroup, one picture.
//
// Between two hard starts (first, row, entropy, every) a patch begins every P_max tokens, so token i starts one iff it
// is a hard start or (i - the last hard start) is a multiple of P_max. That start is a running maximum: each thread takes
// a run of tokens, and a scan over the threads joins the runs.

override WG: u32 = 256u;

struct Params { pad0: u32, pad1: u32, pad2: u32, pad3: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> entropies: array<f32>;            // (T)
@group(0) @binding(4) var<storage, read_write> merged: array<u32>;         // (T): why a patch starts, or 0

var<workgroup> parts: array<u32, 256>;

// Maximum of what the threads before t brought (Hillis and Steele).
fn before(t: u32, own: u32) -> u32 {
    parts[t] = own;
    workgroupBarrier();
    for (var d = 1u; d < WG; d *= 2u) {
        var left = 0u;
        if t >= d { left = parts[t - d]; }
        workgroupBarrier();
        parts[t] = max(parts[t], left);
        workgroupBarrier();
    }
    if t == 0u { return 0u; }
    return parts[t - 1u];
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) t: u32) {
    let controls = all_controls[0];
    let tokens = state[TOKENS];
    let each = (tokens + WG - 1u) / WG;
    let begin = min(t * each, tokens);
    let end = min(begin + each, tokens);

    var after = 0u; // the last hard start of this thread's tokens, counted from 1
    for (var i = begin; i < end; i++) {
        if hard_start(controls, i, entropies[i]) != 0u { after = i + 1u; }
    }
    after = before(t, after);

    for (var i = begin; i < end; i++) {
        var why = hard_start(controls, i, entropies[i]);
        if why != 0u { after = i + 1u; }
        if why == 0u && controls.max_patch_length > 0u {
            why = select(0u, FULL, (i + 1u - after) % controls.max_patch_length == 0u);
        }
        merged[i] = why;
    }
}
