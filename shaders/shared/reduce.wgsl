// Reductions over a workgroup's threads in two steps: the first FAN threads take every FANth value each, then every thread
// takes what they found. No run is longer than 256 / FAN, there are two barriers, and a barrier is what costs most on
// software adapters (a tree of eight: 971 microseconds there, where one long loop took 202).

override WG: u32 = 256u; // at most 256
const FAN = 16u;
const LOWEST = -3.0e38;

var<workgroup> values: array<f32, 256>;
var<workgroup> places: array<u32, 256>;
var<workgroup> some: array<f32, FAN>;
var<workgroup> some_at: array<u32, FAN>;

// The sum of every thread's value, in every thread.
fn sum_of(t: u32, own: f32) -> f32 {
    workgroupBarrier(); // what was reduced before has been read
    values[t] = own;
    workgroupBarrier();
    if t < FAN {
        var sum = 0.0;
        for (var k = t; k < WG; k += FAN) { sum += values[k]; }
        some[t] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var k = 0u; k < FAN; k++) { sum += some[k]; }
    return sum;
}

// The same for counts.
fn count_of(t: u32, own: u32) -> u32 {
    workgroupBarrier();
    places[t] = own;
    workgroupBarrier();
    if t < FAN {
        var sum = 0u;
        for (var k = t; k < WG; k += FAN) { sum += places[k]; }
        some_at[t] = sum;
    }
    workgroupBarrier();
    var sum = 0u;
    for (var k = 0u; k < FAN; k++) { sum += some_at[k]; }
    return sum;
}

// The largest of every thread's value.
fn largest_of(t: u32, own: f32) -> f32 {
    workgroupBarrier();
    values[t] = own;
    workgroupBarrier();
    if t < FAN {
        var top = LOWEST;
        for (var k = t; k < WG; k += FAN) { top = max(top, values[k]); }
        some[t] = top;
    }
    workgroupBarrier();
    var top = LOWEST;
    for (var k = 0u; k < FAN; k++) { top = max(top, some[k]); }
    return top;
}

struct Found { value: f32, at: u32 }

// The largest of every thread's value with where it is, the lowest place of equal ones. Threads that have none say LOWEST.
fn best_of(t: u32, own: Found) -> Found {
    workgroupBarrier();
    values[t] = own.value;
    places[t] = own.at;
    workgroupBarrier();
    if t < FAN {
        var best = Found(LOWEST, 0xffffffffu);
        for (var k = t; k < WG; k += FAN) { best = better(best, Found(values[k], places[k])); }
        some[t] = best.value;
        some_at[t] = best.at;
    }
    workgroupBarrier();
    var best = Found(LOWEST, 0xffffffffu);
    for (var k = 0u; k < FAN; k++) { best = better(best, Found(some[k], some_at[k])); }
    return best;
}

fn better(a: Found, b: Found) -> Found {
    if b.value > a.value || (b.value == a.value && b.at < a.at) { return b; }
    return a;
}
