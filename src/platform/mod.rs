//! What differs between a computer and a browser. Only this file chooses: everything else calls the same names.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{check_writable, embedded_model, write_atomic};

#[cfg(target_arch = "wasm32")]
mod web;
#[cfg(target_arch = "wasm32")]
pub use web::{Dpar, check_writable, embedded_model, write_atomic};
