//! Whether something may be installed on somebody's machine.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::super::output;

/// `--install` was given.
static ASKED_FOR: AtomicBool = AtomicBool::new(false);

/// Takes `--install` out of the arguments; it counts for everything that is asked of this xtask.
pub fn take_flag(args: &mut Vec<String>) {
    let before = args.len();
    args.retain(|arg| arg != "--install");
    ASKED_FOR.fetch_or(args.len() < before, Ordering::Relaxed);
}

/// How it stands with installing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nobody has to be asked: `--install`, root (a container, mostly), or `CI=true`.
    Given,
    /// A person is there to be asked.
    Ask,
    /// Nobody is there: the command is told.
    Told,
}

/// On this machine, now.
pub fn now() -> Consent {
    let root = output("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    of(ASKED_FOR.load(Ordering::Relaxed) || root || ci, std::io::stdin().is_terminal())
}

fn of(free: bool, terminal: bool) -> Consent {
    match (free, terminal) {
        (true, _) => Consent::Given,
        (false, true) => Consent::Ask,
        (false, false) => Consent::Told,
    }
}

impl Consent {
    /// Whether it is given, after asking where that can be done.
    pub fn given(self) -> Result<bool> {
        match self {
            Self::Given => Ok(true),
            Self::Told => Ok(false),
            Self::Ask => {
                print!("   install this now? [y/N] ");
                std::io::stdout().flush().context("cannot ask")?;
                let mut answer = String::new();
                std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
                Ok(means_yes(&answer))
            }
        }
    }
}

fn means_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one_and_nobody_is_asked_in_vain() {
        assert!(["y\n", " Yes \n"].into_iter().all(means_yes));
        assert!(["", "\n", "n\n", "yep\n"].into_iter().all(|answer| !means_yes(answer)));
        assert_eq!((of(true, true), of(true, false)), (Consent::Given, Consent::Given));
        assert_eq!((of(false, true), of(false, false)), (Consent::Ask, Consent::Told));
    }

    #[test]
    fn the_flag_is_taken_wherever_it_stands() {
        let mut args: Vec<String> = ["rust", "--install", "x"].map(str::to_owned).to_vec();
        take_flag(&mut args);
        assert_eq!(args, ["rust", "x"]);
        assert!(ASKED_FOR.load(Ordering::Relaxed));
    }
}
