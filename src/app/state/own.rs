//! A person's own image, and whose attention is looked at.

use std::sync::Arc;

use image::{DynamicImage, RgbImage};

use crate::analysis::Analysis;

/// Which part of the patch transformer is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attend {
    /// Layer, from 0.
    pub layer: usize,
    /// Head, from 0; `None` is the average of all.
    pub head: Option<usize>,
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
}
