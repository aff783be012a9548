//! What goes on beside the frame.

mod advance;
pub mod analyst;
pub mod attending;
pub mod bench;
mod brought;
pub mod decoder;
pub mod loaded_model;
mod loading;
mod many;
mod measuring;
pub mod regrid;
mod reopening;
mod share;
