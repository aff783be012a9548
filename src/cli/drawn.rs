//! What `generate` has drawn and written, for whoever reports it.

use image::RgbImage;

use super::studio::Drawing;

/// One drawn picture and what is known about it.
#[derive(Debug)]
pub struct Drawn {
    /// Tokens, patches, figures.
    pub drawing: Drawing,
    /// Pixels.
    pub image: RgbImage,
}

/// The files a command has written.
#[derive(Debug, Default, serde::Serialize)]
pub struct DrawnFiles {
    /// The picture or the grid.
    pub picture: String,
    /// Its width and height in pixels.
    pub size: (u32, u32),
    /// One overlay per picture.
    pub overlays: Vec<String>,
    /// One animation per picture.
    pub animations: Vec<String>,
    /// The trace.
    pub trace: Option<String>,
    /// What draws each picture again, here or in the app.
    #[serde(skip)]
    pub links: Vec<String>,
}
