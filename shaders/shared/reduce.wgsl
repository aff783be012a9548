// Reductions over a workgroup's threads in two steps: the first FAN threads take every FANth value each, then every thread
// takes what they found. No run is longer than 256 / FAN, there are two barriers, and a barrier is what costs most on
// software adapters (a tree of eight: 971 microseconds there, where one long loop took 202). FAN threads or fewer need but the second
// step.

override WG: u32 = 256u; // at most 256
const FAN = 16u;
const LOWEST = -3.0e38;

var<workgroup> pairs: array<vec2<f32>, 256>;
var<workgroup> values: array<f32, 256>;
var<workgroup> places: array<u32, 256>;
var<workgroup> some_pairs: array<vec2<f32>, FAN>;
var<workgroup> some: array<f32, FAN>;
var<workgroup> some_at: array<u32, FAN>;

// The sums of every thread's two values, in every thread.
fn sums_of(t: u32, own: vec2<f32>) -> vec2<f32> {
    workgroupBarrier(); // what was reduced before has been read
    if WG > FAN {
        pairs[t] = own;
        workgroupBarrier();
        if t < FAN {
            var sum = vec2(0.0);
            for (var k = t; k < WG; k += FAN) { sum += pairs[k]; }
            some_pairs[t] = sum;
        }
    } else {
        some_pairs[t] = own;
    }
    workgroupBarrier();
    var sum = vec2(0.0);
    for (var k = 0u; k < min(FAN, WG); k++) { sum += some_pairs[k]; }
    return sum;
}

// The sum of every thread's count.
fn count_of(t: u32, own: u32) -> u32 {
    workgroupBarrier();
    if WG > FAN {
        places[t] = own;
        workgroupBarrier();
        if t < FAN {
            var sum = 0u;
            for (var k = t; k < WG; k += FAN) { sum += places[k]; }
            some_at[t] = sum;
        }
    } else {
        some_at[t] = own;
    }
    workgroupBarrier();
    var sum = 0u;
    for (var k = 0u; k < min(FAN, WG); k++) { sum += some_at[k]; }
    return sum;
}

// The largest of every thread's value.
fn largest_of(t: u32, own: f32) -> f32 {
    workgroupBarrier();
    if WG > FAN {
        values[t] = own;
        workgroupBarrier();
        if t < FAN {
            var top = LOWEST;
            for (var k = t; k < WG; k += FAN) { top = max(top, values[k]); }
            some[t] = top;
        }
    } else {
        some[t] = own;
    }
    workgroupBarrier();
    var top = LOWEST;
    for (var k = 0u; k < min(FAN, WG); k++) { top = max(top, some[k]); }
    return top;
}

struct Found { value: f32, at: u32 }

// The largest of every thread's value with where it is, the lowest place of equal ones. Threads that have none say LOWEST.
fn best_of(t: u32, own: Found) -> Found {
    workgroupBarrier();
    if WG > FAN {
        values[t] = own.value;
        places[t] = own.at;
        workgroupBarrier();
        if t < FAN {
            var best = Found(LOWEST, 0xffffffffu);
            for (var k = t; k < WG; k += FAN) { best = better(best, Found(values[k], places[k])); }
            some[t] = best.value;
            some_at[t] = best.at;
        }
    } else {
        some[t] = own.value;
        some_at[t] = own.at;
    }
    workgroupBarrier();
    var best = Found(LOWEST, 0xffffffffu);
    for (var k = 0u; k < min(FAN, WG); k++) { best = better(best, Found(some[k], some_at[k])); }
    return best;
}

fn better(a: Found, b: Found) -> Found {
    if b.value > a.value || (b.value == a.value && b.at < a.at) { return b; }
    return a;
}
