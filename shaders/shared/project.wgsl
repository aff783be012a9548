// The matrix-vector core shared by qkv, linear and gate_up: y = W RMSNorm(x) for one or two guidance lanes at once,
// so that weights are read once. It works in units of two neighbouring rows (a RoPE pair; a gate row with its up row).
//
// SPLIT threads share a unit: 1 on software adapters, where a barrier costs more than it saves; many on a GPU, where
// they read neighbouring 16-byte pieces of a row. x is staged in workgroup memory in tiles, normalised on the way.

override WG: u32 = 64u;
override LANES: u32 = 1u;
override SPLIT: u32 = 1u;
override F16: bool = true;  // weights are f16 pairs in u32; else f32 bits
override NORM: bool = true; // RMSNorm in front

const TILE4 = 256u; // columns a tile, in vec4s

@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;       // (row?, lane, cols padded to 8)
@group(0) @binding(4) var<storage, read> gain: array<vec4<f32>>;    // (cols), RMSNorm weight
@group(0) @binding(5) var<storage, read> weights: array<vec4<u32>>; // (2 * units, blocks), rows padded to 8 columns

var<workgroup> tile: array<vec4<f32>, 512>; // (lane, TILE4)
var<workgroup> squares: array<vec2<f32>, 256>;
var<workgroup> partial: array<vec4<f32>, 256>;

fn two(w: u32) -> vec2<f32> { return unpack2x16float(w); }

// Columns [8 * block, 8 * block + 8) of a row.
fn block_dot(row: u32, blocks: u32, block: u32, local: u32) -> vec2<f32> {
    var a: vec4<f32>;
    var b: vec4<f32>;
    if F16 {
        let w = weights[row * blocks + block];
        a = vec4(two(w.x), two(w.y));
        b = vec4(two(w.z), two(w.w));
    } else {
        let at = 2u * (row * blocks + block);
        a = bitcast<vec4<f32>>(weights[at]);
        b = bitcast<vec4<f32>>(weights[at + 1u]);
    }
    var r = vec2(dot(a, tile[local]) + dot(b, tile[local + 1u]), 0.0);
    if LANES == 2u {
        r.y = dot(a, tile[TILE4 + local]) + dot(b, tile[TILE4 + local + 1u]);
    }
    return r;
}

// Rows 2 * unit and 2 * unit + 1 for both lanes: (lane 0 row 0, lane 0 row 1, lane 1 row 0, lane 1 row 1).
// Every thread of the workgroup must call it. The result is complete in the unit's first thread.
// `x_row` counts rows of LANES * 8 * blocks values; `cols` is the true width (RMSNorm divides by it).
fn project(t: u32, unit: u32, units: u32, blocks: u32, cols: u32, x_row: u32, eps: f32) -> vec4<f32> {
    let width4 = 2u * blocks;
    let base = x_row * LANES * width4;
    let member = t % SPLIT;
    var sum = vec4(0.0);
    var square = vec2(0.0);
    for (var first = 0u; first < width4; first += TILE4) {
        let here = min(TILE4, width4 - first);
        if first > 0u { workgroupBarrier(); }
        for (var k = t; k < here; k += WG) {
            var scale = vec4(1.0);
            if NORM { scale = gain[first + k]; }
            let v = x[base + first + k];
            square.x += dot(v, v);
            tile[k] = v * scale;
            if LANES == 2u {
                let u = x[base + width4 + first + k];
                square.y += dot(u, u);
                tile[TILE4 + k] = u * scale;
            }
        }
        if NORM { squares[t] = square; }
        workgroupBarrier();
        if unit < units {
            for (var b = member; b < here / 2u; b += SPLIT) {
                let block = first / 2u + b;
                let upper = block_dot(2u * unit, blocks, block, 2u * b);
                let lower = block_dot(2u * unit + 1u, blocks, block, 2u * b);
                sum += vec4(upper.x, lower.x, upper.y, lower.y);
            }
        }
    }
    if NORM {
        var total = vec2(0.0);
        for (var k = 0u; k < WG; k++) { total += squares[k]; }
        let r = inverseSqrt(total / f32(cols) + vec2(eps));
        sum *= vec4(r.x, r.x, r.y, r.y);
    }
    if SPLIT > 1u {
        partial[t] = sum;
        for (var step = SPLIT / 2u; step > 0u; step /= 2u) {
            workgroupBarrier();
            if member < step { partial[t] += partial[t + step]; }
        }
        sum = partial[t];
    }
    return sum;
}
