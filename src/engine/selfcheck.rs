//! A known-answer check: does this GPU compute what the CPU twins compute?
//!
//! Drivers and browsers differ, and a shader that one of them compiles wrongly draws noise without any error. So a whole
//! token loop of a very small random model (every op, guidance, sampling with both cuts, patches closed for every
//! reason) runs once on the GPU and once through the twins, and what they recorded is compared. Its seed and threshold
//! are such that no draw and no boundary is a near tie: different tokens are a fault, not rounding (a test holds that).

use serde_json::json;
use web_time::Instant;

use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::Generator;
use crate::checkpoint::random::random_model;
use crate::checkpoint::stored::WeightFormat;
use crate::controls::SamplingConfig;
use crate::engine::device::Gpu;
use crate::engine::state::{DRAW, RECORD_WORDS};
use crate::engine::{ControlsUniform, CpuExecutor, Engine, GpuExecutor, Layout, Program, Record, Tier, build};
use crate::error::{Error, Result};
use crate::patching::{Mode, PatchRule};

/// Errors up to this are rounding: other orders of summation, and what WGSL allows `exp` and `log`.
const TOLERANCE: f32 = 2e-3;

const GRID: usize = 4;
const VOCAB: usize = 100;
const SEED: u32 = 5;
const THRESHOLD: f32 = 4.178;

/// What a check has found.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfCheck {
    /// The adapter's name.
    pub adapter: String,
    /// The largest error of an entropy, a probability or a logit, as a share of the largest value; infinite where a
    /// number was not finite.
    pub worst_error: f32,
    /// Whether the same tokens were drawn and the same patches cut.
    pub tokens_agree: bool,
    /// How long the check took, in milliseconds.
    pub ms: f64,
}

impl SelfCheck {
    /// Whether the GPU can be trusted.
    pub fn ok(&self) -> bool {
        self.tokens_agree && self.worst_error <= TOLERANCE
    }

    /// For people: `ok`, or one sentence that says what is wrong and what to do.
    pub fn verdict(&self) -> String {
        if self.ok() {
            return "ok".into();
        }
        let tokens = if self.tokens_agree { "" } else { ", other tokens drawn" };
        let off = if self.worst_error.is_finite() {
            format!("off by {:.1e} of the largest", self.worst_error)
        } else {
            "not even finite".into()
        };
        format!("the GPU `{}` computes wrong numbers ({off}{tokens}): use the CPU", self.adapter)
    }
}

/// Runs the check on `gpu`, once per opened device. A browser is not blocked; on a computer the calling thread waits for
/// the GPU.
///
/// # Errors
/// As [`GpuExecutor::new`]; [`Error::DeviceLost`]. Wrong numbers are no error but a [`SelfCheck`] that is not ok.
pub async fn selfcheck(gpu: &Gpu) -> Result<SelfCheck> {
    let begun = Instant::now();
    let files = known_model()?;
    // A software adapter is where the fused ops of hardware can be tried: a browser's compiler of shaders is the same on both.
    let layouts = if gpu.is_software() { &[Layout::GPU, Layout::FUSED][..] } else { &[gpu.layout()] };
    let (mut worst_error, mut tokens_agree) = (0.0f32, true);
    for layout in layouts {
        let executor =
            GpuExecutor::new(&gpu.device, &gpu.queue, Tier::of(&gpu.info), program(&files, *layout)?).await?;
        let found = answer(&mut Engine::Gpu(Box::new(executor)), &files).await?;
        let expected = answer(&mut Engine::Cpu(Box::new(CpuExecutor::new(program(&files, *layout)?))), &files).await?;
        if let Some(why) = gpu.lost() {
            return Err(Error::DeviceLost(why));
        }
        let (worst, agree) = compare(&found, &expected);
        worst_error = worst_error.max(worst);
        tokens_agree &= agree;
    }
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    Ok(SelfCheck { adapter: gpu.info.name.clone(), worst_error, tokens_agree, ms })
}

/// 16 tokens, random weights in int8, as the built-in model's (embeddings in f16): small enough to be over before anybody notices, and
/// wide enough that a software adapter's loops over rows come round more than once.
fn known_model() -> Result<ModelFiles> {
    let model = |dim: usize, heads: usize, e: usize, d: usize, classes: usize| {
        json!({"dim": dim, "n_head": heads, "n_layer": 1, "n_local_encoder_layers": e, "n_local_decoder_layers": d,
            "vocab_size": VOCAB, "num_classes": classes, "grid_size": GRID, "multiple_of": 16})
    };
    let config = json!({
        "entropy": model(96, 3, 0, 0, 1),
        "dpar": model(80, 5, 1, 1, 3),
        "vq": {"ch": 4, "ch_mult": [1, 1], "num_res_blocks": 1, "z_channels": 4, "codebook_size": VOCAB,
            "codebook_embed_dim": 4, "norm_groups": 4},
        "patching": {"mode": "entropy_row_boundary", "threshold": THRESHOLD, "max_patch_length": 2},
        "sampling": {"cfg_scale": 2.0, "temperature": 1.0, "top_k": 40, "top_p": 0.95}
    });
    Ok(random_model("the self-check's model", &config)?.kept(Some(WeightFormat::Int8)))
}

/// Both executors read the same weights.
fn program(files: &ModelFiles, layout: Layout) -> Result<Program> {
    build(files, Generator::Dpar, layout)
}

/// What a run leaves behind.
struct Answer {
    records: Vec<Record>, // (T)
    logits: Vec<f32>,     // (lane, V), of the last token
}

/// One run, all tokens in one submit. The first half of the tokens is given, so that a wrong draw is not the only thing
/// to be seen.
async fn answer(engine: &mut Engine, files: &ModelFiles) -> Result<Answer> {
    let config = &files.config;
    let tokens = config.tokens();
    let rule = PatchRule {
        mode: Mode::EntropyRowBoundary,
        threshold: THRESHOLD,
        max_patch_length: config.patching.max_patch_length as u32,
        grid: GRID as u32,
    };
    let sampling: &SamplingConfig = &config.sampling;
    let given = |i: usize| if i < tokens / 2 { ((37 * i + 11) % VOCAB) as u32 } else { DRAW };
    engine.start(&[(&1.into(), &(0..tokens).map(given).collect::<Vec<_>>())])?;
    engine.set_controls(0, &ControlsUniform::new(&rule, sampling, SEED, VOCAB));
    let (steps, ports) = (engine.program().steps.len(), engine.program().ports);
    engine.run_steps(0..steps, tokens);
    let words = engine.read(ports.records).await?;
    let logits = engine.read(ports.logits).await?;
    Ok(Answer {
        records: bytemuck::pod_collect_to_vec(&words[..tokens * RECORD_WORDS]),
        logits: bytemuck::cast_vec(logits),
    })
}

/// The worst error, and whether tokens and patches are the same. What follows another token is not looked at.
fn compare(found: &Answer, expected: &Answer) -> (f32, bool) {
    let mut worst = Worst(0.0);
    for (f, e) in found.records.iter().zip(&expected.records) {
        worst.note(f.entropy, e.entropy, (VOCAB as f32).ln());
        worst.note(f.probability, e.probability, 1.0);
        for (f, e) in f.probabilities.iter().zip(&e.probabilities) {
            worst.note(*f, *e, 1.0);
        }
        // Tokens nearly as probable as each other may change places.
        worst.note(f.rank.abs_diff(e.rank).saturating_sub(1) as f32, 0.0, 1.0);
        if (f.token, f.reason, f.patch) != (e.token, e.reason, e.patch) {
            return (worst.0, false);
        }
    }
    let scale = expected.logits.iter().fold(f32::MIN_POSITIVE, |m, l| m.max(l.abs()));
    for (f, e) in found.logits.iter().zip(&expected.logits) {
        worst.note(*f, *e, scale);
    }
    (worst.0, true)
}

/// The largest error so far; a number that is none is infinitely wrong.
struct Worst(f32);

impl Worst {
    fn note(&mut self, found: f32, expected: f32, scale: f32) {
        let error = (found - expected).abs() / scale;
        self.0 = self.0.max(if error.is_finite() { error } else { f32::INFINITY });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    fn twins(program: Program) -> Answer {
        block_on(answer(&mut Engine::Cpu(Box::new(CpuExecutor::new(program))), &known_model().unwrap())).unwrap()
    }

    fn report((worst_error, tokens_agree): (f32, bool)) -> SelfCheck {
        SelfCheck { adapter: "test".into(), worst_error, tokens_agree, ms: 0.0 }
    }

    fn gpu() -> Option<Gpu> {
        let none = std::env::var("DPAR_NO_GPU").is_ok_and(|v| v == "1");
        (!none).then(|| block_on(Gpu::open()).unwrap())
    }

    #[test]
    fn passes_here() {
        let Some(gpu) = gpu() else { return };
        for round in 0..2 {
            let check = block_on(selfcheck(&gpu)).unwrap();
            println!("round {round}: {check:?}");
            assert!(check.ok() && check.verdict() == "ok" && check.worst_error < 1e-4, "{check:?}");
        }
    }

    /// Nothing in the loop is beyond the check's notice: a GPU that left out any single op would fail.
    #[test]
    fn any_op_left_out_is_noticed() {
        let files = known_model().unwrap();
        for layout in [Layout::GPU, Layout::FUSED] {
            let whole = program(&files, layout).unwrap();
            let expected = twins(whole.clone());
            assert!(report(compare(&expected, &expected)).ok());
            for n in 0..whole.steps.len() {
                let mut broken = whole.clone();
                let left_out = broken.steps.remove(n);
                let check = report(compare(&twins(broken), &expected));
                assert!(!check.ok(), "step {n}, {:?} of {:?}: {check:?}", left_out.op, left_out.section);
            }
        }
    }

    #[test]
    fn a_gpu_that_computes_something_else_is_named() {
        let Some(gpu) = gpu() else { return };
        let files = known_model().unwrap();
        let expected = twins(program(&files, Layout::GPU).unwrap());
        let mut broken = program(&files, Layout::GPU).unwrap();
        let weights = broken.buffers.iter_mut().find(|b| b.weights).unwrap();
        weights.init.reverse();
        let executor = block_on(GpuExecutor::new(&gpu.device, &gpu.queue, Tier::of(&gpu.info), broken)).unwrap();
        let found = block_on(answer(&mut Engine::Gpu(Box::new(executor)), &files)).unwrap();
        let check = SelfCheck { adapter: gpu.info.name.clone(), ..report(compare(&found, &expected)) };
        let verdict = check.verdict();
        assert!(
            !check.ok() && verdict.contains("computes wrong numbers") && verdict.contains(&gpu.info.name),
            "{verdict}"
        );
        let nan = SelfCheck { worst_error: f32::INFINITY, ..check };
        assert!(nan.verdict().contains("not even finite"), "{}", nan.verdict());
    }

    #[test]
    fn a_lost_device_is_an_error() {
        let Some(gpu) = gpu() else { return };
        gpu.destroy();
        assert!(block_on(selfcheck(&gpu)).is_err());
    }

    /// Rounding must not decide anything: entropies keep away from the threshold, the drawn tokens from the next best,
    /// and every reason for a patch to start occurs.
    #[test]
    fn nothing_is_a_near_tie() {
        let files = known_model().unwrap();
        let config = &files.config;
        let records = twins(program(&files, Layout::GPU).unwrap()).records;
        for (i, r) in records.iter().enumerate() {
            println!("{i}: e {} reason {} token {}", r.entropy, r.reason, r.token);
            assert!((r.entropy - THRESHOLD).abs() > 0.005, "e_{i} = {}", r.entropy);
        }
        let mut reasons: Vec<u32> = records.iter().map(|r| r.reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons, [0, 1, 2, 3, 4]);
        // A hundredth more or less of temperature moves every score by more than rounding does.
        for temperature in [0.99, 1.01] {
            let mut sampling = config.sampling.clone();
            sampling.temperature = temperature;
            let mut cpu = Engine::Cpu(Box::new(CpuExecutor::new(program(&files, Layout::GPU).unwrap())));
            let mut files = known_model().unwrap();
            files.config.sampling = sampling;
            let moved = block_on(answer(&mut cpu, &files)).unwrap().records;
            let tokens = |records: &[Record]| records.iter().map(|r| r.token).collect::<Vec<_>>();
            assert_eq!(tokens(&moved), tokens(&records), "temperature {temperature}");
        }
    }
}
