//! Ctrl-C in a long batch, or the signal of a computer that shuts down: what is done is written before the program ends.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use super::output::note;

/// The exit code of a program that Ctrl-C has ended, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// Whether Ctrl-C was pressed. One for the process, as its signals are.
static ASKED: AtomicBool = AtomicBool::new(false);

/// The end of a batch that was interrupted, with what became of it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: {0}")]
pub struct Interrupted(pub String);

/// From here on the first Ctrl-C only asks, through [`asked`]; the second ends the program at once.
pub fn listen() {
    let pressed = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            process::exit(EXIT_CODE.into());
        }
    };
    if let Err(e) = ctrlc::set_handler(pressed) {
        note(&format!("Ctrl-C will lose what is drawn ({e})"));
    }
}

/// Whether the work should end here.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
