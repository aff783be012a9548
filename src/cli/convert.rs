//! `dpar convert`: a model folder with its weights in another format, or one that is made of others' files.

mod import;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use dpar::Error;
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::stored::WeightFormat;

use self::import::ImportArgs;
use super::args::weight_formats;
use super::files::{check_folder, write_folder};
use super::output::{Card, note, say};

const MIXED: &str = "a model folder is converted by itself: give one folder, or files";

/// What goes with the weights wherever they go.
const CARD: &str = "MODEL_CARD.md";

/// What to convert.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Model folder with config.json and its .safetensors files; or checkpoints in the layouts of LlamaGen and DPAR, of which a
    /// folder is made: a tokenizer and token models, .pt, .pth, .safetensors or the .index.json of its shards
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,
    /// Folder that gets the converted model
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// How the weights of the models' layers are stored: f32, f16, or int8 with a scale for each row. Embeddings, norms and the
    /// tokenizer are never int8 [default: as they are]
    #[arg(long, value_name = "FORMAT", value_parser = weight_formats())]
    weights: Option<WeightFormat>,
    #[command(flatten)]
    import: ImportArgs,
}

/// Converts.
///
/// # Errors
/// Any [`dpar::Error`].
pub fn run(args: &ConvertArgs) -> Result<()> {
    let from = match args.files.as_slice() {
        [from] if from.is_dir() => from,
        files if files.iter().any(|path| path.is_dir()) => return Err(Error::Request(MIXED.into()).into()),
        files => return import::run(files, &args.out, args.weights, &args.import),
    };
    if let Some(flag) = args.import.said() {
        let problem =
            format!("--{flag} is for files of others: {} is a model folder, whose config.json says it", from.display());
        return Err(Error::Request(problem).into());
    }
    let out = &args.out;
    let same = || Some(fs::canonicalize(from).ok()? == fs::canonicalize(out).ok()?);
    if same() == Some(true) {
        let problem = format!("{} is the model itself: choose another folder for --out", out.display());
        return Err(Error::Request(problem).into());
    }
    check_folder(out, "a model", ["config.json"])?;
    let files = ModelFiles::load_dir(from)?.kept(args.weights);
    files.notes.iter().for_each(|said| note(said));
    let mut written = vec![("config.json".to_owned(), read(&from.join("config.json"))?)];
    written.extend(files.written()?);
    if from.join(CARD).is_file() {
        written.push((CARD.to_owned(), read(&from.join(CARD))?));
    }
    let mut card = Card::default();
    for (n, (name, bytes)) in written.iter().enumerate() {
        let path = out.join(name);
        card.row(if n == 0 { "wrote" } else { "" }, format!("{} ({} bytes)", path.display(), bytes.len()));
    }
    write_folder(out, written)?;
    say(&card.text())?;
    Ok(())
}

fn read(path: &Path) -> dpar::Result<Vec<u8>> {
    fs::read(path)
        .map_err(|e| Error::Config { file: path.display().to_string(), problem: format!("cannot be read ({e})") })
}
