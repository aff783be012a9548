//! The command line: clap in, lines and files out, exit codes. It decides nothing about models.
//!
//! Exit codes: 0; 2 where the input is at fault (a usage error, or [`dpar::Error::is_bad_input`]); 130 where Ctrl-C has
//! ended a batch; 1 for everything else. An error is one line on stderr that starts with `error: `, whatever went wrong; see [`main`].

mod analyze;
mod app;
mod args;
mod assets;
mod bench;
mod convert;
mod drawn;
mod eval;
mod files;
mod generate;
mod info;
mod interrupt;
mod json;
mod output;
mod picture;
mod replay;
mod report;
mod studio;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use interrupt::Interrupted;

/// Draws pictures with DPAR (arXiv 2512.21867): the next-token image model that spends its compute on patches of
/// tokens, cut where the picture is hard to predict.
///
/// Without a command it opens the window; without a display it draws one picture and explains itself.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// No summary, no notes, no progress: only what was asked for, and errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the window (what `dpar` alone does)
    App(app::AppArgs),
    /// Draw pictures of a class, or complete one of your own
    Generate(generate::GenerateArgs),
    /// Cut one of your own pictures into tokens and patches
    Analyze(analyze::AnalyzeArgs),
    /// Show the model, its classes, and the GPUs of this computer
    Info(info::InfoArgs),
    /// Draw the runs of a trace again and compare
    Replay(replay::ReplayArgs),
    /// Measure what a picture costs and where the time goes
    Bench(bench::BenchArgs),
    /// Measure the models on held-out pictures, or draw many samples to be scored
    Eval(eval::EvalArgs),
    /// Store a model's weights in another format
    Convert(convert::ConvertArgs),
    /// Record a run for the app to play before it has a model
    Record(assets::RecordArgs),
    /// Draw what each code of the codebook looks like
    Looks(assets::LooksArgs),
    /// Draw one small picture of each class
    Thumbnails(assets::ThumbnailsArgs),
}

/// Runs the program.
///
/// A panic (ours, or one inside a GPU driver's wrapper) ends as one line as well: the hook keeps the default message
/// and its backtrace off the terminal, unwinding has already removed unfinished temporary files.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|_| {}));
    match panic::catch_unwind(AssertUnwindSafe(|| parse().map_or_else(|code| code, run))) {
        Ok(code) => code,
        Err(panic) => {
            output::complain(&format!("internal error: {}; please report it", panic_text(panic.as_ref())));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> ExitCode {
    if cli.quiet {
        output::be_quiet();
    }
    let result = match cli.command {
        None => app::first_look(),
        Some(Command::App(args)) => app::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Analyze(args)) => analyze::run(&args),
        Some(Command::Info(args)) => info::run(&args),
        Some(Command::Replay(args)) => replay::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Eval(args)) => eval::run(&args),
        Some(Command::Convert(args)) => convert::run(&args),
        Some(Command::Record(args)) => assets::record(&args),
        Some(Command::Looks(args)) => assets::looks(&args),
        Some(Command::Thumbnails(args)) => assets::thumbnails(&args),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    output::complain(&format!("{error:#}"));
    if error.is::<Interrupted>() {
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    match error.downcast_ref::<dpar::Error>() {
        Some(e) if e.is_bad_input() => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|e| {
        if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            // clap knows about colours; a closed pipe is not worth a word.
            let _ = e.print();
            return ExitCode::SUCCESS;
        }
        output::complain(&usage_line(&e.render().to_string()));
        ExitCode::from(2)
    })
}

/// clap's message without the usage and help paragraphs, on one line; also without the advice how to name a file that is
/// called like a flag: a mistyped flag is what it is mostly given for.
fn usage_line(rendered: &str) -> String {
    let said = rendered.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("tip: to pass '"));
    let lines: Vec<&str> =
        said.take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information")).collect();
    lines.join(" ").replace(" tip: ", "; ").trim_start_matches("error: ").to_owned()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_become_one_line() {
        let e = Cli::try_parse_from(["dpar", "generate", "--sede", "1"]).unwrap_err();
        let line = usage_line(&e.render().to_string());
        assert!(line.starts_with("unexpected argument '--sede' found") && !line.contains('\n'), "{line}");
        assert!(line.contains("--seed") && !line.contains("Usage"), "{line}");
        let e = Cli::try_parse_from(["dpar", "generate", "--xyzzy"]).unwrap_err();
        assert_eq!(usage_line(&e.render().to_string()), "unexpected argument '--xyzzy' found");
    }
}
