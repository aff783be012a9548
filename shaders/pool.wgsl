// The query of a closing patch: the elementwise maximum of h over its tokens (dpar.md section 4).

override WG: u32 = 64u;

struct Params { gate: u32, width: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> h: array<f32>;             // (T, width)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;     // (width)

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if state[params.gate] == 0u || id.x >= params.width { return; }
    var top = h[state[CLOSE_FIRST] * params.width + id.x];
    for (var i = state[CLOSE_FIRST] + 1u; i <= state[CLOSE_LAST]; i++) {
        top = max(top, h[i * params.width + id.x]);
    }
    out[id.x] = top;
}
