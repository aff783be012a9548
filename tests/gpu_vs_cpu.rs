//! Every op: WGSL against its CPU twin, on sizes 1, odd, larger than a workgroup, and of the paper's models, with the
//! kernels shaped for software adapters and for GPUs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;
mod op_harness;

use dpar::engine::op::Flags;
use dpar::engine::ops::{
    attend, boundary, decoder_input, embed, entropy, gate_up, linear, merge, patch_input, pool, qkv, record, sample,
};
use dpar::engine::program::Work;
use dpar::engine::state::{DRAW, RECORD_WORDS, word};
use dpar::engine::weights::padded;
use op_harness::{Case, Noise, check, controls, formats, state};

#[test]
fn linear_agrees() {
    let mut n = Noise(1);
    for (rows, cols) in [(1, 1), (1, 7), (7, 33), (130, 96), (257, 704), (768, 768), (50, 2048)] {
        for flags in formats() {
            for (norm, residual, extra) in [(true, false, false), (false, true, false), (false, true, true)] {
                let flags = Flags { norm, residual, extra, ..flags };
                let lanes = flags.lanes as usize;
                let width = padded(rows);
                let params = linear::Params {
                    gate: word::RUN,
                    x_row: word::PATCH,
                    out_row: word::PREV,
                    rows: rows as u32,
                    cols: cols as u32,
                    blocks: (padded(cols) / 8) as u32,
                    out_width: width as u32,
                    row0: 0,
                    eps: 1e-5,
                    residual_row: word::PREV,
                    pad: [0; 2],
                };
                let buffers = [
                    state(&[(word::PATCH, 1), (word::PREV, 2)]),
                    n.vectors(2 * lanes, cols),
                    n.vectors(1, cols),
                    n.matrix(rows, cols, flags.f16),
                    n.vectors(3 * lanes, rows),
                    n.vectors(lanes, rows),
                    vec![0; 3 * lanes * width],
                ];
                let name = format!("{rows} x {cols} {flags:?}");
                let work = Work::Units(rows.div_ceil(2) as u32);
                check(&Case { op: &linear::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
            }
        }
    }
}

#[test]
fn qkv_agrees() {
    let mut n = Noise(2);
    for (heads, head) in [(1, 4), (3, 20), (6, 16), (3, 128), (12, 64)] {
        let (dim, cache) = (heads * head, 5);
        for flags in formats() {
            let flags = Flags { norm: true, ..flags };
            let lanes = flags.lanes as usize;
            let params = qkv::Params {
                gate: word::RUN,
                slot: word::PREV,
                turn: word::POS,
                dim: dim as u32,
                head: head as u32,
                cache: cache as u32,
                blocks: (padded(dim) / 8) as u32,
                eps: 1e-5,
                x_row: word::ZERO,
                pad: [0; 3],
            };
            let buffers = [
                state(&[(word::POS, 4), (word::PREV, 3)]),
                n.vectors(lanes, dim),
                n.vectors(1, dim),
                n.matrix(3 * dim, dim, flags.f16),
                n.floats(cache * head, 1.0),
                vec![0; lanes * padded(dim)],
                vec![0; lanes * cache * dim],
                vec![0; lanes * cache * dim],
            ];
            let (name, work) = (format!("{heads} x {head} {flags:?}"), Work::Units(3 * dim as u32 / 2));
            check(&Case { op: &qkv::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
        }
    }
}

#[test]
fn gate_up_agrees() {
    let mut n = Noise(3);
    for (hidden, cols) in [(1, 1), (5, 12), (200, 96), (2048, 768)] {
        for flags in formats() {
            let flags = Flags { norm: true, ..flags };
            let lanes = flags.lanes as usize;
            let params = gate_up::Params {
                gate: word::RUN,
                hidden: hidden as u32,
                cols: cols as u32,
                blocks: (padded(cols) / 8) as u32,
                out_width: padded(hidden) as u32,
                eps: 1e-5,
                unit0: 0,
                pad: 0,
            };
            let buffers = [
                state(&[]),
                n.vectors(lanes, cols),
                n.vectors(1, cols),
                n.matrix(2 * hidden, cols, flags.f16),
                vec![0; lanes * padded(hidden)],
            ];
            let (name, work) = (format!("{hidden} x {cols} {flags:?}"), Work::Units(hidden as u32));
            check(&Case { op: &gate_up::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
        }
    }
}

#[test]
fn attend_agrees() {
    let mut n = Noise(4);
    for (heads, head, first, count) in
        [(1, 4, 0, 1), (2, 16, 0, 1), (3, 20, 2, 5), (2, 32, 0, 257), (12, 64, 3, 1030), (1, 128, 0, 70)]
    {
        for lanes in [1, 2] {
            let (dim, cache) = (heads * head, first + count);
            let params = attend::Params {
                gate: word::RUN,
                first: word::CLOSE_FIRST,
                last: word::CLOSE_LAST,
                heads: heads as u32,
                head: head as u32,
                cache: cache as u32,
                stride: 2 * dim as u32,
                v_offset: dim as u32,
                q_stride: padded(dim) as u32,
                pad: [0; 3],
            };
            let kv = n.floats(lanes * cache * 2 * dim, 2.0);
            let buffers = [
                state(&[(word::CLOSE_FIRST, first as u32), (word::CLOSE_LAST, (cache - 1) as u32)]),
                n.vectors(lanes, dim),
                kv.clone(),
                kv,
                vec![0; lanes * padded(dim)],
            ];
            let flags = Flags::lanes(lanes as u32);
            let (name, work) = (format!("{heads} x {head}, {count} positions"), Work::Groups((lanes * heads) as u32));
            check(&Case { op: &attend::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
        }
    }
}

#[test]
fn embed_agrees() {
    let mut n = Noise(5);
    for (dim, rows, row0, token, has) in [(1, 1, 0, 0, 1), (12, 9, 4, 12, 1), (768, 300, 0, 299, 1), (96, 3, 0, 0, 0)] {
        for flags in formats() {
            let lanes = flags.lanes as usize;
            let width = padded(dim);
            let params =
                embed::Params { gate: word::RUN, lanes: flags.lanes, width: width as u32, row0, rows, pad: [0; 3] };
            let buffers = [
                state(&[(word::TOKEN, token), (word::HAS_TOKEN, has)]),
                n.vectors(lanes, dim),
                n.matrix(rows as usize, dim, flags.f16),
                vec![0; lanes * width],
            ];
            let (name, work) = (format!("{rows} x {dim} {flags:?}"), Work::Threads((lanes * width) as u32));
            check(&Case { op: &embed::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
        }
    }
}

#[test]
fn entropy_agrees() {
    let mut n = Noise(6);
    for (vocab, scale) in [(2, 1.0), (51, 3.0), (1000, 20.0), (16_384, 5.0), (65_536, 1.0)] {
        let params = entropy::Params { gate: word::RUN, vocab, pad: [0; 2] };
        let buffers = [state(&[(word::POS, 3)]), n.floats(vocab as usize, scale), vec![0; 8]];
        let (name, flags) = (format!("{vocab}"), Flags::lanes(1));
        let case = Case {
            op: &entropy::OP,
            name,
            flags,
            params,
            buffers: &buffers,
            work: Work::Groups(1),
            controls: controls(),
        };
        check(&case);
    }
}

#[test]
fn boundary_agrees_with_the_rule_in_every_mode() {
    let mut n = Noise(7);
    let entropies: Vec<u32> = (0..64).map(|_| (5.0 + 3.0 * n.next()).to_bits()).collect();
    for mode in 0..4 {
        for p_max in [0, 1, 4] {
            for i in [0u32, 1, 2, 7, 8, 9, 63] {
                for held in [1, 3, 4, 9] {
                    let mut controls = controls();
                    (controls.mode, controls.max_patch_length, controls.grid) = (mode, p_max, 8);
                    controls.threshold = 5.0;
                    let held = if i == 0 { 0 } else { held };
                    let words = [
                        (word::POS, i),
                        (word::PATCH_LEN, held),
                        (word::PATCH, 2),
                        (word::PATCH_FIRST, i.saturating_sub(held)),
                    ];
                    let buffers = [state(&words), entropies.clone()];
                    let name = format!("mode {mode} p_max {p_max} token {i} held {held}");
                    let (flags, work) = (Flags::lanes(1), Work::Groups(1));
                    check(&Case {
                        op: &boundary::OP,
                        name,
                        flags,
                        params: [0u32; 4],
                        buffers: &buffers,
                        work,
                        controls,
                    });
                }
            }
        }
    }
}

#[test]
fn pool_agrees() {
    let mut n = Noise(8);
    for (dim, first, last) in [(1, 0, 0), (33, 2, 4), (768, 1, 8)] {
        let width = padded(dim);
        let params = pool::Params { gate: word::CLOSE, width: width as u32, pad: [0; 2] };
        let words = [(word::CLOSE, 1), (word::CLOSE_FIRST, first), (word::CLOSE_LAST, last)];
        let buffers = [state(&words), n.vectors(last as usize + 2, dim), vec![0; width]];
        let (name, work) = (format!("{dim}"), Work::Threads(width as u32));
        let flags = Flags::lanes(1);
        check(&Case { op: &pool::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
    }
}

#[test]
fn patch_input_agrees() {
    let mut n = Noise(9);
    for (dim, head, close) in [(16, 16, 1), (96, 48, 1), (96, 48, 0), (768, 64, 1)] {
        for lanes in [1, 2] {
            let (grid, width, quarter) = (5, padded(dim), head / 4);
            let mut controls = controls();
            controls.grid = grid as u32;
            let params = patch_input::Params {
                gate: word::RUN,
                lanes: lanes as u32,
                width: width as u32,
                quarter: quarter as u32,
            };
            let words = [(word::CLOSE, close), (word::CLOSE_FIRST, 13), (word::CLOSE_LAST, 16)];
            let buffers = [
                state(&words),
                n.vectors(1, dim),
                n.vectors(lanes, dim),
                n.floats(grid * 2 * quarter, 1.0),
                n.floats(grid * quarter / 2, 1.0),
                vec![0; lanes * width],
                if close == 1 { vec![0; head] } else { vec![1f32.to_bits(); head] },
            ];
            let name = format!("{dim} {head} close {close}");
            let work = Work::Threads((lanes * width).max(head / 2) as u32);
            // At the class position every angle becomes 0: `compare` wants something written, so look at it as a whole.
            if close == 1 {
                let flags = Flags::lanes(lanes as u32);
                check(&Case { op: &patch_input::OP, name, flags, params, buffers: &buffers, work, controls });
            }
        }
    }
}

#[test]
fn decoder_input_agrees() {
    let mut n = Noise(10);
    for (dim, has) in [(1, 1), (33, 0), (768, 1)] {
        for lanes in [1, 2] {
            let width = padded(dim);
            let params = decoder_input::Params { gate: word::RUN, lanes: lanes as u32, width: width as u32, pad: 0 };
            let words = [(word::HAS_TOKEN, has), (word::PREV, 2)];
            let buffers =
                [state(&words), n.vectors(1, dim), n.vectors(4, dim), n.vectors(lanes, dim), vec![0; lanes * width]];
            let (name, work) = (format!("{dim} {has}"), Work::Threads((lanes * width) as u32));
            let flags = Flags::lanes(lanes as u32);
            check(&Case { op: &decoder_input::OP, name, flags, params, buffers: &buffers, work, controls: controls() });
        }
    }
}

#[test]
fn sample_agrees_and_draws_the_same_token() {
    let mut n = Noise(11);
    for vocab in [2, 51, 1000, 16_384] {
        for (top_k, top_p, temperature) in
            [(0, 1.0, 1.0), (0, 0.95, 1.0), (2000, 1.0, 0.7), (5, 0.5, 1.3), (1, 1.0, 1.0), (0, 1.0, 0.0)]
        {
            for lanes in [1, 2] {
                let logits = n.floats(lanes * vocab, 8.0);
                for seed in 0..4 {
                    let mut controls = controls();
                    (controls.cfg_scale, controls.temperature) = (2.0, temperature);
                    (controls.top_k, controls.top_p, controls.seed) = (top_k, top_p, seed);
                    controls.vocab = vocab as u32;
                    let params = sample::Params { gate: word::RUN, pad: [0; 3] };
                    let forced = vec![DRAW, DRAW, if seed == 3 { 1 } else { DRAW }];
                    // A token that cannot be drawn stands in the state: the op has to write its own.
                    let words = [(word::POS, 2), (word::DRAWN, 0xffff_fff0)];
                    let buffers = [state(&words), logits.clone(), forced, vec![0; vocab]];
                    let name = format!("V {vocab} k {top_k} p {top_p} t {temperature} seed {seed}");
                    let (flags, work) = (Flags::lanes(lanes as u32), Work::Groups(1));
                    check(&Case { op: &sample::OP, name, flags, params, buffers: &buffers, work, controls });
                }
            }
        }
    }
}

#[test]
fn record_agrees() {
    let mut n = Noise(12);
    for vocab in [2, 7, 51, 1000, 16_384] {
        for (i, tokens) in [(0, 3), (2, 3)] {
            let mut controls = controls();
            controls.vocab = vocab;
            let params = record::Params { gate: word::RUN, has_entropy: 1, pad: [0; 2] };
            let words =
                [(word::POS, i), (word::DRAWN, vocab / 2), (word::REASON, 3), (word::PATCH, 5), (word::TOKENS, tokens)];
            let guided: Vec<u32> = n.floats(vocab as usize, 6.0);
            let buffers = [state(&words), guided, n.floats(3, 4.0), vec![0; 3 * RECORD_WORDS]];
            let (name, flags) = (format!("V {vocab} i {i}"), Flags::lanes(1));
            check(&Case { op: &record::OP, name, flags, params, buffers: &buffers, work: Work::Groups(1), controls });
        }
    }
}

#[test]
fn merge_agrees_in_every_mode() {
    let mut n = Noise(13);
    for (k, tokens) in [1usize, 2, 9, 63, 64, 65, 255, 256, 257, 1000, 4096].into_iter().enumerate() {
        // Quarters of a nat, so that some are exactly the threshold.
        let entropies: Vec<u32> = (0..tokens).map(|_| ((20.0 + 12.0 * n.next()).round() / 4.0).to_bits()).collect();
        for mode in 0..4u32 {
            let mut controls = controls();
            controls.mode = mode;
            controls.max_patch_length = [0, 1, 4, 5, 300, u32::MAX][(k + mode as usize) % 6];
            controls.grid = [1, 8, 7, 64][(k + mode as usize) % 4];
            controls.threshold = [6.5, 5.0, -1.0, 100.0][(k / 2 + mode as usize) % 4];
            let buffers = [state(&[(word::TOKENS, tokens as u32)]), entropies.clone(), vec![0; 2 * (tokens + 1)]];
            let name = format!("{tokens} tokens, {:?}", controls.rule());
            let (flags, work, params) = (Flags::lanes(1), Work::Groups(1), [0u32; 4]);
            check(&Case { op: &merge::OP, name, flags, params, buffers: &buffers, work, controls });
        }
    }
}
