// Gumbel noise from a counter-based hash, as reference/generate.py: u = ((pcg3d >> 8) + 0.5) / 2^24, g = -ln(-ln u).

// Jarzynski & Olano 2020, "Hash Functions for GPU Rendering"; the first output word.
fn pcg3d(seed: u32, position: u32, token: u32) -> u32 {
    var v = vec3(seed, position, token) * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3(16u);
    return v.x + v.y * v.z;
}

// 2 atanh(s) for |s| <= 1/3, to f32 rounding.
fn atanh2(s: f32) -> f32 {
    let q = s * s;
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0))))));
}

// ln x for normal x > 0. WGSL's own log may be off by 2^-21 around 1, which moves the largest noises by percents and
// differently on every adapter; this one stays within a few roundings everywhere, so the same seed draws alike.
fn ln(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var exponent = i32(bits >> 23u) - 127;
    var mantissa = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u); // [1, 2)
    if mantissa > 1.4142135 { mantissa *= 0.5; exponent += 1; }
    return f32(exponent) * 0.6931472 + atanh2((mantissa - 1.0) / (mantissa + 1.0));
}

fn gumbel(seed: u32, position: u32, token: u32) -> f32 {
    let n = pcg3d(seed, position, token) >> 8u; // 24 bits
    var e = 0.0; // -ln u
    if n < 0x800000u {
        e = -ln((f32(n) + 0.5) / 16777216.0);
    } else {
        // u near 1: -ln(1 - t) from t = 1 - u, which is exact in f32 where u is not.
        let t = (f32(0xffffffu - n) + 0.5) / 16777216.0;
        e = atanh2(t / (2.0 - t));
    }
    return -ln(e);
}
