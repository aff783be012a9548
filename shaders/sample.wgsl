// Draws x_i: guidance l = l_null + cfg (l_class - l_null), temperature, top-k, top-p, then the largest of
// l / temperature + Gumbel noise (dpar.md section 7). Begins the token's record and moves the run to position i + 1. One workgroup a picture. Nothing is sorted: the cuts of top-k (count) and
// top-p (mass) are found by a radix search over the logits' ordered bits, one 8-bit digit at a time, with integer
// sums, whose order does not matter.

override LANES: u32 = 1u;

struct Params {
    gate: u32,
    has_entropy: u32, // 0: the baseline, which has no entropy model
    rows: u32,        // of `guided`
    pad0: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;        // (picture, lane, V)
@group(0) @binding(4) var<storage, read> forced: array<u32>;        // (T, picture), a token or DRAW
@group(0) @binding(5) var<storage, read_write> guided: array<f32>;  // (i % rows, picture, V), what was drawn from, before the cuts
@group(0) @binding(6) var<storage, read> entropies: array<f32>;     // (T, picture)
@group(0) @binding(7) var<storage, read_write> records: array<u32>; // (T, picture, RECORD_WORDS)

const DRAW = 0xffffffffu;
const MASS = 1073741824.0; // 2^30: probabilities as integers

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> coarse: array<u32, 16>;
var<workgroup> shared_word: u32;
var<workgroup> shared_pair: vec2<u32>;

// Larger float <=> larger key.
fn key(l: f32) -> u32 {
    let bits = bitcast<u32>(l);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// The smallest key whose stricter rivals weigh at most `limit`: sum of weights over {u >= floor: key_u > cut} <= limit.
// A token weighs 1 (top-k) or its share of MASS (top-p).
fn cut(t: u32, base: u32, vocab: u32, by_mass: bool, limit: u32, floor: u32, top: f32, z: f32) -> u32 {
    var prefix = 0u;
    var above = 0u; // weight of keys beyond the prefix
    for (var shift = 24u; ; shift -= 8u) {
        for (var b = t; b < 256u; b += WG) { atomicStore(&bins[b], 0u); }
        workgroupBarrier();
        for (var v = t; v < vocab; v += WG) {
            let l = guided[base + v];
            let k = key(l);
            let inside = shift == 24u || (k >> (shift + 8u)) == prefix;
            if k >= floor && inside {
                var weight = 1u;
                if by_mass { weight = u32(exp(l - top) / z * MASS + 0.5); }
                atomicAdd(&bins[(k >> shift) & 255u], weight);
            }
        }
        workgroupBarrier();
        for (var c = t; c < 16u; c += WG) {
            var sum = 0u;
            for (var b = 0u; b < 16u; b++) { sum += atomicLoad(&bins[16u * c + b]); }
            coarse[c] = sum;
        }
        workgroupBarrier();
        if t == 0u {
            var c = 15u;
            while c > 0u && above + coarse[c] <= limit { above += coarse[c]; c--; }
            var digit = 16u * c + 15u;
            while digit > 16u * c && above + atomicLoad(&bins[digit]) <= limit { above += atomicLoad(&bins[digit]); digit--; }
            shared_pair = vec2((prefix << 8u) | digit, above);
        }
        let found = workgroupUniformLoad(&shared_pair);
        prefix = found.x;
        above = found.y;
        if shift == 0u { break; }
    }
    return prefix;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let picture = group.z;
    let own = picture * STATE_WORDS;
    if t == 0u { shared_word = state[own + params.gate]; }
    if workgroupUniformLoad(&shared_word) == 0u { return; }
    if t == 0u { shared_word = state[own + POS]; }
    let i = workgroupUniformLoad(&shared_word);
    let controls = all_controls[picture];
    let first = picture * LANES * controls.vocab;  // of logits
    let base = (i % params.rows * PICTURES + picture) * controls.vocab; // of guided

    // Guided logits, their maximum.
    let greedy = controls.temperature == 0.0;
    var most = Found(LOWEST, 0u);
    for (var v = t; v < controls.vocab; v += WG) {
        var l = logits[first + v];
        if LANES == 2u && controls.cfg_scale != 1.0 { // 1 is off, to the bit
            let null_logit = logits[first + controls.vocab + v];
            l = null_logit + controls.cfg_scale * (l - null_logit);
        }
        if !greedy { l /= controls.temperature; }
        guided[base + v] = l;
        if l > most.value { most = Found(l, v); }
    }
    most = best_of(t, most);
    let top = most.value;
    var token = most.at;
    if !greedy {
        var floor = 0u;
        if controls.top_k > 0u && controls.top_k < controls.vocab {
            floor = cut(t, base, controls.vocab, false, controls.top_k - 1u, 0u, top, 1.0);
        }
        if controls.top_p < 1.0 {
            var sum = 0.0;
            for (var v = t; v < controls.vocab; v += WG) {
                if key(guided[base + v]) >= floor { sum += exp(guided[base + v] - top); }
            }
            floor = max(floor, cut(t, base, controls.vocab, true, u32(controls.top_p * MASS), floor, top, sum_of(t, sum)));
        }
        var drawn = Found(LOWEST, 0u);
        for (var v = t; v < controls.vocab; v += WG) {
            let l = guided[base + v];
            if key(l) >= floor {
                let s = l + gumbel(controls.seed, i, v);
                if s > drawn.value { drawn = Found(s, v); }
            }
        }
        token = best_of(t, drawn).at;
    }
    if t > 0u { return; }
    let given = forced[i * PICTURES + picture];
    if given != DRAW { token = given; }
    let record = (i * PICTURES + picture) * RECORD_WORDS;
    records[record] = token;
    records[record + 1u] = select(0u, bitcast<u32>(entropies[i * PICTURES + picture]), params.has_entropy != 0u);
    records[record + 2u] = state[own + REASON];
    records[record + 3u] = state[own + PATCH];
    records[record + 6u] = i + 1u;
    records[record + 7u] = 1u; // the rest of it is wanted

    state[own + DRAWN] = token;
    state[own + TOKEN] = token;
    state[own + PREV] = i;
    state[own + POS] = i + 1u;
    state[own + HAS_TOKEN] = u32(i + 1u < state[own + TOKENS]);
    state[own + RUN] = u32(i + 1u < state[own + TOKENS]);
}
