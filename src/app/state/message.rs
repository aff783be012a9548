//! The message line.

use crate::app::input::action::Action;

/// A sentence in the message line, and what the buttons beside it do.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The sentence.
    pub text: String,
    /// Each button's text and its action.
    pub offers: Vec<(&'static str, Action)>,
}
