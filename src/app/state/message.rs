//! The message line.

use crate::app::input::action::Action;

/// A sentence in the message line, and what a button beside it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The sentence.
    pub text: String,
    /// The button's text and its action.
    pub offer: Option<(&'static str, Action)>,
}
