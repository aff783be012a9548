//! What differs between a computer and a browser. Only this file chooses: everything else calls the same names.

mod task;

pub use task::{Task, finished};

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
mod window;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{
    CLOSES, DEMAND_GPU, MaybeSend, address, built_in_config, check_writable, embedded_model, finish_bench,
    load_baseline, load_extras, load_model, open_file, publish, read_dropped, reopen, run, save_file, set_link,
    take_commands, take_pictures, write_atomic,
};
#[cfg(not(target_arch = "wasm32"))]
pub use window::open_window;

#[cfg(target_arch = "wasm32")]
mod web;
#[cfg(target_arch = "wasm32")]
pub use web::{
    CLOSES, DEMAND_GPU, Dpar, MaybeSend, address, built_in_config, check_writable, embedded_model, finish_bench,
    load_baseline, load_extras, load_model, open_file, publish, read_dropped, reopen, run, save_file, set_link,
    take_commands, take_pictures, write_atomic,
};

use std::sync::{Arc, Mutex, PoisonError};

/// How far a long fetch is, shared between the work and the frame that shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Option<Step>>>);

/// One look at a [`Progress`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Step {
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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Step { phase: phase.to_owned(), done, total });
    }

    /// How far it is; `None` before the first word.
    pub fn get(&self) -> Option<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
