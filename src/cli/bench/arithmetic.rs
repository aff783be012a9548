//! What a token takes by arithmetic alone: multiply-adds, and the bounds that follow from them.

use dpar::engine::op::PARAM_WORDS;
use dpar::engine::ops::{attend, attend_output, feed_forward, gate_up, input_linear, input_qkv, linear, qkv};
use dpar::engine::program::Step;
use dpar::engine::state::word;
use dpar::engine::{Program, Section};

/// Multiply-adds of an average token of one picture, both lanes, where a patch starts at the share `patches` of the tokens. Those of
/// matrices and attention: norms, activations and sampling are some hundredths of them.
pub fn multiply_adds(program: &Program, patches: f64) -> f64 {
    let tokens = program.tokens as f64;
    let of = |step: &Step| {
        let often = if step.section == Section::PatchTransformer { patches } else { 1.0 };
        often * one(step, tokens, patches)
    };
    program.steps.iter().map(of).sum()
}

/// Of one step, each time it runs.
fn one(step: &Step, tokens: f64, patches: f64) -> f64 {
    let lanes = f64::from(step.flags.lanes);
    let seen = |last: u32| match last {
        word::CLOSE_LAST => 1.0 / patches,             // a patch's own tokens
        word::PATCH => (patches * tokens + 1.0) / 2.0, // the patches so far, at the middle of an image
        _ => (tokens + 1.0) / 2.0,
    };
    if step.op.name == linear::OP.name {
        let p: linear::Params = params(&step.params);
        lanes * f64::from(p.rows) * f64::from(p.cols)
    } else if step.op.name == qkv::OP.name {
        let p: qkv::Params = params(&step.params);
        lanes * 3.0 * f64::from(p.dim) * f64::from(p.dim)
    } else if step.op.name == gate_up::OP.name {
        let p: gate_up::Params = params(&step.params);
        lanes * 2.0 * f64::from(p.hidden) * f64::from(p.cols)
    } else if step.op.name == attend::OP.name {
        let p: attend::Params = params(&step.params);
        2.0 * lanes * f64::from(p.heads) * f64::from(p.head) * seen(p.last)
    } else if step.op.name == input_linear::OP.name {
        let p: input_linear::Params = params(&step.params);
        lanes * f64::from(p.rows) * p.input.dim() as f64
    } else if step.op.name == input_qkv::OP.name {
        let p: input_qkv::Params = params(&step.params);
        lanes * 3.0 * (p.input.dim() as f64).powi(2)
    } else if step.op.name == feed_forward::OP.name {
        let p: feed_forward::Params = params(&step.params);
        lanes * 3.0 * f64::from(p.hidden) * p.input.dim() as f64
    } else if step.op.name == attend_output::OP.name {
        let p: attend_output::Params = params(&step.params);
        lanes * f64::from(p.dim) * (2.0 * seen(p.last) + f64::from(p.dim))
    } else {
        0.0
    }
}

fn params<P: bytemuck::Pod>(block: &[u32; PARAM_WORDS]) -> P {
    bytemuck::pod_read_unaligned(&bytemuck::bytes_of(block)[..size_of::<P>()])
}

#[cfg(test)]
mod tests {
    use dpar::checkpoint::config::Generator;
    use dpar::engine::{Layout, build};

    use super::*;

    /// The built-in baseline by hand: 12 layers of 192, FFN 512, V = 1,024, 256 tokens, two lanes.
    #[test]
    fn multiply_adds_are_those_counted_by_hand() {
        let files = dpar::platform::embedded_model().unwrap();
        let baseline = build(&files, Generator::Baseline, Layout::CPU).unwrap();
        let layer = 4 * 192 * 192 + 3 * 512 * 192;
        let attention = 2.0 * 192.0 * 257.0 / 2.0;
        let expected = 2.0 * (12.0 * (f64::from(layer) + attention) + 1024.0 * 192.0);
        assert!((multiply_adds(&baseline, 1.0) / expected - 1.0).abs() < 1e-9, "{expected}");
        let fused = build(&files, Generator::Baseline, Layout::FUSED).unwrap();
        assert!((multiply_adds(&fused, 1.0) / expected - 1.0).abs() < 1e-9, "{expected}");

        // DPAR 1/8/3: entropy model of 2 layers with its logits and one encoder layer, one lane; three decoder layers with logits,
        // two lanes; a patch's share of eight layers, of what pools and closes it, and of three projections of its state.
        let dpar = build(&files, Generator::Dpar, Layout::CPU).unwrap();
        let share = 1.0 / 3.0;
        let one = f64::from(layer) + attention;
        let every = 2.0 * one + 1024.0 * 192.0 + one + 2.0 * 192.0 * 192.0 + 2.0 * (3.0 * one + 1024.0 * 192.0);
        let seen = (share * 256.0 + 1.0) / 2.0;
        let closing = 2.0 * 192.0 * 192.0 + 2.0 * 192.0 * 3.0;
        let patch = closing + 2.0 * (8.0 * (f64::from(layer) + 2.0 * 192.0 * seen) + 3.0 * 192.0 * 192.0);
        let found = multiply_adds(&dpar, share);
        assert!((found / (every + share * patch) - 1.0).abs() < 1e-9, "{found} {}", every + share * patch);
        let fused = multiply_adds(&build(&files, Generator::Dpar, Layout::FUSED).unwrap(), share);
        assert!((found / fused - 1.0).abs() < 1e-9, "{found} {fused}");
    }
}
