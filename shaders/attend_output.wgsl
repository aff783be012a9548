// Attention of one query over cached positions, one workgroup a head, lane and picture (shared/attention.wgsl), and what the head
// adds to the stream: its columns of Wo times what it has found. The next op adds the heads up. As attend and linear, for
// narrow models, without waiting for all heads in between.

override LANES: u32 = 1u;

struct Params {
    gate: u32,     // state word: 0 skips the op
    first: u32,    // state word: first position
    last: u32,     // state word: last position
    heads: u32,
    head: u32,     // d
    lane: u32,     // values from one lane's first cache row to the next lane's
    stride: u32,   // values from one cache row to the next
    k_offset: u32, // where k begins in a cache row
    v_offset: u32, // ... and v
    dim: u32,      // D
    out_stride: u32, // values a lane of `out`
    query: u32,    // where in it the query begins
    result: u32,   // ... and what the heads add, one behind the other
    pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> kv: array<vec4<f32>>;        // (picture, lane, rows, 2D) or (rows, picture, lane, stride)
@group(0) @binding(4) var<storage, read_write> out: array<f32>;       // (picture, lane, out_stride): a query is there

fn query_at(at: u32) -> vec4<f32> { return vec4(out[4u * at], out[4u * at + 1u], out[4u * at + 2u], out[4u * at + 3u]); }
fn k_at(at: u32) -> vec4<f32> { return kv[at]; }
fn v_at(at: u32) -> vec4<f32> { return kv[at]; }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let own = group.z * STATE_WORDS;
    if state[own + params.gate] == 0u { return; }
    let lane = group.z * LANES + group.x / params.heads;
    let head = group.x % params.heads;
    let first = state[own + params.first];
    let stride = params.stride / 4u;
    let row = (lane * params.lane + head * params.head) / 4u + first * stride;
    let cached =
        Cached(row + params.k_offset / 4u, row + params.v_offset / 4u, stride, state[own + params.last] + 1u - first);
    let origin = lane * params.out_stride;
    let found = attention(t, (origin + params.query + head * params.head) / 4u, params.head, cached);
    if t < params.head / 4u { query[t] = found; } // nobody reads the query any more
    workgroupBarrier();
    let blocks = params.dim / 8u;
    let columns = params.head / 8u;
    // Four rows share what they are multiplied with; D is a multiple of 8.
    for (var row = 4u * t; row < params.dim; row += 4u * WG) {
        var y = vec4(0.0);
        for (var b = 0u; b < columns; b++) {
            let found_a = query[2u * b];
            let found_b = query[2u * b + 1u];
            let at = row * blocks + head * columns + b;
            let w0 = weights_at(0u, at);
            let w1 = weights_at(0u, at + blocks);
            let w2 = weights_at(0u, at + 2u * blocks);
            let w3 = weights_at(0u, at + 3u * blocks);
            y += vec4(dot(w0.a, found_a), dot(w1.a, found_a), dot(w2.a, found_a), dot(w3.a, found_a));
            y += vec4(dot(w0.b, found_b), dot(w1.b, found_b), dot(w2.b, found_b), dot(w3.b, found_b));
        }
        y *= scales_of(0u, params.dim * blocks, row);
        for (var k = 0u; k < 4u; k++) { out[origin + params.result + head * params.dim + row + k] = y[k]; }
    }
}
