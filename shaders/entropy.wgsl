// Entropy of softmax(logits) in nats: e = ln Z - sum(exp(l - max) (l - max)) / Z, Z = sum exp(l - max). One workgroup.

override WG: u32 = 256u;

struct Params { gate: u32, vocab: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;            // (V)
@group(0) @binding(4) var<storage, read_write> entropies: array<f32>;   // (T)

var<workgroup> most: array<f32, 256>;
var<workgroup> sums: array<vec2<f32>, 256>; // exp(l - max), exp(l - max) (l - max)

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) t: u32) {
    if state[params.gate] == 0u { return; }
    var top = -3.0e38;
    for (var v = t; v < params.vocab; v += WG) { top = max(top, logits[v]); }
    most[t] = top;
    workgroupBarrier();
    for (var k = 0u; k < WG; k++) { top = max(top, most[k]); }
    var sum = vec2(0.0);
    for (var v = t; v < params.vocab; v += WG) {
        let l = logits[v] - top;
        let p = exp(l);
        sum += vec2(p, p * l);
    }
    sums[t] = sum;
    workgroupBarrier();
    if t > 0u { return; }
    var z = vec2(0.0);
    for (var k = 0u; k < WG; k++) { z += sums[k]; }
    entropies[state[POS]] = log(z.x) - z.y / z.x;
}
