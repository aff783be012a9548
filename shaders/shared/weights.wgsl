// Packed matrices (src/engine/weights.rs): rows padded to blocks of eight columns.

override BYTES: u32 = 2u; // of a weight: 4 (f32), 2 (f16 pairs in u32) or 1 (int8, behind all rows a scale for each)

@group(0) @binding(5) var<storage, read> weights: array<vec4<u32>>; // (rows, blocks); two matrices, one behind the other, in some ops

// Columns 0 to 3 and 4 to 7 of a block.
struct Block { a: vec4<f32>, b: vec4<f32> }

// The `at`th block of the matrix that begins there.
fn weights_at(matrix: u32, at: u32) -> Block {
    if BYTES == 2u {
        let w = weights[matrix + at];
        return Block(vec4(unpack2x16float(w.x), unpack2x16float(w.y)), vec4(unpack2x16float(w.z), unpack2x16float(w.w)));
    }
    if BYTES == 1u {
        let two = weights[matrix + at / 2u]; // 16 weights, of two blocks
        let w = select(two.zw, two.xy, at % 2u == 0u);
        return Block(vec4<f32>(unpack4xI8(w.x)), vec4<f32>(unpack4xI8(w.y)));
    }
    return Block(bitcast<vec4<f32>>(weights[matrix + 2u * at]), bitcast<vec4<f32>>(weights[matrix + 2u * at + 1u]));
}

// What four rows of a matrix of so many blocks are multiplied with, from a multiple of four on.
fn scales_of(matrix: u32, all_blocks: u32, row: u32) -> vec4<f32> {
    if BYTES != 1u { return vec4(1.0); }
    return bitcast<vec4<f32>>(weights[matrix + all_blocks / 2u + row / 4u]);
}
