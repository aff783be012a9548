//! Runs that are to be started: from their first token, or from where a lost device has left them.

use crate::checkpoint::config::Generator;
use crate::controls::Controls;
use crate::run::request::Request;

/// Which picture a run fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one the app is about.
    Main,
    /// The one beside it, in a comparison.
    Other,
}

/// A run to be started.
#[derive(Clone, Debug)]
pub struct Starting {
    /// The picture it fills.
    pub slot: Slot,
    /// What its session draws. After a lost device this gives the tokens that were there.
    pub request: Request,
    /// What somebody has asked for: what the picture is shown, linked and drawn again as.
    pub asked: Request,
    /// Tokens that were there already.
    pub from: usize,
}

impl Starting {
    /// A run from its beginning.
    pub fn new(slot: Slot, request: Request) -> Self {
        Self { slot, asked: request.clone(), request, from: 0 }
    }

    /// A control moved before the run has begun counts from its first token, or from the first that is not there.
    pub fn set_controls(&mut self, controls: &Controls) {
        for request in [&mut self.request, &mut self.asked] {
            if self.from == 0 {
                request.controls = controls.clone();
            } else {
                request.schedule.retain(|(at, _)| *at < self.from);
                request.schedule.push((self.from, controls.clone()));
            }
        }
    }
}

/// The runs a click on Generate asks for: DPAR, and the baseline beside it in a comparison.
pub fn starting(request: Request, compare: bool) -> Vec<Starting> {
    let other = compare.then(|| Request { generator: Generator::Baseline, ..request.clone() });
    let other = other.map(|request| Starting::new(Slot::Other, request));
    [Some(Starting::new(Slot::Main, request)), other].into_iter().flatten().collect()
}
