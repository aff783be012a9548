//! DPAR (dynamic patchification for autoregressive image generation, arXiv 2512.21867), running in WGSL.
//!
//! The modules read as the data's way; ARCHITECTURE.md walks one token through them.

pub mod analysis;
pub mod app;
pub mod bundled;
pub mod checkpoint;
pub mod controls;
pub mod engine;
pub mod error;
pub mod mix;
pub mod model;
pub mod patching;
pub mod platform;
pub mod render;
pub mod run;
pub mod shell;

pub use error::{Error, Result};
