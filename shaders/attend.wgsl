// Attention of one query over cached positions [first, last], one workgroup a head, lane and picture:
// out = softmax(q . k / sqrt(d)) v. Positions come in tiles with a running maximum (as in FlashAttention), so any
// number of them fits in workgroup memory. Serves causal self-attention and the patch encoder's cross-attention.

override WG: u32 = 64u; // 32 (the widest head in vec4s) to 256
const TILE = 1024u;
const LOWEST = -3.0e38;

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
@group(0) @binding(4) var<storage, read> k_cache: array<vec4<f32>>;  // (picture, lane, rows, D) or (rows, picture, lane, stride)
@group(0) @binding(5) var<storage, read> v_cache: array<vec4<f32>>;  // the same
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>; // (picture, lane, q_stride)

var<workgroup> query: array<vec4<f32>, 32>;
var<workgroup> score: array<vec4<f32>, 256>; // four positions each
var<workgroup> most: array<f32, 256>;        // a value a thread
var<workgroup> mixed: array<vec4<f32>, 256>;
var<workgroup> mass: array<f32, 256>;

fn largest(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let own = group.z * STATE_WORDS;
    if state[own + params.gate] == 0u { return; }
    let lane = group.z * params.lanes + group.x / params.heads;
    let width = params.head / 4u; // d in vec4s
    let offset = group.x % params.heads * width;
    let first = state[own + params.first];
    let count = state[own + params.last] + 1u - first;
    let stride = params.stride / 4u;
    let base = lane * (params.lane / 4u) + first * stride + offset;
    let scale = inverseSqrt(f32(params.head));
    for (var c = t; c < width; c += WG) { query[c] = q[lane * params.q_stride / 4u + offset + c] * scale; }
    workgroupBarrier();

    // In the value step a thread takes one vec4 of columns, and the positions are shared by `parts` such sets.
    let parts = WG / width;
    let part = t / width;
    let values = base + params.v_offset / 4u + t % width;
    var best = LOWEST;
    var total = 0.0;
    var acc = vec4(0.0);
    for (var start = 0u; start < count; start += TILE) {
        let here = min(TILE, count - start);
        if start > 0u { workgroupBarrier(); } // score and most are written again
        var top = LOWEST;
        // Four positions at a time share every load of the query.
        for (var j = t; 4u * j < here; j += WG) {
            let row = base + (start + 4u * j) * stride;
            let more = min(vec3(1u, 2u, 3u), vec3(here - 1u - 4u * j)) * stride; // past the end: repeat the last
            var s = vec4(0.0);
            for (var c = 0u; c < width; c++) {
                let p = query[c];
                s += vec4(
                    dot(p, k_cache[row + c]),
                    dot(p, k_cache[row + more.x + c]),
                    dot(p, k_cache[row + more.y + c]),
                    dot(p, k_cache[row + more.z + c]),
                );
            }
            s = select(vec4(LOWEST), s, vec4(4u * j) + vec4(0u, 1u, 2u, 3u) < vec4(here));
            score[j] = s;
            top = max(top, largest(s));
        }
        most[t] = top;
        workgroupBarrier();
        var now = best;
        for (var k = 0u; k < WG; k++) { now = max(now, most[k]); }
        let shrink = exp(best - now);
        best = now;
        total *= shrink;
        acc *= shrink;
        if part < parts {
            for (var j = part; 4u * j < here; j += parts) {
                let row = values + (start + 4u * j) * stride;
                let more = min(vec3(1u, 2u, 3u), vec3(here - 1u - 4u * j)) * stride;
                let p = exp(score[j] - now); // 0 past the end
                total += p.x + p.y + p.z + p.w;
                acc += p.x * v_cache[row] + p.y * v_cache[row + more.x] + p.z * v_cache[row + more.y] + p.w * v_cache[row + more.z];
            }
        }
    }
    mixed[t] = acc;
    mass[t] = total;
    workgroupBarrier();
    if t >= width { return; }
    for (var p = 1u; p < parts; p++) {
        acc += mixed[p * width + t];
        total += mass[p * width + t];
    }
    out[lane * params.q_stride / 4u + offset + t] = acc / total;
}
