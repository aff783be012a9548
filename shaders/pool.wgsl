// The query of a closing patch: the elementwise maximum of h over its tokens (dpar.md section 4).

override WG: u32 = 64u;

struct Params { gate: u32, width: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> h: array<f32>;             // (T, picture, width)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;     // (picture, width)

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if state[id.z * STATE_WORDS + params.gate] == 0u || id.x >= params.width { return; }
    let first = row_of(id.z, CLOSE_FIRST);
    var top = h[first * params.width + id.x];
    for (var row = first + PICTURES; row <= row_of(id.z, CLOSE_LAST); row += PICTURES) {
        top = max(top, h[row * params.width + id.x]);
    }
    out[id.z * params.width + id.x] = top;
}
