//! What a browser keeps for a person.

/// A model of a person's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptModel {
    /// Its folder's name.
    pub name: String,
    /// Of all its files.
    pub bytes: u64,
}
