//! A person's own image, and whose attention is looked at.

use std::fmt;
use std::sync::Arc;

use image::{DynamicImage, RgbImage};

use crate::analysis::{Analysis, Region};

/// Which part of the patch transformer is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attend {
    /// Layer, from 0.
    pub layer: usize,
    /// Head, from 0; `None` is the average of all.
    pub head: Option<usize>,
}

/// As the command takes it: `2`, `2.0`.
impl fmt::Display for Attend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.head {
            Some(head) => write!(f, "{}.{head}", self.layer),
            None => write!(f, "{}", self.layer),
        }
    }
}

/// A person's image.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its file's name.
    pub name: String,
    /// As it was read.
    pub image: Arc<DynamicImage>,
    /// Centre (shares of width and height) and zoom of the square that the models see.
    pub crop: ([f32; 2], f32),
    /// What they see.
    pub square: Arc<RgbImage>,
    /// What they make of it.
    pub analysis: Arc<Analysis>,
    /// What there is to know about its file, when that has just been read.
    pub note: Option<String>,
}

/// A person's image, where one is looked at.
#[derive(Clone, Debug)]
pub struct OwnPicture {
    /// The image.
    pub image: Option<Own>,
    /// What of it is kept when the model draws the rest.
    pub keep: Region,
}

impl Default for OwnPicture {
    fn default() -> Self {
        Self { image: None, keep: Region::first_rows(0, 0) }
    }
}
