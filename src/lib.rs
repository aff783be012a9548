//! DPAR (dynamic patchification for autoregressive image generation, arXiv 2512.21867), running in WGSL.
//!
//! The modules are the storeys of a house (`tests/house.rs` holds them to it); ARCHITECTURE.md walks one token through them.

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

/// The README's example, compiled and run by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
