//! Pictures as files, and what a picture of ours says of itself.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::error::{Error, Result};

/// The keyword of the text chunk that says how a picture was drawn.
const KEYWORD: &str = "dpar";
/// The most memory that is given to the text of a stranger's file, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// How every PNG file begins.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

/// How a picture was drawn: what an iTXt chunk of its file says, a `key: value` a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The share link of the picture; of several pictures in a grid each one's, in order.
    pub links: Vec<String>,
    /// How many tokens of somebody's own image the links leave out: without them another picture is drawn.
    pub left_out: usize,
    /// The model's hash.
    pub model: String,
}

impl Provenance {
    /// Of one picture.
    pub fn new(link: impl ToString, model: &str) -> Self {
        Self { links: vec![link.to_string()], model: model.to_owned(), ..Self::default() }
    }

    /// Of a picture that no link draws: only that it was made here.
    pub fn without_link(model: &str) -> Self {
        Self { model: model.to_owned(), ..Self::default() }
    }

    /// Whether a PNG file was made here.
    pub fn is_ours(png: &[u8]) -> bool {
        text(png).is_some()
    }

    /// What a PNG file says of how it was drawn, if it is one of ours.
    pub fn read(png: &[u8]) -> Option<Self> {
        let text = text(png)?;
        let mut found = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            match key {
                "link" => found.links.push(value.to_owned()),
                "left out" => found.left_out = value.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default(),
                "model" => value.clone_into(&mut found.model),
                _ => {} // of a later version
            }
        }
        (!found.links.is_empty()).then_some(found)
    }

    fn text(&self) -> String {
        let links = self.links.iter().map(|link| format!("link: {link}\n"));
        let left_out = match self.left_out {
            0 => String::new(),
            tokens => format!("left out: {tokens} tokens that were kept of an image\n"),
        };
        let links = links.collect::<String>();
        format!("{links}{left_out}model: {}\nversion: {}\n", self.model, env!("CARGO_PKG_VERSION"))
    }
}

/// What a PNG file that was made here says of itself.
fn text(png: &[u8]) -> Option<String> {
    if !png.starts_with(SIGNATURE) {
        return None;
    }
    let limits = png::Limits { bytes: MAX_TEXT };
    let reader = png::Decoder::new_with_limits(Cursor::new(png), limits).read_info().ok()?;
    let chunk = reader.info().utf8_text.iter().find(|chunk| chunk.keyword == KEYWORD)?;
    chunk.get_text().ok()
}

/// A picture as a PNG file.
///
/// # Errors
/// [`Error::Internal`]: pictures in memory can always be encoded.
pub fn png_bytes(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).map_err(internal)?;
    Ok(file.into_inner())
}

/// The same, with how it was drawn.
///
/// # Errors
/// As [`png_bytes`].
pub fn png_with(picture: &RgbImage, provenance: &Provenance) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut write = || {
        let mut encoder = png::Encoder::new(&mut file, picture.width(), picture.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.add_itxt_chunk(KEYWORD.to_owned(), provenance.text())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(picture.as_raw())?;
        writer.finish()
    };
    write().map_err(internal)?;
    Ok(file)
}

fn internal(e: impl std::fmt::Display) -> Error {
    Error::Internal(format!("a picture cannot be encoded as PNG ({e})"))
}
