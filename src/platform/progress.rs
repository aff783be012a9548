//! How far a long fetch is.

use std::sync::{Arc, Mutex, PoisonError};

/// How far a long fetch is, shared between the work and the frame that shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Option<ProgressStep>>>);

/// One look at a [`Progress`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ProgressStep {
    /// `download`, `check` or `upload`.
    pub phase: String,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Progress {
    /// Notes how far it is.
    pub fn set(&self, phase: &str, done: u64, total: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(ProgressStep { phase: phase.to_owned(), done, total });
    }

    /// How far it is; `None` before the first word.
    pub fn get(&self) -> Option<ProgressStep> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
