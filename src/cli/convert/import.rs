//! `dpar convert FILES`: checkpoints in the public layouts, as a model folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::{Generator, ModelConfig, PatchingConfig};
use dpar::checkpoint::import::{ForeignFile, Hints, assemble, paper_controls};
use dpar::checkpoint::stored::WeightFormat;
use dpar::platform::{self, FileSet};
use dpar::run::prompt::caption;

use crate::cli::args::{ImportedPatchArgs, ImportedSamplingArgs};
use crate::cli::files::check_folder;
use crate::cli::output::{Card, note, say};
use crate::cli::studio::progress_of_bytes;

/// What checkpoints do not say, and what the folder draws with by itself.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Attention heads of the token models: of all, or of each in the order of FILES [default: those of the public models, by width:
    /// 768 12, 1024 16, 1280 20, 1536 24]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..), help_heading = "What checkpoints do not say")]
    heads: Vec<u16>,
    /// Tokens a side of a picture [default: 16; 24 where a file's name says 384]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "What checkpoints do not say")]
    grid: Option<u16>,
    /// GroupNorm groups of the tokenizer [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "What checkpoints do not say")]
    groups: Option<u16>,
    /// Take the token model as entropy model alone: the folder then shows how pictures are cut into patches, and draws none
    #[arg(long, help_heading = "What checkpoints do not say")]
    entropy_only: bool,
    #[command(flatten)]
    patching: ImportedPatchArgs,
    #[command(flatten)]
    sampling: ImportedSamplingArgs,
}

impl ImportArgs {
    /// The first of these flags that was given.
    pub fn said(&self) -> Option<&'static str> {
        let controls = self.patching.0.iter().chain(self.sampling.0.iter()).map(|(control, _)| control.flag).next();
        let hints = [("heads", self.heads.first().copied()), ("grid", self.grid), ("groups", self.groups)];
        let only = self.entropy_only.then_some("entropy-only");
        hints.into_iter().find_map(|(name, hint)| hint.map(|_| name)).or(only).or(controls)
    }
}

/// Converts.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn run(files: &[PathBuf], out: &Path, weights: Option<WeightFormat>, args: &ImportArgs) -> Result<()> {
    check_folder(out, "a model", ["config.json"])?;
    let files = files.iter().map(|path| platform::open_foreign(path)).collect::<dpar::Result<Vec<ForeignFile>>>()?;
    let mut controls = paper_controls();
    args.patching.0.apply(&mut controls);
    args.sampling.0.apply(&mut controls);
    let patching = PatchingConfig::of(&controls);
    let hint = |number: Option<u16>| number.map(usize::from);
    let heads = args.heads.iter().copied().map(usize::from).collect();
    let hints = Hints { heads, grid: hint(args.grid), groups: hint(args.groups), entropy_only: args.entropy_only };
    let model = assemble(&files, &hints, patching, controls.sampling)?;
    model.notes.iter().for_each(|said| note(said));
    let bar = progress_of_bytes(model.bytes());
    let written = platform::write_model(&model, out, &|bytes| bar.inc(bytes as u64))?;
    bar.finish_and_clear();
    if let Some(format) = weights {
        // By the way that a folder takes: what a person says of weights means the same wherever they come from.
        let files = ModelFiles::load_dir(out)?.kept(Some(format));
        let mut set = FileSet::default();
        for (name, bytes) in files.written()? {
            set.add(&out.join(name), &bytes)?;
        }
        set.commit()?;
    }
    let mut card = Card::default();
    for (n, path) in written.iter().enumerate() {
        let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
        card.row(if n == 0 { "wrote" } else { "" }, format!("{} ({bytes} bytes)", path.display()));
    }
    let c = &model.config;
    card.row(
        "patching",
        format!("{}, {} nats, P_max {}", c.patching.mode, c.patching.threshold, c.patching.max_patch_length),
    );
    let s = &c.sampling;
    card.row(
        "sampling",
        format!("guidance {}, temperature {}, top-k {}, top-p {}", s.cfg_scale, s.temperature, s.top_k, s.top_p),
    );
    card.row("try", tries(c, out));
    say(&card.text())?;
    Ok(())
}

/// What the folder can do, as commands.
fn tries(config: &ModelConfig, out: &Path) -> String {
    let model = out.display();
    let flag = match config.generator() {
        None => return format!("dpar analyze PICTURE --model {model}"),
        Some(Generator::Baseline) => " --baseline",
        Some(Generator::Dpar) => "",
    };
    let class = caption(&config.default_class().into(), config);
    format!("dpar generate --model {model}{flag} --class '{class}'")
}
