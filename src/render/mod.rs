//! What a run or an analysis looks like, as a picture: pictures of numbers that others computed, as bytes that others write.
//!
//! Pure CPU and no state, so the command line and the app draw the same sheet from the same [`OverlayInput`].

pub mod animation;
mod contact_sheet;
mod frame;
mod legend;
mod overlay;
pub mod palette;
mod panels;
mod png;
#[cfg(test)]
mod tests;
mod text;

pub use animation::Animation;
pub use contact_sheet::{MAX_SHEET, contact_sheet, largest_scale};
pub use frame::{FrameInput, frame};
pub use overlay::{OverlayInput, overlay};
pub use png::{Provenance, png_bytes, png_with};
