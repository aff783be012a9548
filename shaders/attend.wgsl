// Attention of one query over cached positions, one workgroup a head, lane and picture (shared/attention.wgsl).

override CACHE_BYTES: u32 = 4u; // of a number of the caches: 4 (f32) or 2 (f16 pairs)

struct Params {
    gate: u32,     // state word: 0 skips the op
    first: u32,    // state word: first position
    last: u32,     // state word: last position
    heads: u32,
    head: u32,     // d
    lanes: u32,
    lane: u32,     // values from one lane's first cache row to the next lane's
    stride: u32,   // values from one cache row to the next
    v_offset: u32, // where v begins in a cache row of `v_cache`
    q_stride: u32, // values a lane of q and out
    pad0: u32, pad1: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;        // (picture, lane, q_stride)
@group(0) @binding(4) var<storage, read> k_cache: array<vec4<u32>>;  // (picture, lane, rows, D) or (rows, picture, lane, stride)
@group(0) @binding(5) var<storage, read> v_cache: array<vec4<u32>>;  // the same
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>; // (picture, lane, q_stride)

fn query_at(at: u32) -> vec4<f32> { return q[at]; }

fn k_at(at: u32) -> vec4<f32> {
    if CACHE_BYTES == 4u { return bitcast<vec4<f32>>(k_cache[at]); }
    return unpacked(k_cache[at / 2u], at);
}

fn v_at(at: u32) -> vec4<f32> {
    if CACHE_BYTES == 4u { return bitcast<vec4<f32>>(v_cache[at]); }
    return unpacked(v_cache[at / 2u], at);
}

// Four numbers of the eight that one load brings.
fn unpacked(eight: vec4<u32>, at: u32) -> vec4<f32> {
    let four = select(eight.xy, eight.zw, (at & 1u) == 1u);
    return vec4(unpack2x16float(four.x), unpack2x16float(four.y));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let own = group.z * STATE_WORDS;
    if state[own + params.gate] == 0u { return; }
    let lane = group.z * params.lanes + group.x / params.heads;
    let offset = group.x % params.heads * params.head / 4u;
    let first = state[own + params.first];
    let stride = params.stride / 4u;
    let keys = lane * (params.lane / 4u) + first * stride + offset;
    let cached = Cached(keys, keys + params.v_offset / 4u, stride, state[own + params.last] + 1u - first);
    let at = lane * params.q_stride / 4u + offset;
    let found = attention(t, at, params.head, cached);
    if t < params.head / 4u { out[at + t] = found; }
}
