// The input of a token model at position i: the class embedding at i = 0, else the embedding of x_{i-1}; the same for
// all lanes but for the class. A large table comes in chunks of rows, each its own dispatch.

override WG: u32 = 64u;
override BYTES: u32 = 2u; // of a weight: 4 (f32), 2 (f16 pairs) or 1 (int8, behind all rows a scale for each)

struct Params {
    gate: u32,  // state word: 0 skips the op
    lanes: u32,
    width: u32, // padded D
    row0: u32,  // first row of this chunk
    rows: u32,  // rows in this chunk
    pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> classes: array<f32>;       // (picture, lane, width)
@group(0) @binding(4) var<storage, read> weights: array<u32>;       // (rows, width)
@group(0) @binding(5) var<storage, read_write> out: array<f32>;     // (picture, lane, width)

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let own = id.z * STATE_WORDS;
    if state[own + params.gate] == 0u || id.x >= params.lanes * params.width { return; }
    let column = id.x % params.width;
    let to = id.z * params.lanes * params.width + id.x;
    if state[own + HAS_TOKEN] == 0u {
        if params.row0 == 0u { out[to] = classes[to]; }
        return;
    }
    let token = state[own + TOKEN];
    if token < params.row0 || token >= params.row0 + params.rows { return; }
    let at = (token - params.row0) * params.width + column;
    if BYTES == 2u {
        let pair = unpack2x16float(weights[at / 2u]);
        out[to] = select(pair.y, pair.x, at % 2u == 0u);
    } else if BYTES == 1u {
        let scales = (params.rows + params.rows % 2u) * params.width / 4u;
        out[to] = f32(unpack4xI8(weights[at / 4u])[at % 4u]) * bitcast<f32>(weights[scales + token - params.row0]);
    } else {
        out[to] = bitcast<f32>(weights[at]);
    }
}
