//! What is not read, and why: the sentences that follow a file's name.

use image::ImageError;

/// Most pixels a side.
const MAX_SIDE: u32 = 16_384;
/// Most pixels in all.
const MAX_PIXELS: u64 = 100_000_000;
/// Most pixels of a JPEG, which is made smaller while it is decoded (phones take 200 megapixels).
const MAX_JPEG_PIXELS: u64 = 400_000_000;
/// Most bytes of a decoded picture (100 megapixels of 16-bit colour would be more), and the most of a file that callers
/// need to read: what is longer is refused.
pub const MAX_BYTES: u64 = 512 << 20;

/// Why a picture was not read.
pub(super) enum Refusal {
    /// A file of more than [`MAX_BYTES`].
    LongFile,
    /// A picture of width x height.
    TooLarge(u32, u32),
    /// Not one of the five formats; what it is, where that is known.
    Foreign(Option<&'static str>),
    /// One of the five, in a form that is not read: what it is.
    Form(String),
    /// A file that does not hold what it says, and how the decoder put it.
    Broken(String),
}

impl Refusal {
    /// Refuses what a file cannot hold: so much is not set aside for a few bytes.
    pub(super) fn hollow(bytes: usize, width: u32, height: u32) -> Self {
        Self::Broken(format!("{bytes} bytes cannot hold {width} x {height} pixels"))
    }

    /// The rest of a sentence that begins with the file.
    pub(super) fn sentence(self) -> String {
        let most = format!(
            "at most {MAX_SIDE} a side and {} megapixels are read ({} of a JPEG, which is read smaller)",
            MAX_PIXELS / 1_000_000,
            MAX_JPEG_PIXELS / 1_000_000
        );
        match self {
            Self::LongFile => format!("is longer than {} MB, which is the most that is read", MAX_BYTES >> 20),
            Self::TooLarge(0, 0) => format!("is too large to decode: {most}"),
            Self::TooLarge(width, height) => format!("is {width} x {height} pixels: {most}"),
            Self::Foreign(Some(what)) => format!("is {what}, which is not read: convert it to PNG or JPEG"),
            Self::Foreign(None) => "is not a picture this program reads (PNG, JPEG, WebP, GIF, BMP)".to_owned(),
            Self::Form(what) => format!("is {what}, which is not read: convert it to PNG or an ordinary JPEG"),
            Self::Broken(how) => format!("is damaged or cut short ({how})"),
        }
    }
}

impl From<ImageError> for Refusal {
    fn from(e: ImageError) -> Self {
        match e {
            ImageError::Limits(_) => Self::TooLarge(0, 0),
            ImageError::Unsupported(e) => Self::Form(format!("of a rare kind ({e})")),
            e => Self::Broken(e.to_string()),
        }
    }
}

/// Whether a picture of this size is decoded whole.
pub(super) fn is_within_limits(width: u32, height: u32) -> bool {
    width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS
}

/// By what a JPEG's sides are divided so that it is within the limits: 1, 2, 4 or 8.
///
/// # Errors
/// [`Refusal::TooLarge`].
pub(super) fn jpeg_divisor(width: u32, height: u32) -> Result<u32, Refusal> {
    let fits = |by: &u32| is_within_limits(width.div_ceil(*by), height.div_ceil(*by));
    let some = u64::from(width) * u64::from(height) <= MAX_JPEG_PIXELS;
    [1, 2, 4, 8].into_iter().filter(|_| some).find(fits).ok_or(Refusal::TooLarge(width, height))
}
