// Entropy of softmax(logits) in nats: e = ln Z - sum(exp(l - max) (l - max)) / Z, Z = sum exp(l - max). One workgroup a
// picture.

struct Params { gate: u32, vocab: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;            // (picture, V)
@group(0) @binding(4) var<storage, read_write> entropies: array<f32>;   // (T, picture)

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let picture = group.z;
    if state[picture * STATE_WORDS + params.gate] == 0u { return; }
    let own = picture * params.vocab;
    var top = LOWEST;
    for (var v = t; v < params.vocab; v += WG) { top = max(top, logits[own + v]); }
    top = largest_of(t, top);
    var z = 0.0;
    var weighted = 0.0;
    for (var v = t; v < params.vocab; v += WG) {
        let l = logits[own + v] - top;
        let p = exp(l);
        z += p;
        weighted += p * l;
    }
    z = sum_of(t, z);
    weighted = sum_of(t, weighted);
    if t == 0u { entropies[row_of(picture, POS)] = log(z) - weighted / z; }
}
