// Draws x_i: guidance l = l_null + cfg (l_class - l_null), temperature, top-k, top-p, then the largest of
// l / temperature + Gumbel noise (dpar.md section 7). One workgroup. Nothing is sorted: the cuts of top-k (count) and
// top-p (mass) are found by a radix search over the logits' ordered bits, one 8-bit digit at a time, with integer
// sums, whose order does not matter.

override WG: u32 = 256u;
override LANES: u32 = 1u;

struct Params { gate: u32, pad0: u32, pad1: u32, pad2: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> controls: Controls;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;        // (lane, V)
@group(0) @binding(4) var<storage, read> forced: array<u32>;        // (T), a token or DRAW
@group(0) @binding(5) var<storage, read_write> guided: array<f32>;  // (V), what was drawn from, before the cuts

const DRAW = 0xffffffffu;
const MASS = 1073741824.0; // 2^30: probabilities as integers

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> coarse: array<u32, 16>;
var<workgroup> best: array<f32, 256>;
var<workgroup> best_at: array<u32, 256>;
var<workgroup> sums: array<f32, 256>;
var<workgroup> shared_word: u32;
var<workgroup> shared_pair: vec2<u32>;

// Larger float <=> larger key.
fn key(l: f32) -> u32 {
    let bits = bitcast<u32>(l);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// The smallest key whose stricter rivals weigh at most `limit`: sum of weights over {u >= floor: key_u > cut} <= limit.
// A token weighs 1 (top-k) or its share of MASS (top-p).
fn cut(t: u32, by_mass: bool, limit: u32, floor: u32, top: f32, z: f32) -> u32 {
    var prefix = 0u;
    var above = 0u; // weight of keys beyond the prefix
    for (var shift = 24u; ; shift -= 8u) {
        for (var b = t; b < 256u; b += WG) { atomicStore(&bins[b], 0u); }
        workgroupBarrier();
        for (var v = t; v < controls.vocab; v += WG) {
            let l = guided[v];
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

// The largest of best[] and where; lowest token on a tie. Complete in every thread.
fn reduce_best(t: u32) -> u32 {
    workgroupBarrier();
    if t == 0u {
        var at = 0u;
        for (var k = 1u; k < WG; k++) {
            if best[k] > best[at] || (best[k] == best[at] && best_at[k] < best_at[at]) { at = k; }
        }
        shared_word = at;
    }
    return workgroupUniformLoad(&shared_word);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) t: u32) {
    if t == 0u { shared_word = state[params.gate]; }
    if workgroupUniformLoad(&shared_word) == 0u { return; }
    if t == 0u { shared_word = state[POS]; }
    let i = workgroupUniformLoad(&shared_word);

    // Guided logits, their maximum.
    let greedy = controls.temperature == 0.0;
    var top = -3.0e38;
    var top_at = 0u;
    for (var v = t; v < controls.vocab; v += WG) {
        var l = logits[v];
        if LANES == 2u && controls.cfg_scale != 1.0 { // 1 is off, to the bit
            let null_logit = logits[controls.vocab + v];
            l = null_logit + controls.cfg_scale * (l - null_logit);
        }
        if !greedy { l /= controls.temperature; }
        guided[v] = l;
        if l > top { top = l; top_at = v; }
    }
    best[t] = top;
    best_at[t] = top_at;
    let winner = reduce_best(t);
    top = best[winner];
    var token = best_at[winner];
    if !greedy {
        var floor = 0u;
        if controls.top_k > 0u && controls.top_k < controls.vocab {
            floor = cut(t, false, controls.top_k - 1u, 0u, top, 1.0);
        }
        if controls.top_p < 1.0 {
            var sum = 0.0;
            for (var v = t; v < controls.vocab; v += WG) {
                if key(guided[v]) >= floor { sum += exp(guided[v] - top); }
            }
            sums[t] = sum;
            workgroupBarrier();
            var z = 0.0;
            for (var k = 0u; k < WG; k++) { z += sums[k]; }
            floor = max(floor, cut(t, true, u32(controls.top_p * MASS), floor, top, z));
        }
        workgroupBarrier(); // best[] is written again
        var score = -3.0e38;
        var at = 0u;
        for (var v = t; v < controls.vocab; v += WG) {
            let l = guided[v];
            if key(l) >= floor {
                let s = l + gumbel(controls.seed, i, v);
                if s > score { score = s; at = v; }
            }
        }
        best[t] = score;
        best_at[t] = at;
        token = best_at[reduce_best(t)];
    }
    if t == 0u {
        if forced[i] != DRAW { token = forced[i]; }
        state[DRAWN] = token;
    }
}
