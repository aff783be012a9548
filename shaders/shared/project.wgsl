// The matrix-vector core shared by qkv, linear and gate_up: y = W RMSNorm(x) for one or two guidance lanes of one or
// several pictures at once, so that weights are read (and decoded) once for up to four vectors. Results come in units of
// two neighbouring rows (a RoPE pair; a gate row with its up row), a picture at a time, and go to the op's own `finish`.
//
// x is what the prelude beside this one says: `vector` and `x_at` (plain.wgsl, input.wgsl).
//
// SPLIT threads share eight rows. Each walks over its blocks of eight columns: x is loaded once for the eight rows, and
// eight loads of W are in flight at a time; neighbouring threads read neighbouring 16 bytes. RMSNorm's sum of squares
// rides along. Software adapters take SPLIT = 1: no workgroup memory, no barrier, which cost most there.

override WG: u32 = 64u;      // at most 128
override LANES: u32 = 1u;
override TOGETHER: u32 = 1u; // pictures a thread serves: up to four vectors, LANES * TOGETHER
override SPLIT: u32 = 1u;    // at most 64
override NORM: bool = true;  // RMSNorm in front

@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read> gain: array<vec4<f32>>;    // (cols), RMSNorm weight

// Columns 8 * block + (0..4) are `a`, (4..8) are `b`; the numbers are vectors: (picture, lane).
struct Columns {
    a0: vec4<f32>, b0: vec4<f32>, a1: vec4<f32>, b1: vec4<f32>,
    a2: vec4<f32>, b2: vec4<f32>, a3: vec4<f32>, b3: vec4<f32>,
}

var<workgroup> parts: array<vec4<f32>, 512>;   // (thread, unit 0..4): lane 0 row 0, lane 0 row 1, lane 1 row 0, lane 1 row 1
var<workgroup> squares: array<vec4<f32>, 128>; // (thread), a sum a vector

// A row of a matrix times each vector.
fn row_dot(matrix: u32, row: u32, blocks: u32, block: u32, c: Columns) -> vec4<f32> {
    let w = weights_at(matrix, row * blocks + block);
    let a = w.a;
    let b = w.b;
    var y = vec4(dot(a, c.a0) + dot(b, c.b0), 0.0, 0.0, 0.0);
    if LANES * TOGETHER > 1u { y.y = dot(a, c.a1) + dot(b, c.b1); }
    if LANES * TOGETHER > 2u {
        y.z = dot(a, c.a2) + dot(b, c.b2);
        y.w = dot(a, c.a3) + dot(b, c.b3);
    }
    return y;
}

// The `n`th picture of a workgroup; past the last one the last again, which nobody finishes.
fn picture_of(group: vec3<u32>, n: u32) -> u32 { return min(group.z * TOGETHER + n, PICTURES - 1u); }

// Whether the picture is there and its gate open.
fn is_open(group: vec3<u32>, n: u32, gate: u32) -> bool {
    return group.z * TOGETHER + n < PICTURES && state[picture_of(group, n) * STATE_WORDS + gate] != 0u;
}

// Whether any picture of the workgroup has an open gate.
fn any_open(group: vec3<u32>, gate: u32) -> bool {
    for (var n = 0u; n < TOGETHER; n++) {
        if is_open(group, n, gate) { return true; }
    }
    return false;
}

// What is to be computed: units `first` to `end` of a matrix of so many. `cols` is the true width (RMSNorm divides by it).
struct Task {
    gate: u32, x_row: u32, // state words
    first: u32, end: u32, units: u32, blocks: u32, cols: u32,
    eps: f32,
}

// The first unit of a workgroup, where each does what all its threads can do at once.
fn first_unit(group: vec3<u32>) -> u32 { return 4u * (group.x * (WG / SPLIT)); }

// `gain0` is where RMSNorm's weights begin for the rows of a thread.
fn project(t: u32, group: vec3<u32>, task: Task, gain0: u32) {
    let units = task.end;
    let blocks = task.blocks;
    let size = 2u * blocks;
    let x0 = vector(group, 0u, task.x_row, size);
    let x1 = vector(group, 1u, task.x_row, size);
    let x2 = vector(group, 2u, task.x_row, size);
    let x3 = vector(group, 3u, task.x_row, size);
    let unit = task.first + 4u * (t / SPLIT); // the first of four
    let last = 2u * units - 1u;
    let idle = SPLIT == 1u && unit >= units; // there is nothing that others wait for
    let row = min(2u * unit, last); // rows past the end repeat the last one; nobody finishes them
    var s0 = vec4(0.0); var s1 = vec4(0.0); var s2 = vec4(0.0); var s3 = vec4(0.0);
    var s4 = vec4(0.0); var s5 = vec4(0.0); var s6 = vec4(0.0); var s7 = vec4(0.0);
    var square = vec4(0.0);
    for (var block = t % SPLIT; block < blocks && !idle; block += SPLIT) {
        let at = 2u * block;
        let no = vec4(0.0);
        var c = Columns(x_at(x0 + at), x_at(x0 + at + 1u), no, no, no, no, no, no);
        if LANES * TOGETHER > 1u {
            c.a1 = x_at(x1 + at);
            c.b1 = x_at(x1 + at + 1u);
        }
        if LANES * TOGETHER > 2u {
            c.a2 = x_at(x2 + at);
            c.b2 = x_at(x2 + at + 1u);
            c.a3 = x_at(x3 + at);
            c.b3 = x_at(x3 + at + 1u);
        }
        if NORM {
            let ga = gain[gain0 + at];
            let gb = gain[gain0 + at + 1u];
            square.x += dot(c.a0, c.a0) + dot(c.b0, c.b0);
            c.a0 *= ga;
            c.b0 *= gb;
            if LANES * TOGETHER > 1u {
                square.y += dot(c.a1, c.a1) + dot(c.b1, c.b1);
                c.a1 *= ga;
                c.b1 *= gb;
            }
            if LANES * TOGETHER > 2u {
                square += vec4(0.0, 0.0, dot(c.a2, c.a2) + dot(c.b2, c.b2), dot(c.a3, c.a3) + dot(c.b3, c.b3));
                c.a2 *= ga;
                c.b2 *= gb;
                c.a3 *= ga;
                c.b3 *= gb;
            }
        }
        s0 += row_dot(0u, row, blocks, block, c);
        s1 += row_dot(0u, min(row + 1u, last), blocks, block, c);
        s2 += row_dot(0u, min(row + 2u, last), blocks, block, c);
        s3 += row_dot(0u, min(row + 3u, last), blocks, block, c);
        s4 += row_dot(0u, min(row + 4u, last), blocks, block, c);
        s5 += row_dot(0u, min(row + 5u, last), blocks, block, c);
        s6 += row_dot(0u, min(row + 6u, last), blocks, block, c);
        s7 += row_dot(0u, min(row + 7u, last), blocks, block, c);
    }
    if SPLIT > 1u { squares[t] = square; }
    for (var n = 0u; n < TOGETHER; n++) {
        let picture = picture_of(group, n);
        let open = is_open(group, n, task.gate);
        let y0 = unit_of(s0, s1, n);
        let y1 = unit_of(s2, s3, n);
        let y2 = unit_of(s4, s5, n);
        let y3 = unit_of(s6, s7, n);
        if SPLIT == 1u {
            if !open { continue; }
            let scale = norm(square, n, task.cols, task.eps);
            if unit < units { finish(picture, unit, y0 * scale * scales(unit, task.units, blocks)); }
            if unit + 1u < units { finish(picture, unit + 1u, y1 * scale * scales(unit + 1u, task.units, blocks)); }
            if unit + 2u < units { finish(picture, unit + 2u, y2 * scale * scales(unit + 2u, task.units, blocks)); }
            if unit + 3u < units { finish(picture, unit + 3u, y3 * scale * scales(unit + 3u, task.units, blocks)); }
            continue;
        }
        if n > 0u { workgroupBarrier(); } // the picture before has been added up
        parts[4u * t] = y0;
        parts[4u * t + 1u] = y1;
        parts[4u * t + 2u] = y2;
        parts[4u * t + 3u] = y3;
        workgroupBarrier();
        let member = t % SPLIT;
        if open && member < 4u && unit + member < units {
            var y = vec4(0.0);
            var total = vec4(0.0);
            for (var k = t - member; k < t - member + SPLIT; k++) {
                y += parts[4u * k + member];
                total += squares[k];
            }
            finish(picture, unit + member, y * norm(total, n, task.cols, task.eps) * scales(unit + member, task.units, blocks));
        }
    }
}

// What the two rows of a unit are multiplied with, as `unit_of` has them.
fn scales(unit: u32, units: u32, blocks: u32) -> vec4<f32> {
    if BYTES != 1u { return vec4(1.0); }
    let two_units = bitcast<vec4<f32>>(weights[units * blocks + unit / 2u]);
    return select(two_units.zwzw, two_units.xyxy, unit % 2u == 0u);
}

// Two rows for the lanes of the `n`th picture: lane 0 row 0, lane 0 row 1, lane 1 row 0, lane 1 row 1.
fn unit_of(first: vec4<f32>, second: vec4<f32>, n: u32) -> vec4<f32> {
    let a = lanes_of(first, n);
    let b = lanes_of(second, n);
    return vec4(a.x, b.x, a.y, b.y);
}

// What vectors have for the lanes of the `n`th picture.
fn lanes_of(v: vec4<f32>, n: u32) -> vec2<f32> {
    if LANES == 2u { return select(v.xy, v.zw, n == 1u); }
    return vec2(v[n], 0.0);
}

fn norm(square: vec4<f32>, n: u32, cols: u32, eps: f32) -> vec4<f32> {
    if !NORM { return vec4(1.0); }
    let scale = inverseSqrt(lanes_of(square, n) / f32(cols) + vec2(eps));
    return vec4(scale.x, scale.x, scale.y, scale.y);
}
