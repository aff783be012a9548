//! The sizes that must work: widths, heads, layer splits, grids and vocabularies at their ends, GPU against CPU.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::checkpoint::random::random_model;
use dpar::checkpoint::stored::WeightFormat;
use dpar::engine::weights::Precision;
use dpar::engine::{ControlsUniform, CpuExecutor, GpuExecutor, Layout, Record, Tier, build};
use dpar::run::request::Request;
use serde_json::{Value, json};

struct Sizes {
    dim: usize,
    heads: usize,
    layers: (usize, usize, usize),
    grid: usize,
    vocab: usize,
    classes: usize,
    ch_mult: &'static [usize],
}

fn config(s: &Sizes) -> Value {
    let model = |dim, heads, layers: (usize, usize, usize), classes| {
        json!({"dim": dim, "n_head": heads, "n_layer": layers.1, "n_local_encoder_layers": layers.0,
            "n_local_decoder_layers": layers.2, "vocab_size": s.vocab, "num_classes": classes, "grid_size": s.grid,
            "multiple_of": 64})
    };
    json!({
        "entropy": model(64, 2, (0, 1, 0), 1),
        "dpar": model(s.dim, s.heads, s.layers, s.classes),
        "baseline": model(s.dim, s.heads, (0, 2, 0), s.classes),
        "vq": {"ch": 8, "ch_mult": s.ch_mult, "num_res_blocks": 1, "z_channels": 8, "codebook_size": s.vocab,
            "codebook_embed_dim": 4, "norm_groups": 4},
        "patching": {"mode": "static", "threshold": 5.0, "max_patch_length": 3},
        "sampling": {"cfg_scale": 2.0, "temperature": 1.0, "top_k": 50, "top_p": 0.9}
    })
}

/// The first tokens on both executors: all but float noise must agree.
fn agree(s: &Sizes, layout: Layout) {
    agree_of(random_model("a random model", &config(s)).unwrap(), s, layout);
}

fn agree_of(files: ModelFiles, s: &Sizes, layout: Layout) {
    let (count, class) = (8, s.classes - 1);
    for generator in [Generator::Dpar, Generator::Baseline] {
        let request = Request::new(&files.config, generator, class, 3);
        let rule = request.controls.rule(s.grid);
        let controls = ControlsUniform::new(&rule, &request.controls.sampling, 3, s.vocab);
        let mut cpu = CpuExecutor::new(build(&files, generator, layout).unwrap());
        let start = |program: &dpar::engine::Program| {
            let state = dpar::engine::state::initial_state(program.tokens);
            [(program.ports.state, state.to_vec()), (program.ports.classes, program.class_rows(&class.into()))]
        };
        for (port, words) in start(cpu.program()) {
            cpu.write(port, 0, &words);
        }
        cpu.set_controls(0, &controls);
        let expected = cpu.run(0..count);
        assert!(expected.iter().all(|r| (r.token as usize) < s.vocab && r.probability.is_finite()));
        let Some(gpu) = common::gpu() else { continue };
        let program = build(&files, generator, layout).unwrap();
        let mut wgsl = pollster::block_on(GpuExecutor::new(&gpu.device, &gpu.queue, Tier::SOFTWARE, program)).unwrap();
        for (port, words) in start(wgsl.program()) {
            wgsl.write(port, 0, &words);
        }
        wgsl.set_controls(0, &controls);
        wgsl.submit(0..count);
        let got = wgsl.poll(true).unwrap().unwrap().records;
        let key = |r: &Record| (r.token, r.reason, r.patch, r.rank);
        assert_eq!(got.iter().map(key).collect::<Vec<_>>(), expected.iter().map(key).collect::<Vec<_>>());
        for (g, e) in got.iter().zip(&expected) {
            assert!(
                (g.entropy - e.entropy).abs() < 1e-3 && (g.probability - e.probability).abs() < 1e-3,
                "{g:?} {e:?}"
            );
        }
    }
}

#[test]
fn the_widest_model_on_the_largest_grid() {
    let sizes = Sizes { dim: 2560, heads: 20, layers: (1, 1, 1), grid: 64, vocab: 300, classes: 2, ch_mult: &[1, 1] };
    agree(&sizes, Layout::GPU);
}

#[test]
fn the_narrowest_model_with_the_largest_vocabulary() {
    let sizes =
        Sizes { dim: 64, heads: 4, layers: (3, 1, 2), grid: 4, vocab: 65_536, classes: 1, ch_mult: &[1, 1, 1, 1, 1] };
    agree(&sizes, Layout::GPU);
    // Tables larger than a binding come in chunks.
    agree(&sizes, Layout { binding_limit: 1 << 20, ..Layout::GPU });
}

#[test]
fn odd_widths_and_any_layer_split() {
    let sizes = Sizes { dim: 240, heads: 5, layers: (2, 4, 1), grid: 5, vocab: 51, classes: 1000, ch_mult: &[1, 2, 2] };
    agree(&sizes, Layout::GPU);
    agree(&sizes, Layout { precision: Precision::F32, ..Layout::GPU });
    for (_, format) in WeightFormat::NAMES {
        let files = random_model("a random model", &config(&sizes)).unwrap();
        agree_of(files.kept(Some(format)), &sizes, Layout::GPU);
    }
}

#[test]
fn tokenizers_of_every_downsampling_come_back_to_their_size() {
    for (f, ch_mult) in [(2, &[1, 1][..]), (4, &[1, 1, 2]), (8, &[1, 1, 2, 2]), (16, &[1, 1, 1, 1, 2])] {
        let ch_mult: &'static [usize] = Box::leak(ch_mult.to_vec().into_boxed_slice());
        let sizes = Sizes { dim: 64, heads: 4, layers: (1, 1, 1), grid: 4, vocab: 32, classes: 1, ch_mult };
        let files = random_model("a random model", &config(&sizes)).unwrap();
        let device = burn::tensor::Device::flex();
        let tokenizer = dpar::model::Tokenizer::load(&files, &device).unwrap();
        let picture = pollster::block_on(tokenizer.decode_image(&[7; 16], 4)).unwrap();
        assert_eq!((picture.width(), picture.height()), (4 * f, 4 * f));
        let side = 4 * f as usize;
        let image = dpar::model::pixels::rgb_to_tensor(picture.as_raw(), side, side, &device).unwrap();
        assert_eq!(pollster::block_on(tokenizer.encode(image)).unwrap().len(), 16);
    }
}
