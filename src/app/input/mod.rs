//! What a person can ask for, how it is carried out, and what is told of the outcome.

pub mod action;
mod perform;
pub mod published;
