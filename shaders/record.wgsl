// Writes down what happened at position i, for whoever looks: token, entropy, why a patch starts, rank and probability
// of the drawn token, the position (from 1: 0 was never written), the most probable candidates. Then moves the run to position i + 1. One
// workgroup a picture.

const CANDIDATES = 8u;
const WORDS = 24u; // a record: src/engine/state.rs Record

struct Params { gate: u32, has_entropy: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read> guided: array<f32>;            // (picture, V)
@group(0) @binding(4) var<storage, read> entropies: array<f32>;         // (T, picture)
@group(0) @binding(5) var<storage, read_write> records: array<u32>;     // (T, picture, WORDS)

var<workgroup> position: vec3<u32>; // run?, i, x_i

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let picture = group.z;
    let own = picture * STATE_WORDS;
    if t == 0u { position = vec3(state[own + params.gate], state[own + POS], state[own + DRAWN]); }
    let now = workgroupUniformLoad(&position);
    if now.x == 0u { return; }
    let vocab = all_controls[picture].vocab;
    let first = picture * vocab;
    let base = (now.y * PICTURES + picture) * WORDS;
    let drawn = guided[first + now.z];

    // Each thread keeps the best of its own tokens that was not yet taken; every round takes the best of the bests.
    var own_best = Found(LOWEST, vocab);
    var rank = 0u;
    for (var v = t; v < vocab; v += WG) {
        let l = guided[first + v];
        rank += u32(l > drawn);
        if l > own_best.value { own_best = Found(l, v); }
    }
    rank = count_of(t, rank);
    var taken = best_of(t, own_best);
    let top = taken.value;
    var z = 0.0;
    for (var v = t; v < vocab; v += WG) { z += exp(guided[first + v] - top); }
    z = sum_of(t, z);
    for (var c = 0u; c < CANDIDATES; c++) {
        if c > 0u { taken = best_of(t, own_best); }
        if t == 0u {
            records[base + 8u + c] = min(taken.at, vocab);
            records[base + 8u + CANDIDATES + c] = bitcast<u32>(exp(taken.value - top) / z);
        }
        if taken.at == own_best.at && taken.at < vocab {
            own_best = Found(LOWEST, vocab); // none left
            for (var v = t; v < vocab; v += WG) {
                let l = guided[first + v];
                let open = l < taken.value || (l == taken.value && v > taken.at);
                if open && l > own_best.value { own_best = Found(l, v); }
            }
        }
    }
    if t > 0u { return; }
    records[base] = now.z;
    records[base + 1u] = select(0u, bitcast<u32>(entropies[now.y * PICTURES + picture]), params.has_entropy != 0u);
    records[base + 2u] = state[own + REASON];
    records[base + 3u] = state[own + PATCH];
    records[base + 4u] = rank;
    records[base + 5u] = bitcast<u32>(exp(drawn - top) / z);
    records[base + 6u] = now.y + 1u;
    records[base + 7u] = 0u;

    state[own + TOKEN] = now.z;
    state[own + PREV] = now.y;
    state[own + POS] = now.y + 1u;
    state[own + HAS_TOKEN] = u32(now.y + 1u < state[own + TOKENS]);
    state[own + RUN] = u32(now.y + 1u < state[own + TOKENS]);
}
