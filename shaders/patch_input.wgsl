// What the patch transformer reads at slot m: the class embedding (m = 0) or the patch p_{m-1} just closed, and that
// patch's Dynamic RoPE (dpar.md section 5): angles [row * w | a * u | b * u | b * u | a * u] for row r, first column a
// and last column b. The class slot turns by zeros.

override WG: u32 = 64u;

struct Params {
    gate: u32,
    lanes: u32,
    width: u32,   // padded D
    quarter: u32, // d / 4 row angles; d / 16 column angles
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> all_controls: array<Controls, MAX_PICTURES>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read> patch_vector: array<f32>;  // (picture, width)
@group(0) @binding(4) var<storage, read> classes: array<f32>;       // (picture, lane, width)
@group(0) @binding(5) var<storage, read> rows: array<vec2<f32>>;    // (g, d/4) of (cos, sin)
@group(0) @binding(6) var<storage, read> columns: array<vec2<f32>>; // (g, d/16) of (cos, sin)
@group(0) @binding(7) var<storage, read_write> out: array<f32>;     // (picture, lane, width)
@group(0) @binding(8) var<storage, read_write> rope: array<vec2<f32>>; // (picture, d/2)

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let own = id.z * STATE_WORDS;
    if state[own + params.gate] == 0u { return; }
    let grid = all_controls[id.z].grid;
    let closes = state[own + CLOSE] != 0u;
    if id.x < params.lanes * params.width {
        let to = id.z * params.lanes * params.width + id.x;
        if closes { out[to] = patch_vector[id.z * params.width + id.x % params.width]; } else { out[to] = classes[to]; }
    }
    let quarter = params.quarter;
    if id.x >= 2u * quarter { return; }
    var turn = vec2(0.0);
    if closes {
        let first = state[own + CLOSE_FIRST];
        if id.x < quarter {
            turn = rows[first / grid * quarter + id.x];
        } else {
            let fine = quarter / 4u;
            let part = (id.x - quarter) / fine; // 0 and 3 turn with the first column, 1 and 2 with the last
            let token = select(state[own + CLOSE_LAST], first, part == 0u || part == 3u);
            turn = columns[token % grid * fine + (id.x - quarter) % fine];
        }
    }
    rope[id.z * 2u * quarter + id.x] = turn;
}
