//! What the app holds, in types that own their rules.

pub mod app;
pub mod handover;
pub mod jobs;
pub mod own;
pub mod picture;
pub mod playback;
pub mod settings;
