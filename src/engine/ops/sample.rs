//! Draws x_i: guidance `l = l_null + cfg (l_class - l_null)`, temperature, top-k, top-p, then the largest of
//! `l / temperature + Gumbel noise` (dpar.md section 7, `reference/generate.py`). Begins the token's [`Record`](crate::engine::Record) and moves the run
//! to position i + 1.
//!
//! Top-k keeps logits >= the k-th largest; top-p the shortest prefix of
//! the descending order that reaches p. Neither needs a sort: see [`cut`].

use bytemuck::{Pod, Zeroable};
use dpar_simd::exps;

use crate::engine::op::{Binding, Flags, Op, Override, Shape, State, TwinView};
use crate::engine::program::{BufferId, Builder, Section, Work};
use crate::engine::state::{ControlsUniform, DRAW, RECORD_WORDS, WANTED, word};

const STATE: Binding = Binding::write("state");
const LOGITS: Binding = Binding::read("logits");
const FORCED: Binding = Binding::read("forced");
const GUIDED: Binding = Binding::write("guided");
const ENTROPIES: Binding = Binding::read("entropies");
const RECORDS: Binding = Binding::write("records");

/// The op.
pub const OP: Op = Op {
    name: "sample",
    wgsl: concat!(
        include_str!("../../../shaders/shared/state.wgsl"),
        include_str!("../../../shaders/shared/noise.wgsl"),
        include_str!("../../../shaders/shared/reduce.wgsl"),
        include_str!("../../../shaders/sample.wgsl")
    ),
    storage: &[STATE, LOGITS, FORCED, GUIDED, ENTROPIES, RECORDS],
    overrides: &[Override::Lanes],
    shape: Shape::Single,
    twin,
    shared: false,
};

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// 0 for the baseline, which has no entropy model.
    pub has_entropy: u32,
    /// Rows of what was drawn from.
    pub rows: u32,
    /// Unused.
    pub pad: u32,
}

/// Probabilities as integers: shares of 2^30.
const MASS: f32 = 1_073_741_824.0;

/// What the op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`, which moves on.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Guidance lanes.
    pub lanes: u32,
    /// (picture, lane, V): of the class, of the null class.
    pub logits: BufferId,
    /// (T, picture): a token, or [`DRAW`].
    pub forced: BufferId,
    /// What was drawn from, before the cuts: (rows, picture, V); row i % rows is written.
    pub guided: BufferId,
    /// Its rows.
    pub rows: usize,
    /// Nats, (T, picture).
    pub entropies: BufferId,
    /// Whether there is an entropy model to fill them (the baseline has none, and records 0).
    pub has_entropy: bool,
    /// (T, picture, RECORD_WORDS); of row i everything is written that [`super::record`] does not write.
    pub records: BufferId,
}

/// Adds the op to a program.
pub fn step(b: &mut Builder, section: Section, a: Args) {
    let params = Params { gate: a.gate, has_entropy: u32::from(a.has_entropy), rows: a.rows as u32, pad: 0 };
    let bind = OP.bind(&[
        (STATE, a.state),
        (LOGITS, a.logits),
        (FORCED, a.forced),
        (GUIDED, a.guided),
        (ENTROPIES, a.entropies),
        (RECORDS, a.records),
    ]);
    b.step(&OP, section, Flags::lanes(a.lanes), params, bind, Work::Groups(1));
}

fn twin(v: &TwinView<'_>) {
    let (p, lanes, logits) = (v.params::<Params>(), v.flags().lanes as usize, v.f32(LOGITS));
    for (picture, mut state) in v.open(p.gate, v.pictures()) {
        let controls = v.controls(picture);
        let (i, vocab) = (state.at(word::POS), controls.vocab as usize);
        let guided = guided(&logits[picture * lanes * vocab..][..lanes * vocab], controls);
        let token = if controls.temperature == 0.0 {
            argmax(guided.iter().copied())
        } else {
            let floor = floor(&guided, controls.top_k, controls.top_p);
            let seed = controls.seed;
            let score = |(t, &l): (usize, &f32)| if key(l) >= floor { l + gumbel(seed, i, t as u32) } else { f32::MIN };
            argmax(guided.iter().enumerate().map(score))
        };
        let row = i as usize % p.rows as usize * v.count() + picture;
        v.f32_mut(GUIDED)[row * vocab..][..vocab].copy_from_slice(&guided);
        let row = i as usize * v.count() + picture;
        let forced = v.words(FORCED)[row];
        let token = if forced == DRAW { token } else { forced };
        let entropy = if p.has_entropy == 0 { 0 } else { v.words(ENTROPIES)[row] };
        let mut records = v.words_mut(RECORDS);
        let record = &mut records[row * RECORD_WORDS..][..8];
        record[..4].copy_from_slice(&[token, entropy, state.at(word::REASON), state.at(word::PATCH)]);
        record[6..].copy_from_slice(&[i + 1, WANTED]);
        drop(records);
        state.set(word::DRAWN, token);
        move_on(&mut state);
        v.set_state(picture, &state);
    }
}

/// To the next position, if there is one.
fn move_on(state: &mut State) {
    let i = state.at(word::POS);
    let more = u32::from(i + 1 < state.at(word::TOKENS));
    state.set(word::TOKEN, state.at(word::DRAWN));
    state.set(word::PREV, i);
    state.set(word::POS, i + 1);
    state.set(word::HAS_TOKEN, more);
    state.set(word::RUN, more);
}

/// What is drawn from: guidance between the lanes' logits (lane, V), temperature.
fn guided(logits: &[f32], controls: &ControlsUniform) -> Vec<f32> {
    let (class, null) = logits.split_at(controls.vocab as usize);
    let mut guided = class.to_vec();
    // Scale 1 is off, to the bit: one lane and two then draw the same.
    if controls.cfg_scale != 1.0 {
        for (l, null) in guided.iter_mut().zip(null) {
            *l = null + controls.cfg_scale * (*l - null);
        }
    }
    if controls.temperature != 0.0 {
        guided.iter_mut().for_each(|l| *l /= controls.temperature);
    }
    guided
}

/// The lowest index of the largest value.
fn argmax(values: impl Iterator<Item = f32>) -> u32 {
    let mut best = (f32::NEG_INFINITY, 0);
    for (t, l) in values.enumerate() {
        if l > best.0 {
            best = (l, t);
        }
    }
    best.1 as u32
}

/// The smallest key that top-k and top-p keep.
fn floor(guided: &[f32], top_k: u32, top_p: f32) -> u32 {
    let keys: Vec<u32> = guided.iter().map(|l| key(*l)).collect();
    let mut floor = 0;
    if top_k > 0 && (top_k as usize) < guided.len() {
        floor = cut(&keys, 0, top_k - 1, |_| 1);
    }
    if top_p < 1.0 {
        let top = guided.iter().copied().fold(f32::MIN, f32::max);
        let mut e = guided.to_vec();
        let mut z = exps(&mut e, top);
        if floor > 0 {
            z = keys.iter().zip(&e).filter(|(key, _)| **key >= floor).map(|(_, e)| e).sum();
        }
        floor = floor.max(cut(&keys, floor, (top_p * MASS) as u32, |t| (e[t] / z * MASS + 0.5) as u32));
    }
    floor
}

/// Larger float <=> larger key.
fn key(l: f32) -> u32 {
    let bits = l.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 }
}

/// The smallest key whose stricter rivals weigh at most `limit`, among keys >= `floor`: a radix search, one 8-bit
/// digit at a time, with integer weights (of a token), so that the order of additions (threads, on the GPU) does not matter.
fn cut(keys: &[u32], floor: u32, limit: u32, weight: impl Fn(usize) -> u32) -> u32 {
    let (mut prefix, mut above) = (0u32, 0u32);
    for shift in [24, 16, 8, 0] {
        let mut bins = [0u32; 256];
        for (t, &k) in keys.iter().enumerate() {
            if k >= floor && (shift == 24 || k >> (shift + 8) == prefix) {
                bins[(k >> shift) as usize & 255] += weight(t);
            }
        }
        let mut digit = 255;
        while digit > 0 && above + bins[digit] <= limit {
            above += bins[digit];
            digit -= 1;
        }
        prefix = prefix << 8 | digit as u32;
    }
    prefix
}

/// First output word of Jarzynski & Olano's pcg3d (2020, "Hash Functions for GPU Rendering").
fn pcg3d(seed: u32, position: u32, token: u32) -> u32 {
    let [mut x, mut y, mut z] = [seed, position, token].map(|v| v.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    x = x.wrapping_add(y.wrapping_mul(z));
    y = y.wrapping_add(z.wrapping_mul(x));
    z = z.wrapping_add(x.wrapping_mul(y));
    let [x, y, z] = [x, y, z].map(|v| v ^ v >> 16);
    x.wrapping_add(y.wrapping_mul(z))
}

/// `2 atanh(s)` for |s| <= 1/3, to f32 rounding.
fn atanh2(s: f32) -> f32 {
    let q = s * s;
    let series = [1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0];
    2.0 * s * (1.0 + q * series.iter().rev().fold(0.0, |sum, c| sum * q + c))
}

/// ln x for normal x > 0, as the shader computes it: WGSL's own `log` differs from adapter to adapter.
fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 23) as i32 - 127;
    let mut mantissa = f32::from_bits(bits & 0x7f_ffff | 0x3f80_0000);
    if mantissa > std::f32::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    exponent as f32 * std::f32::consts::LN_2 + atanh2((mantissa - 1.0) / (mantissa + 1.0))
}

/// Gumbel noise of (seed, position, token): `u = (hash >> 8 + 0.5) / 2^24`, `g = -ln(-ln u)`.
pub fn gumbel(seed: u32, position: u32, token: u32) -> f32 {
    const SCALE: f32 = 16_777_216.0;
    let n = pcg3d(seed, position, token) >> 8;
    let e = if n < 0x80_0000 {
        -ln((n as f32 + 0.5) / SCALE)
    } else {
        // u near 1: from t = 1 - u, which is exact in f32 where u is not.
        let t = ((0xff_ffff - n) as f32 + 0.5) / SCALE;
        atanh2(t / (2.0 - t))
    };
    -ln(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_references() {
        // The reference computes u and both logarithms in f64.
        for seed in [0, 1, 7, u32::MAX] {
            for token in 0..4096 {
                let n = pcg3d(seed, 3, token) >> 8;
                let u = (f64::from(n) + 0.5) / 16_777_216.0;
                let exact = -(-u.ln()).ln();
                let ours = f64::from(gumbel(seed, 3, token));
                assert!((exact - ours).abs() < 2e-6 * exact.abs().max(1.0), "{seed} {token}: {exact} {ours}");
            }
        }
    }

    #[test]
    fn hash_is_pcg3d() {
        // Values of reference/generate.py: pcg3d(np.uint32(s), p, t) for three triples.
        assert_eq!([pcg3d(1, 0, 0), pcg3d(1, 2, 3), pcg3d(u32::MAX, 255, 1023)], PCG3D);
    }
    const PCG3D: [u32; 3] = [0xa1fec616, 0xfa9f79a6, 0x2366c900];

    #[test]
    fn top_k_and_top_p_keep_what_a_sort_keeps() {
        let logits: Vec<f32> = (0..777).map(|t| 3.0 * gumbel(5, 0, t)).collect();
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        for (k, p) in [(0, 0.95), (1, 1.0), (10, 1.0), (50, 0.5), (776, 0.999), (0, 0.0), (0, 1.0)] {
            let kept: Vec<usize> = order[..if k == 0 { order.len() } else { k }].to_vec();
            let z: f64 = kept.iter().map(|t| f64::from(logits[*t]).exp()).sum();
            let mut before = 0.0;
            let mut expect: Vec<usize> = Vec::new();
            for t in kept {
                if p == 1.0 || before <= p {
                    expect.push(t);
                }
                before += f64::from(logits[t]).exp() / z;
            }
            let floor = floor(&logits, k as u32, p as f32);
            let mut got: Vec<usize> = (0..logits.len()).filter(|t| key(logits[*t]) >= floor).collect();
            got.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
            assert_eq!(got, expect, "top_k {k} top_p {p}");
        }
    }
}
