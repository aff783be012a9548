// The SwiGLU half of the feed-forward: a = silu(W1 n) * (W3 n), n = RMSNorm(x). W1 and W3 are interleaved row by row,
// so that a unit of two rows is one gate with its up value.

struct Params {
    gate: u32,   // state word: 0 skips the op
    hidden: u32, // FFN columns here
    cols: u32,   // D
    blocks: u32, // padded D / 8
    out_width: u32, // padded FFN width
    eps: f32,
    unit0: u32,  // first FFN column here (large matrices come in chunks)
    pad0: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(6) var<storage, read_write> out: array<f32>; // (picture, lane, out_width)

fn silu(v: f32) -> f32 { return v / (1.0 + exp(-v)); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if !any_open(group, params.gate) { return; }
    let units = params.hidden;
    project(t, group, Task(params.gate, ZERO, first_unit(group), units, units, params.blocks, params.cols, params.eps), 0u);
}

fn finish(picture: u32, unit: u32, y: vec4<f32>) {
    let to = picture * LANES * params.out_width + params.unit0 + unit;
    out[to] = silu(y.x) * y.y;
    if LANES == 2u { out[to + params.out_width] = silu(y.z) * y.w; }
}
