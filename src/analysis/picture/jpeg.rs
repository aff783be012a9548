//! JPEG: where the picture ends in its file, whether all of it is there, and what kinds are read.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::refusal::{MAX_BYTES, Refusal, jpeg_divisor};

/// A decoded JPEG, as it lies in the file.
pub(super) struct DecodedJpeg {
    /// Its pixels.
    pub(super) pixels: JpegPixels,
    /// Its colour profile (ICC).
    pub(super) profile: Option<Vec<u8>>,
    /// How the camera was held.
    pub(super) orientation: Orientation,
    /// Whether its data break off.
    pub(super) is_partial: bool,
}

/// Pixels of a JPEG.
pub(super) enum JpegPixels {
    /// Grey or RGB.
    Light(DynamicImage),
    /// Width, height, and amounts of C, M, Y, K (0 is none) of every pixel.
    Inks(u32, u32, Vec<u8>),
}

/// The frame header.
struct JpegFrame {
    /// The second byte of its marker: which kind of JPEG.
    kind: u8,
    /// Bits a sample.
    precision: u8,
    width: u32,
    height: u32,
    components: Vec<JpegComponent>,
}

/// One of a frame's planes.
struct JpegComponent {
    id: u8,
    /// Horizontal and vertical sampling.
    sampling: [u32; 2],
    /// Which of a block's 64 coefficients have come, to the last bit.
    sent: u64,
}

/// What the markers of a file say.
struct JpegWalk {
    frame: Option<JpegFrame>,
    /// Where the end marker is, where there is one.
    end: Option<usize>,
}

/// Decodes a file that begins with the marker of a JPEG. What follows the picture (a motion photo's video, a second
/// picture) is not looked at; what is over the limits is decoded at a half, a quarter or an eighth of its size.
pub(super) fn decode(bytes: &[u8]) -> Result<DecodedJpeg, Refusal> {
    let JpegWalk { frame, end } = walk(bytes);
    let cut = || Refusal::Broken("the end of the picture is missing".into());
    let frame = frame.ok_or_else(cut)?;
    if let Some(what) = frame.unread() {
        return Err(Refusal::Form(what.into()));
    }
    let end = end.ok_or_else(cut)?;
    let by = jpeg_divisor(frame.width, frame.height)?;
    if frame.least_bytes() > end as u64 {
        return Err(Refusal::hollow(end, frame.width, frame.height));
    }
    let data = guarded(&bytes[..end]);
    let mut decoder = decoder(&data);
    decoder.decode_headers().map_err(broken)?;
    let profile = decoder.icc_profile();
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let (pixels, breaks_off) = if by > 1 || frame.components.len() == 4 {
        drop(decoder); // and its copies of what it has read
        (decode_smaller(&frame, &data, by)?, false)
    } else {
        decode_whole(&frame, &data, decoder)?
    };
    let is_partial = breaks_off || frame.lacks_scans();
    Ok(DecodedJpeg { pixels, profile, orientation, is_partial })
}

/// Reads from marker to marker, to the first end after a scan. Inside of the pixels' data neither an end nor a length can
/// occur: each FF is followed by a zero there, or by a restart marker.
fn walk(bytes: &[u8]) -> JpegWalk {
    let mut found = JpegWalk { frame: None, end: None };
    let (mut at, mut scans) = (2, 0);
    loop {
        let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == 0xff)) else { return found };
        let marker = at + next;
        let Some(fill) = bytes[marker..].iter().position(|b| *b != 0xff) else { return found };
        let (kind, body) = (bytes[marker + fill], marker + fill + 1);
        at = body;
        match kind {
            0x00 | 0x01 | 0xd0..=0xd8 => continue, // no length follows
            0xd9 if scans > 0 => {
                found.end = Some(marker);
                return found;
            }
            0xd9 => continue,
            _ => {}
        }
        let length = bytes.get(body..).and_then(|b| b.first_chunk()).map_or(0, |pair| u16::from_be_bytes(*pair));
        let Some(segment) = bytes.get(body..body + usize::from(length)).filter(|_| length >= 2) else { return found };
        at = body + usize::from(length);
        match kind {
            0xc4 | 0xc8 | 0xcc => {} // tables
            0xc0..=0xcf | 0xf7 if found.frame.is_none() => found.frame = JpegFrame::read(kind, segment),
            0xda => {
                scans += 1;
                if let Some(frame) = &mut found.frame {
                    frame.scan(segment);
                }
            }
            _ => {}
        }
    }
}

impl JpegFrame {
    fn read(kind: u8, segment: &[u8]) -> Option<Self> {
        let [_, _, precision, h1, h0, w1, w0, count, ref components @ ..] = *segment else { return None };
        let components = components.chunks_exact(3).take(usize::from(count)).map(|c| JpegComponent {
            id: c[0],
            sampling: [c[1] >> 4, c[1] & 15].map(u32::from),
            sent: 0,
        });
        let [width, height] = [[w1, w0], [h1, h0]].map(|pair| u32::from(u16::from_be_bytes(pair)));
        Some(Self { kind, precision, width, height, components: components.collect() })
    }

    /// Takes note of a scan by its header: of which components it sends which coefficients.
    fn scan(&mut self, segment: &[u8]) {
        let [_, _, count, ref rest @ ..] = *segment else { return };
        let Some((ids, [first, last, bits, ..])) = rest.split_at_checked(2 * usize::from(count)) else { return };
        let sent = match self.kind {
            0xc2 if bits & 15 > 0 => 0, // the lower bits come in another scan
            0xc2 => (0..64).filter(|i| (*first..=*last).contains(i)).fold(0, |sent, i| sent | 1 << i),
            _ => u64::MAX,
        };
        for component in self.components.iter_mut().filter(|c| ids.chunks_exact(2).any(|id| id[0] == c.id)) {
            component.sent |= sent;
        }
    }

    /// Whether scans are missing: the last ones of a progressive JPEG, or whole colours.
    fn lacks_scans(&self) -> bool {
        self.components.iter().any(|c| c.sent != u64::MAX)
    }

    /// What it is, where no decoder here reads it.
    fn unread(&self) -> Option<&'static str> {
        match self.kind {
            0xf7 => Some("a JPEG-LS picture"),
            0xc9..=0xcf => Some("a JPEG with arithmetic coding"),
            0xc3 => Some("a lossless JPEG"),
            0xc5..=0xc7 => Some("a hierarchical JPEG"),
            _ if self.precision == 12 => Some("a JPEG with 12 bits a sample"),
            _ if self.height == 0 => Some("a JPEG that says its height at its end"),
            _ => None,
        }
    }

    /// The least that its scans can be: a block of 8 x 8 samples has a bit or more.
    fn least_bytes(&self) -> u64 {
        u64::from(self.width.div_ceil(8)) * u64::from(self.height.div_ceil(8)) / 8
    }

    /// Bytes of the coefficients that a progressive JPEG is collected in.
    fn coefficient_bytes(&self) -> u64 {
        let most = |side: usize| self.components.iter().map(|c| c.sampling[side]).max().unwrap_or(1).max(1);
        let whole = u64::from(most(0) * most(1));
        let pixels = u64::from(self.width) * u64::from(self.height);
        self.components.iter().map(|c| 2 * pixels * u64::from(c.sampling[0] * c.sampling[1]) / whole).sum()
    }
}

/// The picture with its data's end marked by ones, and then by its end marker. The decoders go on with zeros where data
/// are missing, which are a picture; ones are no Huffman code, so that they notice.
fn guarded(picture: &[u8]) -> Vec<u8> {
    // Both look at most 8 bytes ahead.
    const ONES: usize = 16;
    let mut data = Vec::with_capacity(picture.len() + 2 * ONES + 2);
    data.extend_from_slice(picture);
    data.extend_from_slice(&[0xff, 0x00].repeat(ONES));
    data.extend_from_slice(&[0xff, 0xd9]);
    data
}

fn broken(e: impl ToString) -> Refusal {
    Refusal::Broken(e.to_string())
}

fn decoder(data: &[u8]) -> zune_jpeg::JpegDecoder<ZCursor<&[u8]>> {
    let most = usize::from(u16::MAX); // the limits are this program's own
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(most).set_max_height(most);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(data), options)
}

/// Decodes grey and RGB in full size; also says whether data are missing (what they would have shown is grey).
fn decode_whole(
    frame: &JpegFrame,
    data: &[u8],
    mut strict: zune_jpeg::JpegDecoder<ZCursor<&[u8]>>,
) -> Result<(JpegPixels, bool), Refusal> {
    let grey = strict.input_colorspace() == Some(ColorSpace::Luma);
    let (colours, channels) = if grey { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    let mut samples = vec![0; channels * frame.width as usize * frame.height as usize];
    strict.set_options(strict.options().jpeg_set_out_colorspace(colours).set_strict_mode(true));
    let mut is_partial = false;
    if strict.decode_into(&mut samples).is_err() {
        drop(strict);
        let mut lenient = decoder(data);
        lenient.set_options(lenient.options().jpeg_set_out_colorspace(colours));
        lenient.decode_into(&mut samples).map_err(broken)?;
        is_partial = true;
    }
    let picture = picture(frame.width, frame.height, samples, channels)?;
    Ok((JpegPixels::Light(picture), is_partial))
}

/// Decodes with the sides divided by `by`, and CMYK, for which the other decoder does not give the inks.
fn decode_smaller(frame: &JpegFrame, data: &[u8], by: u32) -> Result<JpegPixels, Refusal> {
    let refused = || Refusal::TooLarge(frame.width, frame.height);
    if frame.kind == 0xc2 && frame.coefficient_bytes() > MAX_BYTES {
        return Err(refused()); // a progressive one is collected in full size
    }
    let mut decoder = jpeg_decoder::Decoder::new(data);
    decoder.set_max_decoding_buffer_size(MAX_BYTES as usize);
    let [width, height] = [frame.width, frame.height].map(|side| side.div_ceil(by) as u16);
    let (width, height) = decoder.scale(width, height).map_err(broken)?;
    let (width, height) = (u32::from(width), u32::from(height));
    let samples = decoder.decode().map_err(broken)?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(jpeg_decoder::PixelFormat::CMYK32) => Ok(JpegPixels::Inks(width, height, samples)),
        Some(format) => picture(width, height, samples, format.pixel_bytes()).map(JpegPixels::Light),
        None => Err(refused()),
    }
}

fn picture(width: u32, height: u32, samples: Vec<u8>, channels: usize) -> Result<DynamicImage, Refusal> {
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, samples).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, samples).map(DynamicImage::from),
    };
    picture.ok_or_else(|| broken("its size is not that of its pixels"))
}
