//! One palette for all frames of an animation.

use std::collections::HashMap;

use color_quant::NeuQuant;
use image::RgbImage;

/// The palette entry that leaves a pixel as it is.
pub const TRANSPARENT: u8 = 255;
/// Colours that are kept exactly: backgrounds, lines, hatching. The rest is chosen to be near everything else.
const EXACT: usize = 48;
/// NeuQuant looks at every pixel at 1 and is fastest at 30.
const SAMPLING: i32 = 10;
/// Pixels looked at in all: enough for any picture of tokens, and few enough for one frame of an app.
const PIXELS: usize = 1 << 17;

/// At most 255 colours, and which of them is nearest to a colour.
#[derive(Debug, Default)]
pub struct Palette {
    colours: Vec<[u8; 3]>,
    nearest: HashMap<[u8; 3], u8>,
}

impl Palette {
    /// Fits the pixels of `samples`.
    pub fn of(samples: &[RgbImage]) -> Self {
        let total: usize = samples.iter().map(|s| s.pixels().len()).sum();
        // Odd, so that it does not walk down the columns of a picture whose width is a power of two.
        let step = total.div_ceil(PIXELS).max(1) | 1;
        let pixels = || samples.iter().flat_map(RgbImage::pixels).step_by(step);
        let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
        for pixel in pixels() {
            *counts.entry(pixel.0).or_default() += 1;
        }
        let mut frequent: Vec<([u8; 3], usize)> = counts.into_iter().collect();
        // Equal counts in order of colour: the same run is the same file.
        frequent.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let room = usize::from(TRANSPARENT);
        let mut colours: Vec<[u8; 3]> = frequent.iter().map(|f| f.0).collect();
        if colours.len() > room {
            colours.truncate(EXACT);
            let rgba: Vec<u8> =
                pixels().filter(|p| !colours.contains(&p.0)).flat_map(|p| [p.0[0], p.0[1], p.0[2], 255]).collect();
            let map = NeuQuant::new(SAMPLING, room - EXACT, &rgba).color_map_rgb();
            colours.extend(map.chunks_exact(3).map(|c| [c[0], c[1], c[2]]));
        }
        Self { colours, nearest: HashMap::new() }
    }

    /// The entry nearest to a colour.
    pub fn index(&mut self, colour: [u8; 3]) -> u8 {
        let colours = &self.colours;
        *self.nearest.entry(colour).or_insert_with(|| {
            let distance = |c: &[u8; 3]| -> u32 {
                // The eye tells greens apart best and blues worst.
                [3, 6, 2]
                    .iter()
                    .zip(c.iter().zip(&colour))
                    .map(|(w, (a, b))| w * u32::from(a.abs_diff(*b)).pow(2))
                    .sum()
            };
            let best = colours.iter().enumerate().min_by_key(|(_, c)| distance(c));
            best.map_or(0, |(n, _)| n as u8)
        })
    }

    /// All 256 entries for a GIF's table.
    pub fn rgb(&self) -> Vec<u8> {
        let mut rgb: Vec<u8> = self.colours.iter().flatten().copied().collect();
        rgb.resize(3 * 256, 0);
        rgb
    }

    /// The colour of an entry.
    #[cfg(test)]
    pub fn colour(&self, index: u8) -> [u8; 3] {
        self.colours[usize::from(index)]
    }
}
