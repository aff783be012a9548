// RMSNorm, then q, k and v of one position; RoPE on q and k; k and v appended to the cache.
// q, k, v = Wqkv RMSNorm(x); pairs (2j, 2j+1) turn by the position's angles. A table row of zeros (the class position)
// zeroes q and k, as the public code does.

override CACHE_BYTES: u32 = 4u; // of a number of the caches: 4 (f32) or 2 (f16 pairs)
const LARGEST = 65504.0;       // of f16

struct Params {
    gate: u32,   // state word: 0 skips the op
    slot: u32,   // state word: cache row to write
    turn: u32,   // state word: row of the rope table
    dim: u32,    // D
    head: u32,   // d
    cache: u32,  // cache rows a lane
    blocks: u32, // padded D / 8
    eps: f32,
    x_row: u32,  // state word: row of x
    own_turn: u32, // 1: each picture has rows of its own in the rope table, (row, picture, d/2)
    pad0: u32, pad1: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(6) var<storage, read> rope: array<vec2<f32>>;        // (row, d/2) of (cos, sin)
@group(0) @binding(7) var<storage, read_write> q: array<f32>;           // (picture, lane, padded D)
@group(0) @binding(8) var<storage, read_write> k_cache: array<u32>;     // (picture, lane, cache, D)
@group(0) @binding(9) var<storage, read_write> v_cache: array<u32>;     // (picture, lane, cache, D)

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if !any_open(group, params.gate) { return; }
    let units = 3u * params.dim / 2u;
    project(t, group, Task(params.gate, params.x_row, first_unit(group), units, units, params.blocks, params.dim, params.eps), 0u);
}

fn halves(pair: vec2<f32>) -> u32 { return pack2x16float(clamp(pair, vec2(-LARGEST), vec2(LARGEST))); }

fn finish(picture: u32, unit: u32, y: vec4<f32>) {
    let row = 2u * unit % params.dim; // within q, k or v
    let part = 2u * unit / params.dim;
    let slot = state[picture * STATE_WORDS + params.slot];
    let turn_row = select(state[picture * STATE_WORDS + params.turn], row_of(picture, params.turn), params.own_turn == 1u);
    let turn = rope[turn_row * (params.head / 2u) + (row % params.head) / 2u];
    for (var lane = 0u; lane < LANES; lane++) {
        let pair = select(y.zw, y.xy, lane == 0u);
        let turned = vec2(pair.x * turn.x - pair.y * turn.y, pair.y * turn.x + pair.x * turn.y);
        let vector = picture * LANES + lane;
        let cached = (vector * params.cache + slot) * params.dim + row;
        if part == 0u {
            q[vector * 8u * params.blocks + row] = turned.x;
            q[vector * 8u * params.blocks + row + 1u] = turned.y;
        } else if part == 1u {
            if CACHE_BYTES == 4u {
                k_cache[cached] = bitcast<u32>(turned.x);
                k_cache[cached + 1u] = bitcast<u32>(turned.y);
            } else {
                k_cache[cached / 2u] = halves(turned);
            }
        } else if CACHE_BYTES == 4u {
            v_cache[cached] = bitcast<u32>(pair.x);
            v_cache[cached + 1u] = bitcast<u32>(pair.y);
        } else {
            v_cache[cached / 2u] = halves(pair);
        }
    }
}
