//! What the app holds, in types that own their rules.

pub mod app;
pub mod chosen;
pub mod clock;
pub mod figures;
pub mod handover;
pub mod jobs;
pub mod launch;
pub mod machine;
pub mod message;
pub mod model_slot;
pub mod own;
pub mod picture;
pub mod playback;
pub mod publisher;
pub mod settings;
pub mod starting;
pub mod tiles;
pub mod turns;
pub mod ui;
