// y = W x or W RMSNorm(x), plus what is given of: the residual stream, a second addend. Attention and FFN output
// projections, the single-key cross-attention of the patch decoder, keys and values of the patch encoder, logits.

override RESIDUAL: bool = false;
override EXTRA: bool = false;

struct Params {
    gate: u32,    // state word: 0 skips the op
    x_row: u32,   // state word: row of x
    out_row: u32, // state word: row of out
    rows: u32,    // rows of W here
    cols: u32,    // columns of W
    blocks: u32,  // padded columns / 8
    out_width: u32, // values a lane of an out row
    row0: u32,    // first row of W among the whole matrix's (large matrices come in chunks)
    eps: f32,
    residual_row: u32, // state word: row of residual
    pad0: u32, pad1: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(6) var<storage, read> residual: array<f32>;      // (row, picture, lane, out_width)
@group(0) @binding(7) var<storage, read> extra: array<f32>;         // (picture, lane, out_width)
@group(0) @binding(8) var<storage, read_write> out: array<f32>;     // (row, picture, lane, out_width)

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if !any_open(group, params.gate) { return; }
    let units = (params.rows + 1u) / 2u;
    project(t, group, Task(params.gate, params.x_row, first_unit(group), units, units, params.blocks, params.cols, params.eps), 0u);
}

fn finish(picture: u32, unit: u32, y: vec4<f32>) {
    let to = row_of(picture, params.out_row) * LANES * params.out_width;
    let rest = row_of(picture, params.residual_row) * LANES * params.out_width;
    for (var lane = 0u; lane < LANES; lane++) {
        let pair = select(y.zw, y.xy, lane == 0u);
        for (var r = 0u; r < min(2u, params.rows - 2u * unit); r++) {
            let at = lane * params.out_width + params.row0 + 2u * unit + r;
            var value = select(pair.y, pair.x, r == 0u);
            if RESIDUAL { value += residual[rest + at]; }
            if EXTRA { value += extra[picture * LANES * params.out_width + at]; }
            out[to + at] = value;
        }
    }
}
