//! Colours as a profile (ICC) means them -> sRGB, which is what the models have seen.

use image::DynamicImage;
use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout, ParsingOptions, TransformExecutor, TransformOptions};

/// Pixels that are converted at once; their copy is all the memory that it takes.
const RUN: usize = 4096;

/// Converts a picture to sRGB; alpha stays. A profile that is sRGB, to a level, changes nothing.
///
/// # Errors
/// Where the profile is damaged or not one of the picture's kind of colours; the picture is as it was.
pub(super) fn to_srgb(picture: &mut DynamicImage, profile: &[u8]) -> Result<(), CmsError> {
    let from = parse(profile)?;
    match picture {
        DynamicImage::ImageRgb8(p) => eight(p.as_mut(), &from, Layout::Rgb),
        DynamicImage::ImageRgba8(p) => eight(p.as_mut(), &from, Layout::Rgba),
        DynamicImage::ImageLuma8(p) => eight(p.as_mut(), &from, Layout::Gray),
        DynamicImage::ImageLumaA8(p) => eight(p.as_mut(), &from, Layout::GrayAlpha),
        DynamicImage::ImageRgb16(p) => sixteen(p.as_mut(), &from, Layout::Rgb),
        DynamicImage::ImageRgba16(p) => sixteen(p.as_mut(), &from, Layout::Rgba),
        DynamicImage::ImageLuma16(p) => sixteen(p.as_mut(), &from, Layout::Gray),
        DynamicImage::ImageLumaA16(p) => sixteen(p.as_mut(), &from, Layout::GrayAlpha),
        _ => Err(CmsError::InvalidLayout),
    }
}

/// Amounts of ink (C, M, Y, K; 0 is none) -> sRGB, in the same memory. Without a profile, or with one that is not of
/// inks, each ink takes its share of the light.
///
/// # Errors
/// As [`to_srgb`]; the picture is converted as without a profile.
pub(super) fn inks_to_srgb(mut inks: Vec<u8>, profile: Option<&[u8]>) -> (Vec<u8>, Result<(), CmsError>) {
    let by_profile = |profile: &[u8]| {
        let from = parse(profile)?;
        if from.color_space != DataColorSpace::Cmyk {
            return Err(CmsError::InvalidLayout);
        }
        // Four channels are called RGBA there.
        from.create_transform_8bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, TransformOptions::default())
    };
    let found = profile.map(by_profile).transpose();
    let (mut from, mut to) = ([0; 4 * RUN], [0; 3 * RUN]);
    let pixels = inks.len() / 4;
    for start in (0..pixels).step_by(RUN) {
        let count = RUN.min(pixels - start);
        let (from, to) = (&mut from[..4 * count], &mut to[..3 * count]);
        from.copy_from_slice(&inks[4 * start..][..4 * count]);
        let converted = found.as_ref().is_ok_and(|t| t.as_ref().is_some_and(|t| t.transform(from, to).is_ok()));
        if !converted {
            for (rgb, inks) in to.chunks_exact_mut(3).zip(from.chunks_exact(4)) {
                let [c, m, y, k] = [0, 1, 2, 3].map(|i| 255 - u32::from(inks[i]));
                rgb.copy_from_slice(&[c, m, y].map(|ink| ((ink * k + 127) / 255) as u8));
            }
        }
        // What is read next lies behind what is written here.
        inks[3 * start..][..3 * count].copy_from_slice(to);
    }
    inks.truncate(3 * pixels);
    (inks, found.map(|_| ()))
}

/// Bounded, because its tables are unpacked: presses' profiles have 3 MB at most, of 17 x 17 x 17 x 17 colours a table.
fn parse(profile: &[u8]) -> Result<ColorProfile, CmsError> {
    let bounds =
        ParsingOptions { max_profile_size: 3 << 20, max_allowed_clut_size: 1 << 17, ..ParsingOptions::default() };
    ColorProfile::new_from_slice_with_options(profile, bounds)
}

fn eight(samples: &mut [u8], from: &ColorProfile, layout: Layout) -> Result<(), CmsError> {
    let Some(target) = target(from, layout)? else { return Ok(()) };
    let transform = from.create_transform_8bit(layout, &target, layout, TransformOptions::default())?;
    in_place(samples, layout, &*transform)
}

fn sixteen(samples: &mut [u16], from: &ColorProfile, layout: Layout) -> Result<(), CmsError> {
    let Some(target) = target(from, layout)? else { return Ok(()) };
    let transform = from.create_transform_16bit(layout, &target, layout, TransformOptions::default())?;
    in_place(samples, layout, &*transform)
}

/// sRGB, or its greys; `None` where the profile is the same already.
fn target(from: &ColorProfile, layout: Layout) -> Result<Option<ColorProfile>, CmsError> {
    let grey = matches!(layout, Layout::Gray | Layout::GrayAlpha);
    let srgb = ColorProfile::new_srgb();
    match from.color_space {
        DataColorSpace::Rgb if is_srgb(from, &srgb)? => Ok(None),
        DataColorSpace::Rgb if !grey => Ok(Some(srgb)),
        DataColorSpace::Gray if grey => {
            let mut greys = ColorProfile::new_gray_with_gamma(1.0);
            greys.gray_trc = srgb.red_trc;
            Ok(Some(greys))
        }
        _ => Err(CmsError::InvalidLayout),
    }
}

/// Whether a profile means what sRGB means, to a level of 255: most do, under hundreds of names and with tables of
/// their own, and need no pass over the picture.
fn is_srgb(from: &ColorProfile, srgb: &ColorProfile) -> Result<bool, CmsError> {
    let colours: Vec<u8> = (0..=255u8)
        .step_by(15)
        .flat_map(|v| [[v, v, v], [v, 0, 0], [0, v, 0], [0, 0, v], [v, 255, 0], [0, v, 255], [255, 0, v]])
        .flatten()
        .collect();
    let mut seen = vec![0; colours.len()];
    let transform = from.create_transform_8bit(Layout::Rgb, srgb, Layout::Rgb, TransformOptions::default())?;
    transform.transform(&colours, &mut seen)?;
    Ok(colours.iter().zip(&seen).all(|(a, b)| a.abs_diff(*b) <= 1))
}

fn in_place<T: Copy + Default>(
    samples: &mut [T],
    layout: Layout,
    transform: &(impl TransformExecutor<T> + ?Sized),
) -> Result<(), CmsError> {
    let mut from = vec![T::default(); RUN * layout.channels()];
    for to in samples.chunks_mut(from.len()) {
        let from = &mut from[..to.len()];
        from.copy_from_slice(to);
        transform.transform(from, to)?;
    }
    Ok(())
}
