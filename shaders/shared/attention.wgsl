// Attention of one query over cached positions [first, last], one workgroup a head, lane and picture:
// softmax(q . k / sqrt(d)) v. Positions come in tiles with a running maximum (as in FlashAttention), so any
// number of them fits in workgroup memory. Serves causal self-attention and the patch encoder's cross-attention. The op beside
// this says where they stand: `query_at`, `k_at`, `v_at`, all in vec4s.
//
// A row of a head is `width` vec4s. `width` neighbouring threads take one each, of keys and of values alike, so that they read
// what lies side by side; WG / width such sets share the positions, four at a time. Few threads (software adapters, where
// barriers cost more than scattered loads) take whole keys instead.

override WG: u32 = 64u; // 32 (the widest head in vec4s) to 256
const ROOM = 512u;      // partial scores of a tile
const MOST = 128u;      // fours of positions of a tile at most
const FAN = 16u;
const LOWEST = -3.0e38;

var<workgroup> query: array<vec4<f32>, 32>;
var<workgroup> parted: array<vec4<f32>, ROOM>; // (four positions, width): what each column adds to their scores
var<workgroup> score: array<vec4<f32>, MOST>;  // four positions each
var<workgroup> most: array<f32, FAN>;
var<workgroup> mixed: array<vec4<f32>, 256>;
var<workgroup> mass: array<f32, 256>;

fn largest(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

// The scores of the `j`th four positions of a tile, those past its end too low to count.
fn within(s: vec4<f32>, j: u32, here: u32) -> vec4<f32> {
    return select(vec4(LOWEST), s, vec4(4u * j) + vec4(0u, 1u, 2u, 3u) < vec4(here));
}

// Where the keys and values are, in vec4s: those of the first position, and from one position to the next.
struct Cached { keys: u32, values: u32, stride: u32, count: u32 }

// What the positions have for the query at `origin`: its first `width` threads have a vec4 each of it. `d` is the width in numbers.
fn attention(t: u32, origin: u32, d: u32, cached: Cached) -> vec4<f32> {
    let width = d / 4u; // in vec4s
    let count = cached.count;
    let stride = cached.stride;
    let base = cached.keys;
    for (var c = t; c < width; c += WG) { query[c] = query_at(origin + c) * inverseSqrt(f32(d)); }
    workgroupBarrier();

    let parts = WG / width;
    let part = t / width; // from `parts` on a thread has no column
    let values = cached.values + t % width;
    // Threads that share a key, and what is this thread's of it.
    let sharers = select(1u, width, WG > 64u);
    let groups = WG / sharers;
    let member = t / sharers;
    let tile = min(ROOM / sharers, MOST); // in fours of positions
    var best = LOWEST;
    var total = 0.0;
    var acc = vec4(0.0);
    for (var start = 0u; start < count; start += 4u * tile) {
        let here = min(4u * tile, count - start);
        let fours = (here + 3u) / 4u;
        if start > 0u { workgroupBarrier(); } // all of the workgroup's memory is written again
        // Four positions at a time share every load of the query.
        if member < groups {
            for (var j = member; j < fours; j += groups) {
                let row = base + (start + 4u * j) * stride;
                let more = min(vec3(1u, 2u, 3u), vec3(here - 1u - 4u * j)) * stride; // past the end: repeat the last
                var s = vec4(0.0);
                for (var c = t % sharers; c < width; c += sharers) {
                    let p = query[c];
                    s += vec4(
                        dot(p, k_at(row + c)),
                        dot(p, k_at(row + more.x + c)),
                        dot(p, k_at(row + more.y + c)),
                        dot(p, k_at(row + more.z + c)),
                    );
                }
                if WG > 64u { parted[j * width + t % width] = s; } else { score[j] = within(s, j, here); }
            }
        }
        workgroupBarrier();
        if WG > 64u {
            for (var j = t; j < fours; j += WG) {
                var s = vec4(0.0);
                for (var c = 0u; c < width; c++) { s += parted[j * width + c]; }
                score[j] = within(s, j, here);
            }
            workgroupBarrier();
        }
        if t < FAN {
            var top = LOWEST;
            for (var j = t; j < fours; j += FAN) { top = max(top, largest(score[j])); }
            most[t] = top;
        }
        workgroupBarrier();
        var now = best;
        for (var k = 0u; k < FAN; k++) { now = max(now, most[k]); }
        let shrink = exp(best - now);
        best = now;
        total *= shrink;
        acc *= shrink;
        if part < parts {
            for (var j = part; j < fours; j += parts) {
                let row = values + (start + 4u * j) * stride;
                let more = min(vec3(1u, 2u, 3u), vec3(here - 1u - 4u * j)) * stride;
                let p = exp(score[j] - now); // 0 past the end
                total += p.x + p.y + p.z + p.w;
                acc += p.x * v_at(row) + p.y * v_at(row + more.x) + p.z * v_at(row + more.y) + p.w * v_at(row + more.z);
            }
        }
    }
    mixed[t] = acc;
    mass[t] = total;
    workgroupBarrier();
    for (var p = 1u; p < parts; p++) {
        acc += mixed[p * width + t % width];
        total += mass[p * width + t % width];
    }
    return acc / total;
}
