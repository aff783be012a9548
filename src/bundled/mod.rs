//! What the app shows before it has computed anything: recorded runs, what each code looks like, pictures for the picker. The
//! command line makes them (`dpar record`, `looks`, `thumbnails`), the app reads them.

pub mod extras;
pub mod recording;
pub mod sheet;
pub mod thumbnails;
pub mod token_swatches;

pub use extras::Extras;
