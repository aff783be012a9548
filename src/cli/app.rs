//! `dpar app`: the window.

use anyhow::Result;
use clap::Args;
use dpar::app::Launch;
use dpar::shell;

use super::args::PlaceArgs;
use super::generate;
use super::output::note;

/// What the window opens with.
#[derive(Debug, Args)]
pub struct AppArgs {
    /// A link to follow at once: a whole address, or the part from # on
    link: Option<String>,
    /// Draw some pictures, print how long everything takes, and close
    #[arg(long)]
    bench: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Opens the window.
///
/// # Errors
/// [`dpar::Error::Window`] without a display.
pub fn run(args: &AppArgs) -> Result<()> {
    let launch = Launch {
        link: args.link.clone(),
        device: args.place.device.into(),
        threads: args.place.threads.map(usize::from),
        model: args.place.model.as_ref().map(|dir| dir.display().to_string()),
        weights: args.place.weights,
        caches: args.place.caches,
        bench: args.bench,
        ..Launch::default()
    };
    Ok(shell::open_window(launch)?)
}

/// What `dpar` alone does: the window; where there is no display, a picture.
///
/// # Errors
/// As [`generate::first_look`].
pub fn first_look() -> Result<()> {
    match shell::open_window(Launch::default()) {
        Ok(()) => Ok(()),
        Err(dpar::Error::Window(why)) => {
            note(&format!("no window ({why}), so here is a picture"));
            generate::first_look()
        }
        Err(e) => Err(e.into()),
    }
}
