//! What a person can ask for, how it is carried out, and what is told of the outcome.

pub mod action;
pub(in crate::app) mod arrive;
pub mod command;
pub mod commands;
pub mod lookup;
mod now;
mod perform;
pub mod published;
mod values;
