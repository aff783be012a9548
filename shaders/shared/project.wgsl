// The matrix-vector core shared by qkv, linear and gate_up: y = W RMSNorm(x) for one or two guidance lanes at once,
// so that weights are read once. Results come in units of two neighbouring rows (a RoPE pair; a gate row with its up
// row) and go to the op's own `finish`.
//
// SPLIT threads share eight rows. Each walks over its blocks of eight columns: x is loaded once for the eight rows, and
// eight loads of W are in flight at a time; neighbouring threads read neighbouring 16 bytes. RMSNorm's sum of squares
// rides along. Software adapters take SPLIT = 1: no workgroup memory, no barrier, which cost most there.

override WG: u32 = 64u;     // at most 128
override LANES: u32 = 1u;
override SPLIT: u32 = 1u;   // at most 64
override F16: bool = true;  // weights are f16 pairs in u32; else f32 bits
override NORM: bool = true; // RMSNorm in front

@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;       // (row?, lane, cols padded to 8)
@group(0) @binding(4) var<storage, read> gain: array<vec4<f32>>;    // (cols), RMSNorm weight
@group(0) @binding(5) var<storage, read> weights: array<vec4<u32>>; // (2 * units, blocks), rows padded to 8 columns

// Columns 8 * block + (0..4) are `a`, (4..8) are `b`; 0 and 1 are the lanes.
struct Columns { a0: vec4<f32>, b0: vec4<f32>, a1: vec4<f32>, b1: vec4<f32> }

var<workgroup> parts: array<vec4<f32>, 512>;  // (thread, unit 0..4): lane 0 row 0, lane 0 row 1, lane 1 row 0, lane 1 row 1
var<workgroup> squares: array<vec2<f32>, 128>; // (thread)

fn row_dot(row: u32, blocks: u32, block: u32, c: Columns) -> vec2<f32> {
    let at = row * blocks + block;
    var a: vec4<f32>;
    var b: vec4<f32>;
    if F16 {
        let w = weights[at];
        a = vec4(unpack2x16float(w.x), unpack2x16float(w.y));
        b = vec4(unpack2x16float(w.z), unpack2x16float(w.w));
    } else {
        a = bitcast<vec4<f32>>(weights[2u * at]);
        b = bitcast<vec4<f32>>(weights[2u * at + 1u]);
    }
    var y = vec2(dot(a, c.a0) + dot(b, c.b0), 0.0);
    if LANES == 2u { y.y = dot(a, c.a1) + dot(b, c.b1); }
    return y;
}

// `x_row` counts rows of LANES * 8 * blocks values; `cols` is the true width (RMSNorm divides by it).
fn project(t: u32, group: u32, units: u32, blocks: u32, cols: u32, x_row: u32, eps: f32) {
    let lane1 = 2u * blocks;
    let base = x_row * LANES * lane1;
    let unit = 4u * (group * (WG / SPLIT) + t / SPLIT); // the first of four
    let last = 2u * units - 1u;
    let row = min(2u * unit, last); // rows past the end repeat the last one; nobody finishes them
    var s0 = vec2(0.0); var s1 = vec2(0.0); var s2 = vec2(0.0); var s3 = vec2(0.0);
    var s4 = vec2(0.0); var s5 = vec2(0.0); var s6 = vec2(0.0); var s7 = vec2(0.0);
    var square = vec2(0.0);
    for (var block = t % SPLIT; block < blocks; block += SPLIT) {
        var c = Columns(x[base + 2u * block], x[base + 2u * block + 1u], vec4(0.0), vec4(0.0));
        if LANES == 2u {
            c.a1 = x[base + lane1 + 2u * block];
            c.b1 = x[base + lane1 + 2u * block + 1u];
        }
        if NORM {
            square += vec2(dot(c.a0, c.a0) + dot(c.b0, c.b0), dot(c.a1, c.a1) + dot(c.b1, c.b1));
            let ga = gain[2u * block];
            let gb = gain[2u * block + 1u];
            c = Columns(c.a0 * ga, c.b0 * gb, c.a1 * ga, c.b1 * gb);
        }
        s0 += row_dot(row, blocks, block, c);
        s1 += row_dot(min(row + 1u, last), blocks, block, c);
        s2 += row_dot(min(row + 2u, last), blocks, block, c);
        s3 += row_dot(min(row + 3u, last), blocks, block, c);
        s4 += row_dot(min(row + 4u, last), blocks, block, c);
        s5 += row_dot(min(row + 5u, last), blocks, block, c);
        s6 += row_dot(min(row + 6u, last), blocks, block, c);
        s7 += row_dot(min(row + 7u, last), blocks, block, c);
    }
    let y0 = vec4(s0.x, s1.x, s0.y, s1.y);
    let y1 = vec4(s2.x, s3.x, s2.y, s3.y);
    let y2 = vec4(s4.x, s5.x, s4.y, s5.y);
    let y3 = vec4(s6.x, s7.x, s6.y, s7.y);
    if SPLIT == 1u {
        let scale = norm(square, cols, eps);
        if unit < units { finish(unit, y0 * scale); }
        if unit + 1u < units { finish(unit + 1u, y1 * scale); }
        if unit + 2u < units { finish(unit + 2u, y2 * scale); }
        if unit + 3u < units { finish(unit + 3u, y3 * scale); }
        return;
    }
    parts[4u * t] = y0;
    parts[4u * t + 1u] = y1;
    parts[4u * t + 2u] = y2;
    parts[4u * t + 3u] = y3;
    squares[t] = square;
    workgroupBarrier();
    let member = t % SPLIT;
    if member >= 4u || unit + member >= units { return; }
    var y = vec4(0.0);
    var total = vec2(0.0);
    for (var k = t - member; k < t - member + SPLIT; k++) {
        y += parts[4u * k + member];
        total += squares[k];
    }
    finish(unit + member, y * norm(total, cols, eps));
}

fn norm(square: vec2<f32>, cols: u32, eps: f32) -> vec4<f32> {
    if !NORM { return vec4(1.0); }
    let scale = inverseSqrt(square / f32(cols) + vec2(eps));
    return vec4(scale.x, scale.x, scale.y, scale.y);
}
