// The patch decoder's input at position i: h_tok[i-1] (a learned start vector at i = 0) plus the first layer's
// projected patch state, per lane (dpar.md section 6).

override WG: u32 = 64u;

struct Params { gate: u32, lanes: u32, width: u32, pad0: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> start: array<f32>;         // (width)
@group(0) @binding(4) var<storage, read> h: array<f32>;             // (T, picture, width)
@group(0) @binding(5) var<storage, read> patch_state: array<f32>;   // (picture, lane, width)
@group(0) @binding(6) var<storage, read_write> out: array<f32>;     // (picture, lane, width)

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let own = id.z * STATE_WORDS;
    if state[own + params.gate] == 0u || id.x >= params.lanes * params.width { return; }
    let column = id.x % params.width;
    let to = id.z * params.lanes * params.width + id.x;
    var token = start[column];
    if state[own + HAS_TOKEN] != 0u { token = h[row_of(id.z, PREV) * params.width + column]; }
    out[to] = token + patch_state[to];
}
