// The x of a projection is put together in workgroup memory: a sum of what the op before left in parts, an embedding, .. Models
// narrow enough for that need fewer dispatches: what would be an op of its own, or wait for all of an op's workgroups, is
// the next op's input. All workgroups put it together, the first also writes it down for who reads the stream later.

override INPUT: u32 = 0u;
override EXTRA: bool = false;     // something is added: one row of `more`
override TABLE_BYTES: u32 = 2u;   // of a number of an embedding table: 4, 2 or 1
const SUM = 0u;    // parts of a row of `input`, added up
const EMBED = 1u;  // the embedding of x_{i-1}, a row of `more`; at i = 0 the class embedding, in `input`
const POOL = 2u;   // the elementwise maximum over the rows of the patch that ends (dpar.md section 4)
const CLOSED = 3u; // as SUM, where a patch ends; at the first one the class embedding, in `more`
const NOWHERE = 0xffffffffu;

struct Input {
    gate: u32,     // state word: 0 skips the op
    row: u32,      // state word: row of `input`
    start: u32,    // its row where there is no token yet, or NOWHERE: the same
    lanes: u32,    // lanes of `input`; 1 serves all
    stride: u32,   // values a lane of an `input` row
    first: u32,    // the first part in it
    parts: u32,    // how many
    more_stride: u32, // values a lane of `more`; an embedding table: its rows
    more_first: u32,  // the first of them
    blocks: u32,   // D / 8
    eps: f32,
    out_row: u32,  // state word: row of `out`
    out_stride: u32,  // values a lane of an `out` row
    stream: u32,   // where in it x is written down, or NOWHERE
    result: u32,   // where in it what the op computes begins
    pad0: u32,
}

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;    // (row, picture, lane, stride)
@group(0) @binding(6) var<storage, read> more: array<u32>;           // (picture, lane, more_stride), floats; or a table
@group(0) @binding(7) var<storage, read_write> out: array<f32>;      // (row, picture, lane, out_stride)

var<workgroup> xs: array<vec4<f32>, 320>; // (vector of the workgroup, D / 4)

fn more_at(at: u32) -> vec4<f32> { return bitcast<vec4<f32>>(vec4(more[at], more[at + 1u], more[at + 2u], more[at + 3u])); }

// Four numbers of a row of an embedding table.
fn embedding(token: u32, column: u32) -> vec4<f32> {
    let width = 8u * params.input.blocks;
    let at = token * width + 4u * column;
    if TABLE_BYTES == 2u { return vec4(unpack2x16float(more[at / 2u]), unpack2x16float(more[at / 2u + 1u])); }
    if TABLE_BYTES == 1u {
        let rows = params.input.more_stride;
        let scales = (rows + rows % 2u) * width / 4u;
        return vec4<f32>(unpack4xI8(more[at / 4u])) * bitcast<f32>(more[scales + token]);
    }
    return more_at(at);
}

// Four columns of x for a lane of a picture.
fn column_of(picture: u32, lane: u32, column: u32) -> vec4<f32> {
    let own = picture * STATE_WORDS;
    let fresh = state[own + HAS_TOKEN] == 0u;
    let put = params.input;
    if INPUT == EMBED && !fresh { return embedding(state[own + TOKEN], column); }
    let more_from = (picture * LANES + lane) * put.more_stride + put.more_first + 4u * column;
    if INPUT == CLOSED && state[own + CLOSE] == 0u { return more_at(more_from); }
    var row = state[own + put.row];
    if fresh && put.start != NOWHERE { row = put.start; }
    let next = PICTURES * put.lanes * put.stride / 4u; // to the next row
    var at = row * next + ((picture * put.lanes + min(lane, put.lanes - 1u)) * put.stride + put.first) / 4u + column;
    var x = input[at];
    if INPUT == POOL {
        for (var token = row + 1u; token <= state[own + CLOSE_LAST]; token++) {
            at += next;
            x = max(x, input[at]);
        }
        return x;
    }
    for (var part = 1u; part < put.parts; part++) {
        at += 2u * put.blocks;
        x += input[at];
    }
    if EXTRA { x += more_at(more_from); }
    return x;
}

// Puts x together for all vectors of the workgroup.
fn take(t: u32, group: vec3<u32>) {
    let width = 2u * params.input.blocks;
    for (var c = t; c < LANES * TOGETHER * width; c += WG) {
        let n = c / width / LANES;
        let lane = c / width % LANES;
        let picture = picture_of(group, n);
        if !is_open(group, n, params.input.gate) { continue; }
        let x = column_of(picture, lane, c % width);
        xs[c] = x;
        if group.x == 0u && params.input.stream != NOWHERE {
            let to = out_at(picture, lane) + params.input.stream + 4u * (c % width);
            for (var k = 0u; k < 4u; k++) { out[to + k] = x[k]; }
        }
    }
    workgroupBarrier();
}

// Where a lane's part of the `out` row begins.
fn out_at(picture: u32, lane: u32) -> u32 {
    return (row_of(picture, params.input.out_row) * LANES + lane) * params.input.out_stride;
}

fn vector(group: vec3<u32>, n: u32, x_row: u32, size: u32) -> u32 { return min(n, LANES * TOGETHER - 1u) * size; }

fn x_at(at: u32) -> vec4<f32> { return xs[at]; }
