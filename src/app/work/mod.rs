//! What goes on beside the frame.

mod advance;
pub mod analyst;
pub mod bench;
pub mod decoder;
pub mod loaded_model;
mod loading;
mod own_image;
mod reopening;
mod share;
