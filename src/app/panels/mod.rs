//! What a person sees.

pub mod canvas;
mod controls;
pub mod facts;
mod frame;
mod gather;
mod inspector;
mod layout;
pub mod picker;
pub mod stats;
pub mod textures;
pub mod theme;
pub mod threshold;
pub mod tiled;
mod timeline;
pub mod tour;
mod windows;
