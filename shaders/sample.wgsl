// Draws x_i: guidance l = l_null + cfg (l_class - l_null), temperature, top-k, top-p, then the largest of
// l / temperature + Gumbel noise (dpar.md section 7). Begins the token's record and moves the run to position i + 1. One workgroup a
// picture.
//
// Nothing is sorted, and the cut of top-p is not even looked for. The largest of all tokens is drawn first; if those more probable
// than it weigh no more than p, top-p keeps it, and it is the largest of what top-p keeps. If not, top-p keeps no token as probable as
// that or less: the largest of the others is drawn next, and so on, seldom more than once. Top-k, which is off by default, finds
// its cut by a radix search over the logits' ordered bits, one 8-bit digit at a time, with counts.

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

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> coarse: array<u32, 16>;
var<workgroup> shared_pair: vec2<u32>;

// Larger float <=> larger key.
fn key(l: f32) -> u32 {
    let bits = bitcast<u32>(l);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// The `k`th largest key.
fn cut(t: u32, base: u32, vocab: u32, k: u32) -> u32 {
    var prefix = 0u;
    var above = 0u; // keys beyond the prefix
    for (var shift = 24u; ; shift -= 8u) {
        for (var b = t; b < 256u; b += WG) { atomicStore(&bins[b], 0u); }
        workgroupBarrier();
        for (var v = t; v < vocab; v += WG) {
            let key = key(guided[base + v]);
            if shift == 24u || (key >> (shift + 8u)) == prefix { atomicAdd(&bins[(key >> shift) & 255u], 1u); }
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
            while c > 0u && above + coarse[c] < k { above += coarse[c]; c--; }
            var digit = 16u * c + 15u;
            while digit > 16u * c && above + atomicLoad(&bins[digit]) < k { above += atomicLoad(&bins[digit]); digit--; }
            shared_pair = vec2((prefix << 8u) | digit, above);
        }
        let found = workgroupUniformLoad(&shared_pair);
        prefix = found.x;
        above = found.y;
        if shift == 0u { break; }
    }
    return prefix;
}

// Whether what was drawn is beyond the cuts: its key below `floor`, or the more probable tokens heavier than `top_p` of all from
// `floor` on. Nothing drawn is not: there is none left, as where logits are no numbers.
fn is_cut(t: u32, base: u32, controls: Controls, drawn: Found, floor: u32, top: f32) -> bool {
    let l = guided[base + drawn.at];
    var mass = vec2(0.0); // of the more probable ones, of all
    if controls.top_p < 1.0 {
        for (var v = t; v < controls.vocab; v += WG) {
            let other = guided[base + v];
            let e = select(0.0, exp(other - top), key(other) >= floor);
            mass += vec2(select(0.0, e, other > l), e);
        }
        mass = sums_of(t, mass);
    }
    if t == 0u {
        let beyond = key(l) < floor || mass.x > controls.top_p * mass.y;
        shared_pair.x = u32(drawn.value > LOWEST && beyond);
    }
    return workgroupUniformLoad(&shared_pair).x != 0u;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let picture = group.z;
    let own = picture * STATE_WORDS;
    if t == 0u { shared_pair = vec2(state[own + params.gate], state[own + POS]); }
    let gate_and_position = workgroupUniformLoad(&shared_pair);
    if gate_and_position.x == 0u { return; }
    let i = gate_and_position.y;
    let controls = all_controls[picture];
    let first = picture * LANES * controls.vocab;  // of logits
    let base = (i % params.rows * PICTURES + picture) * controls.vocab; // of guided

    // Guided logits, their maximum, the largest with noise.
    let greedy = controls.temperature == 0.0;
    var most = LOWEST;
    var drawn = Found(LOWEST, 0u);
    for (var v = t; v < controls.vocab; v += WG) {
        var l = logits[first + v];
        if LANES == 2u && controls.cfg_scale != 1.0 { // 1 is off, to the bit
            let null_logit = logits[first + controls.vocab + v];
            l = null_logit + controls.cfg_scale * (l - null_logit);
        }
        if !greedy { l /= controls.temperature; }
        guided[base + v] = l;
        most = max(most, l);
        var score = l;
        if !greedy { score += gumbel(controls.seed, i, v); }
        if score > drawn.value { drawn = Found(score, v); }
    }
    drawn = best_of(t, drawn);
    let few = controls.top_k > 0u && controls.top_k < controls.vocab;
    if !greedy && (few || controls.top_p < 1.0) {
        let top = largest_of(t, most);
        var floor = 0u;
        if few { floor = cut(t, base, controls.vocab, controls.top_k); }
        while is_cut(t, base, controls, drawn, floor, top) {
            let limit = key(guided[base + drawn.at]);
            drawn = Found(LOWEST, 0u);
            for (var v = t; v < controls.vocab; v += WG) {
                let l = guided[base + v];
                if key(l) >= floor && key(l) > limit {
                    let score = l + gumbel(controls.seed, i, v);
                    if score > drawn.value { drawn = Found(score, v); }
                }
            }
            drawn = best_of(t, drawn);
        }
    }
    var token = drawn.at;
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
