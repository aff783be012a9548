//! Files of others in the public layouts (LlamaGen's token models and tokenizers, DPAR's) -> a model folder.
//!
//! What a file is, and of which shape, is read off its tensors: public checkpoints carry no config. Nothing here opens files or
//! knows their formats: `platform` gives [`ForeignFile`]s, whose tensors are read one by one when they are written.

mod assemble;
mod foreign;
mod imagenet;
mod names;
mod recognise;
mod write;

pub use self::assemble::{ImportedModel, ImportedPart, PartTensor, assemble};
pub use self::foreign::{ForeignFile, ForeignTensor, ReadTensor};
pub use self::names::{Named, named};
pub use self::recognise::{Hints, Recognised, recognise};

#[cfg(test)]
mod tests;
