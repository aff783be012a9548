//! Choosing what to draw: a search, the things that come out best, and every group with its things; one thing dropped
//! onto another mixes the two. What is shown is a list of rows, made anew only when the search or the open groups
//! change; a frame lays out those in sight.

mod rows;
mod show;

pub use rows::Picker;
pub use show::show;
