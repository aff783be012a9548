// Writes down what happened at position i, for whoever looks: token, entropy, why a patch starts, rank and probability
// of the drawn token, the position (from 1: 0 was never written), the most probable candidates. Then moves the run to position i + 1. One workgroup.

override WG: u32 = 64u;

const CANDIDATES = 8u;
const WORDS = 24u; // a record: src/engine/state.rs Record

struct Params { gate: u32, has_entropy: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> controls: Controls;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read> guided: array<f32>;            // (V)
@group(0) @binding(4) var<storage, read> entropies: array<f32>;         // (T)
@group(0) @binding(5) var<storage, read_write> records: array<u32>;     // (T, WORDS)

var<workgroup> best: array<f32, 256>;
var<workgroup> best_at: array<u32, 256>;
var<workgroup> sums: array<f32, 256>;
var<workgroup> ranks: array<u32, 256>;
var<workgroup> winner: u32;
var<workgroup> position: vec3<u32>; // run?, i, x_i

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) t: u32) {
    if t == 0u { position = vec3(state[params.gate], state[POS], state[DRAWN]); }
    let now = workgroupUniformLoad(&position);
    if now.x == 0u { return; }
    let base = now.y * WORDS;
    let drawn = guided[now.z];

    // Each thread keeps the best of its own tokens that was not yet taken; every round takes the best of the bests.
    var limit = 3.0e38; // the last one taken from this thread
    var limit_at = 0u;
    var top = -3.0e38;
    var top_at = controls.vocab;
    var rank = 0u;
    for (var v = t; v < controls.vocab; v += WG) {
        let l = guided[v];
        rank += u32(l > drawn);
        if l > top { top = l; top_at = v; }
    }
    best[t] = top;
    best_at[t] = top_at;
    ranks[t] = rank;
    workgroupBarrier();
    for (var k = 0u; k < WG; k++) { top = max(top, best[k]); }
    var sum = 0.0;
    for (var v = t; v < controls.vocab; v += WG) { sum += exp(guided[v] - top); }
    sums[t] = sum;
    workgroupBarrier();
    var z = 0.0;
    for (var k = 0u; k < WG; k++) { z += sums[k]; }
    for (var c = 0u; c < CANDIDATES; c++) {
        if t == 0u {
            var at = 0u;
            for (var k = 1u; k < WG; k++) {
                if best[k] > best[at] || (best[k] == best[at] && best_at[k] < best_at[at]) { at = k; }
            }
            records[base + 8u + c] = best_at[at];
            records[base + 8u + CANDIDATES + c] = bitcast<u32>(exp(best[at] - top) / z);
            winner = at;
        }
        if workgroupUniformLoad(&winner) == t {
            limit = best[t];
            limit_at = best_at[t];
            var next = -3.0e38;
            var next_at = controls.vocab; // none left
            for (var v = t; v < controls.vocab; v += WG) {
                let l = guided[v];
                let open = l < limit || (l == limit && v > limit_at);
                if open && l > next { next = l; next_at = v; }
            }
            best[t] = next;
            best_at[t] = next_at;
        }
        workgroupBarrier();
    }
    if t > 0u { return; }
    for (var k = 1u; k < WG; k++) { rank += ranks[k]; }
    records[base] = now.z;
    records[base + 1u] = select(0u, bitcast<u32>(entropies[now.y]), params.has_entropy != 0u);
    records[base + 2u] = state[REASON];
    records[base + 3u] = state[PATCH];
    records[base + 4u] = rank;
    records[base + 5u] = bitcast<u32>(exp(drawn - top) / z);
    records[base + 6u] = now.y + 1u;
    records[base + 7u] = 0u;

    state[TOKEN] = now.z;
    state[PREV] = now.y;
    state[POS] = now.y + 1u;
    state[HAS_TOKEN] = u32(now.y + 1u < state[TOKENS]);
    state[RUN] = u32(now.y + 1u < state[TOKENS]);
}
