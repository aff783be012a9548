// What is known of a drawn token, for whoever looks, in the record that `sample` has begun: rank and probability of the drawn token,
// the most probable candidates. Once a submit, for all that were drawn since: a workgroup a row of `guided` and picture, at the newest
// position whose logits are there.

const CANDIDATES = 8u;

struct Params { rows: u32, pad0: u32, pad1: u32, pad2: u32 } // rows of `guided`
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> guided: array<f32>;            // (i % rows, picture, V)
@group(0) @binding(4) var<storage, read_write> records: array<u32>;     // (T, picture, RECORD_WORDS)

var<workgroup> wanted: vec2<u32>; // whether the rest of the record is, its first word

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let picture = group.z;
    let drawn_so_far = state[picture * STATE_WORDS + POS];
    if t == 0u {
        wanted = vec2(0u);
        if drawn_so_far > 0u {
            let back = ((drawn_so_far - 1u) % params.rows + params.rows - group.x) % params.rows;
            if back < drawn_so_far {
                let record = ((drawn_so_far - 1u - back) * PICTURES + picture) * RECORD_WORDS;
                wanted = vec2(records[record + 7u], record);
            }
        }
    }
    let now = workgroupUniformLoad(&wanted);
    if now.x == 0u { return; }
    let base = now.y;
    let vocab = all_controls[picture].vocab;
    let first = (group.x * PICTURES + picture) * vocab;
    let drawn = guided[first + records[base]];

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
    z = sums_of(t, vec2(z, 0.0)).x;
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
    records[base + 4u] = rank;
    records[base + 5u] = bitcast<u32>(exp(drawn - top) / z);
    records[base + 7u] = 0u;
}
