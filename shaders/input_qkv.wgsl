// q, k, v = Wqkv RMSNorm(x) of one position, x put together by the op itself (shared/input.wgsl); RoPE on q and k; k and v side by
// side in the cache. As qkv, for narrow models.

override PATCH_TURNS: bool = false; // the angles of the patch that ends (Dynamic RoPE, dpar.md section 5), not of a position

struct Params {
    input: Input,
    slot: u32,  // state word: cache row to write
    turn: u32,  // state word: row of the rope table
    head: u32,  // d
    cache: u32, // cache rows a lane
    columns: u32, // where the columns' angles begin in the rope table
    pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(8) var<storage, read> rope: array<vec2<f32>>;       // (row, d/2) of (cos, sin); or (g, d/4) and (g, d/16)
@group(0) @binding(9) var<storage, read_write> kv: array<f32>;         // (picture, lane, cache, k | v)

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let put = params.input;
    if !any_open(group, put.gate) { return; }
    take(t, group);
    let units = 12u * put.blocks;
    project(t, group, Task(put.gate, ZERO, first_unit(group), units, units, put.blocks, 8u * put.blocks, put.eps), 0u);
}

// The cosine and sine by which pair `j` of a head turns.
fn turn_of(picture: u32, j: u32) -> vec2<f32> {
    let own = picture * STATE_WORDS;
    if !PATCH_TURNS { return rope[state[own + params.turn] * (params.head / 2u) + j]; }
    if state[own + CLOSE] == 0u { return vec2(0.0); } // the class
    let grid = all_controls[picture].grid;
    let first = state[own + CLOSE_FIRST];
    let quarter = params.head / 4u;
    if j < quarter { return rope[first / grid * quarter + j]; }
    let fine = quarter / 4u;
    let part = (j - quarter) / fine; // 0 and 3 turn with the first column, 1 and 2 with the last
    let token = select(state[own + CLOSE_LAST], first, part == 0u || part == 3u);
    return rope[params.columns + token % grid * fine + (j - quarter) % fine];
}

fn finish(picture: u32, unit: u32, y: vec4<f32>) {
    let dim = 8u * params.input.blocks;
    let row = 2u * unit % dim; // within q, k or v
    let part = 2u * unit / dim;
    let turn = turn_of(picture, row % params.head / 2u);
    for (var lane = 0u; lane < LANES; lane++) {
        let pair = select(y.zw, y.xy, lane == 0u);
        let turned = vec2(pair.x * turn.x - pair.y * turn.y, pair.y * turn.x + pair.x * turn.y);
        if part == 0u {
            let to = out_at(picture, lane) + params.input.result + row;
            out[to] = turned.x;
            out[to + 1u] = turned.y;
        } else {
            let slot = (picture * LANES + lane) * params.cache + state[picture * STATE_WORDS + params.slot];
            let to = (2u * slot + part - 1u) * dim + row;
            let kept = select(pair, turned, part == 1u);
            kv[to] = kept.x;
            kv[to + 1u] = kept.y;
        }
    }
}
