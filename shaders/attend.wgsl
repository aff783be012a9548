// Attention of one query over cached positions [first, last], one workgroup a head and lane:
// out = softmax(q . k / sqrt(d)) v. Positions come in tiles with a running maximum (as in FlashAttention), so any
// number of them fits in workgroup memory. Serves causal self-attention and the patch encoder's cross-attention.

override WG: u32 = 64u;
const TILE = 1024u;

struct Params {
    gate: u32,     // state word: 0 skips the op
    first: u32,    // state word: first position
    last: u32,     // state word: last position
    heads: u32,
    head: u32,     // d
    cache: u32,    // cache rows a lane
    stride: u32,   // values a cache row
    v_offset: u32, // where v begins in a cache row of `v_cache`
    q_stride: u32, // values a lane of q and out
    pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;       // (lane, q_stride)
@group(0) @binding(4) var<storage, read> k_cache: array<vec4<f32>>; // (lane, cache, stride)
@group(0) @binding(5) var<storage, read> v_cache: array<f32>;       // (lane, cache, stride)
@group(0) @binding(6) var<storage, read_write> out: array<f32>; // (lane, q_stride)

var<workgroup> query: array<vec4<f32>, 32>;
var<workgroup> score: array<f32, 1024>;
var<workgroup> most: array<f32, 256>;
var<workgroup> mass: array<f32, 256>;
var<workgroup> mixed: array<f32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if state[params.gate] == 0u { return; }
    let head = group.x % params.heads;
    let lane = group.x / params.heads;
    let d = params.head;
    let offset = head * d;
    let first = state[params.first];
    let count = state[params.last] + 1u - first;
    let base = (lane * params.cache + first) * params.stride + offset;
    let scale = inverseSqrt(f32(d));
    for (var c = t; c < d / 4u; c += WG) { query[c] = q[(lane * params.q_stride + offset) / 4u + c] * scale; }
    workgroupBarrier();

    // Threads of the value step: `width` of them take one column each (or two, where d > WG), in `parts` groups that
    // split the positions.
    let width = min(d, WG);
    let parts = WG / width;
    let part = t / width;
    let column = t % width;
    var best = -3.0e38;
    var total = 0.0;
    var acc = vec2(0.0);
    for (var start = 0u; start < count; start += TILE) {
        let here = min(TILE, count - start);
        var top = -3.0e38;
        for (var j = t; j < here; j += WG) {
            let row = (base + (start + j) * params.stride) / 4u;
            var s = 0.0;
            for (var c = 0u; c < d / 4u; c++) { s += dot(query[c], k_cache[row + c]); }
            score[j] = s;
            top = max(top, s);
        }
        most[t] = top;
        workgroupBarrier();
        var now = best;
        for (var k = 0u; k < WG; k++) { now = max(now, most[k]); }
        var sum = 0.0;
        for (var j = t; j < here; j += WG) {
            let p = exp(score[j] - now);
            score[j] = p;
            sum += p;
        }
        mass[t] = sum;
        workgroupBarrier();
        let shrink = exp(best - now);
        best = now;
        total *= shrink;
        for (var k = 0u; k < WG; k++) { total += mass[k]; }
        acc *= shrink;
        if part < parts {
            for (var j = part; j < here; j += parts) {
                let row = base + (start + j) * params.stride + params.v_offset + column;
                acc.x += score[j] * v_cache[row];
                if column + WG < d { acc.y += score[j] * v_cache[row + WG]; }
            }
        }
        workgroupBarrier(); // score, most and mass are written again
    }
    mixed[t] = acc.x;
    workgroupBarrier();
    if t >= width { return; }
    var value = 0.0;
    for (var p = 0u; p < parts; p++) { value += mixed[p * width + t]; }
    let at = lane * params.q_stride + offset + t;
    out[at] = value / total;
    if t + WG < d { out[at + WG] = acc.y / total; }
}
