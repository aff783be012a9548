//! What differs between a computer and a browser. Only this file chooses: everything else calls the same names.

mod kept;
mod progress;
mod task;

pub use kept::KeptModel;
pub use progress::{Progress, ProgressStep};
pub use task::{Task, finished};

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{
    CLOSES, DEMAND_GPU, MaybeSend, address, bring_model, built_in_config, check_writable, choose_model, embedded_model,
    finish_bench, forget_model, kept_model, load_baseline, load_encoder, load_extras, load_model, may_be_model,
    open_file, publish, read_dropped, run, save_file, set_link, settle_model, take_commands, take_models,
    take_pictures, write_atomic,
};

// For the command line, which a page has not.
#[cfg(not(target_arch = "wasm32"))]
pub use native::{FileSet, open_foreign, write_model};

#[cfg(target_arch = "wasm32")]
pub(crate) mod web;
#[cfg(target_arch = "wasm32")]
pub use web::{
    CLOSES, DEMAND_GPU, MaybeSend, address, bring_model, built_in_config, check_writable, choose_model, embedded_model,
    finish_bench, forget_model, kept_model, load_baseline, load_encoder, load_extras, load_model, may_be_model,
    open_file, publish, read_dropped, run, save_file, set_link, settle_model, take_commands, take_models,
    take_pictures, write_atomic,
};
