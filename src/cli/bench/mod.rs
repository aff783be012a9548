//! `dpar bench`: what a picture costs and where it goes, measured side by side in one run. Prints a table and JSON.

mod arithmetic;
mod burn_loop;
mod measure;
mod report;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::checkpoint::config::ModelConfig;
use dpar::checkpoint::random::PaperShape;
use dpar::checkpoint::stored::WeightFormat;
use dpar::engine::backend::{Backend, DeviceChoice};
use dpar::engine::cache::CacheFormat;
use dpar::engine::gpu::TimedBy;
use dpar::engine::{Engine, Program, Section};
use dpar::run::request::Request;
use dpar::run::{Event, Session, Statistics};

use super::json::to_json;
use super::output;
use burn_loop::BurnLoop;
use measure::{SectionTime, floor, median, section_times};
use report::{BenchReport, Merge, Peer, Timed, Together};

/// Options of `dpar bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Random weights of a shape of the paper instead of a model.
    #[arg(long, value_enum, conflicts_with = "model")]
    shape: Option<ShapeName>,
    /// A light entropy model for --shape, 2 layers of 192, instead of the paper's LlamaGen-B.
    #[arg(long, requires = "shape")]
    light_entropy: bool,
    /// Tokens a side for --shape (16: 256 tokens, 24: 576).
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(4..=64))]
    grid: u8,
    /// Pictures of each generator (they alternate; medians are printed).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    images: u32,
    /// Pictures that are drawn at once, 1 to 32; all figures are of one of them.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = super::args::batch())]
    pictures: usize,
    /// Stop every picture after this many tokens (large shapes on slow machines).
    #[arg(long)]
    tokens: Option<usize>,
    /// Tokens of the plain burn loop, the peer (0 leaves it out).
    #[arg(long, default_value_t = 24)]
    peer_tokens: usize,
    /// Model folder; the built-in model if left out.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Keep the weights of all layers like that [default: as they are stored].
    #[arg(long, value_name = "FORMAT", value_parser = super::args::weight_formats())]
    weights: Option<WeightFormat>,
    /// Keep the keys and values of past tokens like that.
    #[arg(long, value_name = "FORMAT", default_value = "f32", value_parser = super::args::cache_formats())]
    caches: CacheFormat,
    /// Where to run.
    #[arg(long, value_enum, default_value_t = super::args::Device::Auto)]
    device: super::args::Device,
    /// Threads of the CPU twins; how many there are changes no token.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

/// [`PaperShape`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ShapeName {
    /// 768 wide, layers 1/8/3.
    #[value(name = "B")]
    B,
    /// 1024 wide, layers 1/19/4.
    #[value(name = "L")]
    L,
    /// 1280 wide, layers 1/30/5.
    #[value(name = "XL")]
    Xl,
}

impl From<ShapeName> for PaperShape {
    fn from(name: ShapeName) -> Self {
        match name {
            ShapeName::B => Self::B,
            ShapeName::L => Self::L,
            ShapeName::Xl => Self::Xl,
        }
    }
}

/// Pictures at once, where one at a time is measured.
const TOGETHER: usize = 16;

/// One picture and the parts timed right after it.
struct Round {
    statistics: Statistics,
    submits: f64,
    /// Milliseconds a token by the wall's clock.
    wall_ms: f64,
    sections: Vec<SectionTime>,
}

/// Runs the benchmark.
pub fn run(args: &BenchArgs) -> Result<()> {
    let files = match (args.shape, &args.model) {
        (Some(shape), _) => PaperShape::from(shape).files(usize::from(args.grid), args.light_entropy)?,
        (None, Some(dir)) => ModelFiles::load_dir(dir)?,
        (None, None) => dpar::platform::embedded_model()?,
    };
    let files = files.kept(args.weights);
    let backend = pollster::block_on(Backend::open(DeviceChoice::from(args.device)))?;
    let backend = backend.with_threads(args.threads.map(usize::from)).with_caches(args.caches);
    files.config.check_generator(files.config.generator().unwrap_or_default())?;
    let limit = args.tokens.unwrap_or(usize::MAX).clamp(2, files.config.tokens());
    let note = |text: &str| {
        if !args.json {
            output::note(text);
        }
    };
    note(&format!("{} on {}", files.source, backend.name()));

    let mut generators = Vec::new();
    for (generator, there) in [(Generator::Dpar, files.dpar.is_some()), (Generator::Baseline, files.baseline.is_some())]
    {
        if there {
            note(&format!("building {generator:?}"));
            generators.push((
                generator,
                pollster::block_on(backend.engine_for(&files, generator, 2, args.pictures))?,
                Vec::new(),
            ));
        }
    }
    // Warm up, then in turn: drift of a shared machine hits both alike.
    for round in 0..=args.images {
        let mut next = Vec::new();
        for (generator, engine, mut runs) in generators {
            let tokens = if round == 0 { limit.min(16) } else { limit };
            let (mut engine, statistics, submits, wall_ms) = picture(engine, &files.config, generator, round, tokens)?;
            if round > 0 {
                note(&format!("{generator:?}: {:.1} ms/token", statistics.ms_per_token()));
                // The parts in the same round as the whole: a shared machine drifts too much to add up otherwise.
                let share = f64::from(statistics.patches.max(1) as u32) / statistics.tokens.max(1) as f64;
                let share = if generator == Generator::Dpar { share } else { 1.0 };
                let sections = section_times(&mut engine, share)?;
                runs.push(Round { statistics, submits, wall_ms, sections });
            }
            next.push((generator, engine, runs));
        }
        generators = next;
    }
    let mut report = BenchReport {
        version: env!("CARGO_PKG_VERSION"),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        adapter: backend.name(),
        driver: backend.gpu().map(|gpu| format!("{} {}", gpu.info.driver, gpu.info.driver_info).trim().to_owned()),
        threads: backend.gpu().is_none().then(|| backend.threads()),
        model_hash: args.shape.is_none().then(|| files.hash.clone()),
        model: files.source.clone(),
        caches: format!("{:?}", args.caches).to_lowercase(),
        tokens: limit,
        pictures: args.pictures,
        dpar: None,
        baseline: None,
        speedup: None,
        speedups: Vec::new(),
        arithmetic_bound: None,
        weights_bound: None,
        together: None,
        peer: None,
        merges: merges(&backend)?,
        copy_gb_per_s: 0.0, // when all else is measured
        peak_memory_mb: None,
    };
    if let [(_, _, dpar), (_, _, baseline)] = &generators[..] {
        let pairs = dpar.iter().zip(baseline);
        let ratio = |(d, b): (&Round, &Round)| b.statistics.ms_per_token() / d.statistics.ms_per_token();
        report.speedups = pairs.map(ratio).collect();
        report.speedups.sort_by(f64::total_cmp);
    }
    for (generator, mut engine, runs) in generators {
        let mut timed = timed(&backend, engine.program(), &runs)?;
        if backend.gpu().is_some() {
            timed.ops = measure::op_times(&mut engine)?;
            timed.encode_us_per_dispatch = measure::encode_time(&mut engine)?;
        }
        match generator {
            Generator::Dpar => report.dpar = Some(timed),
            Generator::Baseline => report.baseline = Some(timed),
        }
    }
    if let (Some(d), Some(b)) = (&report.dpar, &report.baseline) {
        report.speedup = Some(b.ms_per_token / d.ms_per_token);
        report.arithmetic_bound = Some(b.multiply_adds_per_token / d.multiply_adds_per_token);
        report.weights_bound = Some(b.weight_mb_per_token / d.weight_mb_per_token);
    }
    // A software adapter takes minutes for them: --pictures says it, where it is wanted.
    let software = backend.gpu().is_some_and(|gpu| gpu.is_software());
    if args.pictures == 1 && args.shape.is_none() && !software {
        note(&format!("{TOGETHER} at once"));
        report.together = Some(together(&backend, &files, limit)?);
    }
    if let (Some(d), true) = (&report.dpar, args.peer_tokens > 0 && args.shape.is_none()) {
        note("the plain burn loop");
        report.peer = Some(peer(&backend, &files, args.peer_tokens, d.ms_per_token)?);
    }
    // Before what is copied takes half a gigabyte.
    report.peak_memory_mb = measure::peak_memory();
    report.copy_gb_per_s = match backend.gpu() {
        Some(gpu) => measure::copy_speed(gpu)?,
        None => measure::memory_copy_speed(backend.threads())?,
    };
    for timed in [&mut report.dpar, &mut report.baseline].into_iter().flatten() {
        timed.weight_share_of_copy = timed.weight_gb_per_s / report.copy_gb_per_s;
    }
    if !args.json {
        output::print(&table::table(&report))?;
    }
    output::print(&to_json(&report)?)?;
    Ok(())
}

/// Draws as many pictures (or their first tokens) as the engine is for, through a session, as the command line does. The figures are
/// sums of theirs.
fn picture(
    engine: Engine,
    config: &ModelConfig,
    generator: Generator,
    seed: u32,
    tokens: usize,
) -> Result<(Engine, Statistics, f64, f64)> {
    let mut request = Request::new(config, generator, 0, seed);
    if request.controls.sampling.cfg_scale == 1.0 {
        request.controls.sampling.cfg_scale = 2.0; // both lanes are measured, as they are used
    }
    let seeds = (0..engine.program().pictures as u32).map(|n| Request { seed: seed + 1000 * n, ..request.clone() });
    let requests = seeds.collect();
    let mut session = Session::several(engine, config, requests)?.with_budget(std::time::Duration::from_millis(250));
    session.run_to(tokens);
    let begun = Instant::now();
    let mut all: Option<Statistics> = None;
    while !session.is_done() {
        if session.tokens().len() >= tokens {
            session.stop();
        }
        for (_, event) in session.step_blocking()? {
            let Event::Done(one) = event else { continue };
            all = Some(match all {
                None => one,
                Some(all) => Statistics {
                    tokens: all.tokens + one.tokens,
                    patches: all.patches + one.patches,
                    elapsed: all.elapsed + one.elapsed,
                    ..all
                },
            });
        }
    }
    let (submits, wall) = (session.submits(), begun.elapsed());
    let statistics = all.ok_or_else(|| anyhow::anyhow!("the run ended without figures"))?;
    let per_token = submits as f64 / statistics.tokens.max(1) as f64;
    let wall_ms = wall.as_secs_f64() * 1000.0 / statistics.tokens.max(1) as f64;
    Ok((session.into_engine(), statistics, per_token, wall_ms))
}

fn timed(backend: &Backend, program: &Program, runs: &[Round]) -> Result<Timed> {
    let ms_per_token = median(runs.iter().map(|r| r.statistics.ms_per_token()));
    let (tokens, patches) =
        runs.iter().fold((0, 0), |sum, r| (sum.0 + r.statistics.tokens, sum.1 + r.statistics.patches));
    let share = if program.patches { patches as f64 / tokens as f64 } else { 1.0 };
    let steps = |patch: bool| {
        program.steps[..program.each].iter().filter(|s| (s.section == Section::PatchTransformer) == patch).count()
            as f64
    };
    let (with_patch, without) = program.weight_bytes_per_token();
    let bytes = without as f64 + (with_patch - without) as f64 * share;
    let dispatches = program.each;
    let working = steps(false) + steps(true) * share;
    let (total, memory) = (program.tokens, program.device_bytes());
    Ok(Timed {
        ms_per_image: ms_per_token * total as f64,
        ms_per_token,
        timed_by: runs.iter().find_map(|r| r.statistics.timed_by).map_or("", TimedBy::name),
        wall_ms_per_token: median(runs.iter().map(|r| r.wall_ms)),
        average_patch_length: if patches > 0 { tokens as f32 / patches as f32 } else { 1.0 },
        dispatches_per_token: dispatches,
        dispatches_that_work_per_token: working,
        stages_per_token: program.stages(),
        encode_us_per_dispatch: None,
        submits_per_token: runs.iter().map(|r| r.submits).sum::<f64>() / runs.len() as f64,
        floor: backend.gpu().map(|gpu| floor(gpu, dispatches, ms_per_token)).transpose()?,
        multiply_adds_per_token: arithmetic::multiply_adds(program, share),
        weight_mb_per_token: bytes / 1e6,
        weight_gb_per_s: bytes / 1e6 / ms_per_token,
        weight_share_of_copy: 0.0, // when all is measured
        device_memory_mb: memory as f64 / 1e6,
        sections: medians(runs),
        ops: Vec::new(),
    })
}

/// A batch of each generator.
fn together(backend: &Backend, files: &ModelFiles, tokens: usize) -> Result<Together> {
    let mut found = Together {
        pictures: TOGETHER,
        dpar: None,
        baseline: None,
        speedup: None,
        average_patch_length: 1.0,
        arithmetic_bound: None,
    };
    let mut work = [None, None];
    let generators = [(Generator::Dpar, files.dpar.is_some()), (Generator::Baseline, files.baseline.is_some())];
    for (n, (generator, _)) in generators.into_iter().enumerate().filter(|(_, (_, there))| *there) {
        let engine = pollster::block_on(backend.engine_for(files, generator, 2, TOGETHER))?;
        let (engine, ..) = picture(engine, &files.config, generator, 0, tokens.min(16))?;
        let (engine, statistics, ..) = picture(engine, &files.config, generator, 1, tokens)?;
        let share = if generator == Generator::Dpar {
            found.average_patch_length = statistics.tokens as f32 / statistics.patches.max(1) as f32;
            1.0 / f64::from(found.average_patch_length)
        } else {
            1.0
        };
        work[n] = Some(arithmetic::multiply_adds(engine.program(), share));
        let to = if generator == Generator::Dpar { &mut found.dpar } else { &mut found.baseline };
        *to = Some(statistics.ms_per_token());
    }
    let ratio = |pair: [Option<f64>; 2]| Some(pair[1]? / pair[0]?);
    found.speedup = ratio([found.dpar, found.baseline]);
    found.arithmetic_bound = ratio(work);
    Ok(found)
}

/// Every section's median over the rounds.
fn medians(runs: &[Round]) -> Vec<SectionTime> {
    let first = runs.first().map_or(&[][..], |r| &r.sections);
    let of = |n: usize, get: fn(&SectionTime) -> f64| median(runs.iter().map(move |r| get(&r.sections[n])));
    let sections = first.iter().enumerate();
    sections
        .map(|(n, s)| SectionTime { ms: of(n, |s| s.ms), ms_per_token: of(n, |s| s.ms_per_token), ..s.clone() })
        .collect()
}

/// For an image of 256 tokens and for the largest there is.
fn merges(backend: &Backend) -> Result<Vec<Merge>> {
    let measure = |side: u32| -> Result<Merge> {
        let gpu_ms = backend.gpu().map(|_| measure::merge_time(backend, side)).transpose()?;
        Ok(Merge { tokens: side * side, gpu_ms, cpu_ms: measure::merge_time(&Backend::cpu(None), side)? })
    };
    [16, 64].into_iter().map(measure).collect()
}

fn peer(backend: &Backend, files: &ModelFiles, tokens: usize, engine_ms: f64) -> Result<Peer> {
    let device = match backend.gpu() {
        Some(gpu) => gpu.burn_device()?, // the engine's own adapter, software or not
        None => backend.tensor_device()?,
    };
    let peer = BurnLoop::load(files, &device)?;
    let controls = Request::new(&files.config, Generator::Dpar, 0, 1).controls;
    let (rule, s) = (controls.rule(files.config.grid()), &controls.sampling);
    let cfg = if s.cfg_scale == 1.0 { 2.0 } else { s.cfg_scale };
    let draw = |count| peer.generate(0, 1, rule, cfg, s.temperature, s.top_p, count);
    draw(2.min(tokens))?; // kernels are compiled on first use
    let begun = Instant::now();
    let drawn = draw(tokens)?.tokens.len();
    let ms_per_token = begun.elapsed().as_secs_f64() * 1000.0 / drawn.max(1) as f64;
    Ok(Peer { tokens: drawn, ms_per_token, speedup: ms_per_token / engine_ms })
}
