//! The token loop: one program, two executors.
//!
//! [`build::build`] turns a model into the fixed list of ops of one token ([`program::Program`]); [`gpu`] runs that
//! list as WGSL dispatches, [`cpu`] through the ops' CPU twins. [`Engine`] is the choice between the two.

pub mod backend;
pub mod build;
pub mod cache;
pub mod cpu;
mod crew;
pub mod device;
mod executor;
pub mod gpu;
pub mod input;
mod layers;
pub mod math;
pub mod merger;
mod narrow;
pub mod op;
pub mod ops;
pub mod pipelines;
pub mod program;
pub(crate) mod readback;
pub mod room;
pub mod rope;
pub mod selfcheck;
mod stages;
pub mod state;
mod stopwatch;
pub mod weights;

pub use build::build;
pub use cpu::CpuExecutor;
pub use executor::Engine;
pub use gpu::GpuExecutor;
pub use pipelines::Tier;
pub use program::{BufferId, Program, Section};
pub use state::{ControlsUniform, Record};
pub use weights::Layout;
