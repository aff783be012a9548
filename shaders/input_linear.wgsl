// y = W x or W RMSNorm(x), x put together by the op itself (shared/input.wgsl). As linear, for narrow models: logits, the query,
// keys and values of the patch encoder, what the patch decoder's layers add of a patch.

struct Params {
    input: Input,
    rows: u32,      // rows of W here
    gain_rows: u32, // so many rows share RMSNorm weights, the next as many have the next ones
    pad0: u32, pad1: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let put = params.input;
    if !any_open(group, put.gate) { return; }
    take(t, group);
    let units = (params.rows + 1u) / 2u;
    let first = first_unit(group);
    // Eight rows share their x: gain_rows is a multiple of 8.
    let gain = min(2u * (first + 4u * (t / SPLIT)), params.rows - 1u) / params.gain_rows * 2u * put.blocks;
    project(t, group, Task(put.gate, ZERO, first, units, units, put.blocks, 8u * put.blocks, put.eps), gain);
}

fn finish(picture: u32, unit: u32, y: vec4<f32>) {
    for (var lane = 0u; lane < LANES; lane++) {
        let to = out_at(picture, lane) + params.input.result + 2u * unit;
        let pair = select(y.zw, y.xy, lane == 0u);
        out[to] = pair.x;
        if 2u * unit + 1u < params.rows { out[to + 1u] = pair.y; }
    }
}
