//! The flags of `dpar generate`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{self, PatchArgs, PlaceArgs, SamplingArgs, Seed, default_class};

/// Stands for the file name that is made from --out's.
pub const BESIDE_OUT: &str = "<OUT>";

const EXAMPLES: &str = "\
Examples:
  dpar generate --class \"red apple\"
  dpar generate --class hamburger --count 16 --out burgers.png
  dpar generate --class \"red heart + cat face\" --count 4
  dpar generate --class automobile --threshold 5.3 --overlay

Wherever a file is named, - is standard output, or standard input.";

/// What to draw, how, and where to.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GenerateArgs {
    #[arg(long, value_name = "THING", allow_hyphen_values = true, help = class_help())]
    pub class: Option<String>,
    /// What somebody wrote without a flag, to be told which one they meant
    #[arg(hide = true)]
    pub words: Vec<String>,
    /// Seed of the first picture: the same seed draws the same picture; `random` for one by lot, which is then said
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true, value_parser = Seed::parse)]
    pub seed: Seed,
    /// How many pictures, with the seeds that follow; more than one make a grid
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub count: u32,
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = args::batch(), help = args::BATCH)]
    pub batch: Option<usize>,
    /// Draw what a share link asks for: a whole address, its part from # on, or a PNG file that `dpar` has written (- reads the
    /// link from standard input)
    #[arg(long, value_name = "URL", conflicts_with_all = ["class", "seed", "baseline", "complete",
          "PatchArgs", "SamplingArgs"])]
    pub link: Option<String>,
    /// Draw with the fixed-length baseline (one step per token, no patches) instead of DPAR
    #[arg(long, conflicts_with = "PatchArgs")]
    pub baseline: bool,
    /// Keep the first rows of this picture (PNG, JPEG, WebP, GIF or BMP, at most 16384 pixels a side and 100 megapixels, a JPEG
    /// 400; - reads it from standard input), draw the rest
    #[arg(long, value_name = "IMAGE", requires = "keep_rows")]
    pub complete: Option<PathBuf>,
    /// How many rows of tokens --complete keeps
    #[arg(long, value_name = "N", requires = "complete", allow_negative_numbers = true)]
    pub keep_rows: Option<usize>,
    /// Let the link, also the one in the PNG, hold what --complete keeps: whoever has it can draw the same picture, and sees that
    /// part of yours
    #[arg(long, requires = "complete")]
    pub share_kept: bool,
    #[command(flatten)]
    pub patching: PatchArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Where the picture goes, or the grid of several (PNG; - is standard output) [default: dpar.png, or dpar-2.png and so
    /// on where that is there already]
    #[arg(short, long, help_heading = "Output", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Enlarge every picture of --out to N x N pixels per pixel [default: 1, or 256 pixels a side in a grid]
    #[arg(long, help_heading = "Output", value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub scale: Option<u32>,
    /// Also write the picture with its patches and entropies (PNG; without FILE: OUT-overlay.png); of several pictures
    /// FILE-1.png, FILE-2.png, ...
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_OUT)]
    pub overlay: Option<PathBuf>,
    /// Also write how the picture forms, patch by patch (GIF; without FILE: OUT.gif); of several pictures FILE-1.gif, ...
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_OUT)]
    pub animation: Option<PathBuf>,
    /// Also write everything that was drawn (JSON; without FILE: OUT-trace.json), for `dpar replay`
    #[arg(long, help_heading = "Output", value_name = "FILE", num_args = 0..=1, default_missing_value = BESIDE_OUT)]
    pub trace: Option<PathBuf>,
    /// Also write down each token's rank, probability and best candidates in --trace
    #[arg(long, help_heading = "Output", requires = "trace")]
    pub details: bool,
    /// Go on with what Ctrl-C has interrupted: draw only the pictures that --trace does not hold yet. It needs --out, too,
    /// so that both files are the same ones
    #[arg(long, help_heading = "Output", requires = "trace", requires = "out")]
    pub resume: bool,
    /// Print one JSON object instead of the summary
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

fn class_help() -> String {
    format!(
        "What to draw: a name or its number (`dpar info` lists them), an emoji, or several mixed, like \"owl + panda\" or \
         \"0.7 sailboat + 0.3 rocket\" [default: {}; of a --model folder what it draws best]",
        default_class()
    )
}
