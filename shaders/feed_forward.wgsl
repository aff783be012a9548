// A slice of the feed-forward, W2 (silu(W1 n) * (W3 n)) with n = RMSNorm(x), x put together by the op itself (shared/input.wgsl):
// a workgroup computes SLICE hidden columns and what they add to every output. The next op adds the slices up. As gate_up and
// linear, for narrow models, without waiting for all hidden columns in between.

const SLICE = 32u;

struct Params {
    input: Input,
    hidden: u32, // FFN columns, F
    down: u32,   // where W2 begins in `weights`
    down_blocks: u32, // padded F / 8
    pad0: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

var<workgroup> hidden: array<f32, 128>; // (vector, SLICE)

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let put = params.input;
    if !any_open(group, put.gate) { return; }
    for (var c = t; c < 4u * SLICE; c += WG) { hidden[c] = 0.0; }
    take(t, group);
    let first = group.x * SLICE;
    let end = min(first + SLICE, params.hidden);
    for (var unit = first; unit < end; unit += 4u * (WG / SPLIT)) {
        if unit > first { workgroupBarrier(); } // sums of the units before have been added up
        project(t, group, Task(put.gate, ZERO, unit, end, params.hidden, put.blocks, 8u * put.blocks, put.eps), 0u);
    }
    workgroupBarrier();
    let dim = 8u * put.blocks;
    let blocks = min(SLICE / 8u, params.down_blocks - first / 8u);
    // Four rows of W2 share what they are multiplied with; D is a multiple of 8.
    for (var row = 4u * t; row < dim; row += 4u * WG) {
        var y = array<vec4<f32>, 4>();
        for (var b = 0u; b < blocks; b++) {
            let at = 8u * b;
            var c = Columns(four(at), four(at + 4u), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
            if LANES * TOGETHER > 1u {
                c.a1 = four(SLICE + at);
                c.b1 = four(SLICE + at + 4u);
            }
            if LANES * TOGETHER > 2u {
                c.a2 = four(2u * SLICE + at);
                c.b2 = four(2u * SLICE + at + 4u);
                c.a3 = four(3u * SLICE + at);
                c.b3 = four(3u * SLICE + at + 4u);
            }
            y[0] += row_dot(params.down, row, params.down_blocks, first / 8u + b, c);
            y[1] += row_dot(params.down, row + 1u, params.down_blocks, first / 8u + b, c);
            y[2] += row_dot(params.down, row + 2u, params.down_blocks, first / 8u + b, c);
            y[3] += row_dot(params.down, row + 3u, params.down_blocks, first / 8u + b, c);
        }
        let scale = scales_of(params.down, dim * params.down_blocks, row);
        for (var n = 0u; n < TOGETHER; n++) {
            if !is_open(group, n, put.gate) { continue; }
            for (var lane = 0u; lane < LANES; lane++) {
                let to = out_at(picture_of(group, n), lane) + put.result + group.x * dim + row;
                let v = n * LANES + lane;
                out[to] = y[0][v] * scale.x;
                out[to + 1u] = y[1][v] * scale.y;
                out[to + 2u] = y[2][v] * scale.z;
                out[to + 3u] = y[3][v] * scale.w;
            }
        }
    }
}

fn four(at: u32) -> vec4<f32> { return vec4(hidden[at], hidden[at + 1u], hidden[at + 2u], hidden[at + 3u]); }

fn silu(v: f32) -> f32 { return v / (1.0 + exp(-v)); }

fn finish(picture: u32, unit: u32, y: vec4<f32>) {
    let to = picture % TOGETHER * LANES * SLICE + unit % SLICE;
    hidden[to] = silu(y.x) * y.y;
    if LANES == 2u { hidden[to + SLICE] = silu(y.z) * y.w; }
}
