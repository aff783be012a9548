//! Where the files of `dpar generate` go.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use dpar::Error;

use super::flags::{BESIDE_OUT, GenerateArgs};
use crate::cli::files::{
    beside, check_gif, check_json, check_outputs, check_png, free_name, is_stdout, numbered, output_name,
};

/// What a picture is called that nobody has named.
const UNNAMED: &str = "dpar.png";

/// The outputs of a command.
#[derive(Debug)]
pub struct Places {
    /// The picture or the grid.
    pub out: PathBuf,
    /// One for each picture, or none.
    pub overlays: Vec<PathBuf>,
    /// One for each picture, or none.
    pub animations: Vec<PathBuf>,
    /// Of all pictures.
    pub trace: Option<PathBuf>,
    named: bool,
}

impl Places {
    /// Names every file and refuses outputs that cannot be written, before anything else.
    ///
    /// # Errors
    /// [`Error::Request`], [`Error::Output`].
    pub fn of(args: &GenerateArgs) -> Result<Self> {
        let stem = args.out.as_deref().filter(|out| !is_stdout(out));
        let stem = match stem {
            Some(out) => out.to_owned(),
            None => free_name(Path::new(UNNAMED), |stem| {
                let places = Self::after(args, stem);
                // Those that are named after it; a name that was typed is overwritten.
                let mut named = vec![places.out];
                let derived = |flag: &Option<PathBuf>| flag.as_deref().is_some_and(is_derived);
                named.extend(places.overlays.into_iter().filter(|_| derived(&args.overlay)));
                named.extend(places.animations.into_iter().filter(|_| derived(&args.animation)));
                named.extend(places.trace.into_iter().filter(|_| derived(&args.trace)));
                named.into_iter().filter(|path| !is_stdout(path)).collect()
            }),
        };
        let places = Self::after(args, &stem);
        places.check(args)?;
        Ok(places)
    }

    /// The files, where what is not named is named after `stem`.
    fn after(args: &GenerateArgs, stem: &Path) -> Self {
        let name = |given: &Option<PathBuf>, ending: &str| {
            given.as_ref().map(|path| if is_derived(path) { beside(stem, ending) } else { path.clone() })
        };
        let each = |path: Option<PathBuf>| match path {
            None => Vec::new(),
            Some(path) if args.count == 1 => vec![path],
            Some(path) if is_stdout(&path) => vec![path; args.count as usize],
            Some(path) => (1..=args.count as usize).map(|n| numbered(&path, n)).collect(),
        };
        Self {
            out: args.out.clone().unwrap_or_else(|| stem.to_owned()),
            overlays: each(name(&args.overlay, "-overlay.png")),
            animations: each(name(&args.animation, ".gif")),
            trace: name(&args.trace, "-trace.json"),
            named: args.out.is_some(),
        }
    }

    fn check(&self, args: &GenerateArgs) -> Result<()> {
        check_png(&self.out)?;
        self.overlays.first().map_or(Ok(()), |path| check_png(path))?;
        self.animations.first().map_or(Ok(()), |path| check_gif(path))?;
        if let Some(trace) = &self.trace {
            let instead = "--out is for the picture, --overlay for its patches; choose a name that ends in .json";
            check_json(trace, instead)?;
            if args.resume && is_stdout(trace) {
                bail!(Error::Request("--resume goes on with a trace, so --trace must be a file, not -".into()));
            }
        }
        let per_picture = self.overlays.iter().chain(&self.animations);
        let all = [&self.out].into_iter().chain(per_picture).chain(&self.trace);
        let all: Vec<&Path> = all.map(PathBuf::as_path).collect();
        Ok(check_outputs(&all, args.complete.as_deref(), args.json)?)
    }

    /// What is said of a batch that was interrupted.
    pub fn go_on(&self, done: usize, count: usize) -> String {
        let done = format!("{done} of {count} pictures are written to {}", output_name(&self.out));
        match &self.trace {
            Some(trace) if !is_stdout(trace) => {
                let out = if self.named { String::new() } else { format!(" --out {}", self.out.display()) };
                format!("{done}; the same command with --resume{out} draws the rest")
            }
            _ => format!("{done}; with --trace, --resume could have drawn the rest"),
        }
    }
}

fn is_derived(path: &Path) -> bool {
    path.as_os_str() == BESIDE_OUT
}
