// The x of a projection stands in memory, in a row that a state word names.

@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>; // (row?, picture, lane, cols padded to 8)

// Where in x vector `n` of the workgroup begins; `x_row` is a state word.
fn vector(group: vec3<u32>, n: u32, x_row: u32, size: u32) -> u32 {
    return (row_of(picture_of(group, n / LANES), x_row) * LANES + n % LANES) * size;
}

fn x_at(at: u32) -> vec4<f32> { return x[at]; }
