//! One run: what is asked for ([`request`], in words [`prompt`], as an address [`link`]), how it goes ([`session`]), what it has
//! to say ([`event`]), and what is written down of it ([`trace`]). Several pictures at once are one session with a [`course`] each.

pub mod course;
pub mod event;
pub mod link;
pub mod many;
mod pace;
pub mod preview;
pub mod prompt;
pub mod request;
pub mod session;
mod side_by_side;
pub mod trace;

pub use course::Course;
pub use event::{Event, Statistics, Token};
pub use preview::{Preview, fill_undrawn};
pub use request::Request;
pub use session::Session;
