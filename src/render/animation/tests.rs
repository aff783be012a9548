use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, Rgb};

use super::*;
use crate::patching::Mode;

const RULE: PatchRule = PatchRule { mode: Mode::EntropyRowBoundary, threshold: 3.0, max_patch_length: 4, grid: 8 };

/// Pictures of a run of `tokens` tokens, one every 8, that change everywhere.
fn frames(tokens: usize) -> Vec<Preview> {
    let picture = |shift: usize| {
        RgbImage::from_fn(32, 32, |x, y| Rgb([8 * x as u8, 8 * y as u8, (shift + 3 * (x ^ y) as usize) as u8]))
    };
    (1..=tokens.div_ceil(8)).map(|n| Preview { tokens: tokens.min(8 * n), image: picture(n) }).collect()
}

fn patches(tokens: usize) -> Patches {
    RULE.patches(&(0..tokens).map(|i| (i * 7 % 13) as f32 / 2.0).collect::<Vec<_>>())
}

fn decoded(gif: &[u8]) -> Vec<image::Frame> {
    GifDecoder::new(Cursor::new(gif)).unwrap().into_frames().collect_frames().unwrap()
}

#[test]
fn animations_show_every_moment_as_it_was_drawn() {
    for with_patches in [true, false] {
        let grid = with_patches.then(|| patches(64));
        let mut animation = Animation::new(frames(64), grid, RULE).unwrap();
        let total = animation.moments.len();
        let mut steps = 0;
        while animation.step().unwrap() {
            steps += 1;
            assert_eq!(animation.next, steps);
        }
        let drawn: Vec<RgbImage> = (0..total).map(|n| animation.image(n).unwrap()).collect();
        let gif = animation.finish().unwrap();
        let shown = decoded(&gif);
        assert_eq!((shown.len(), total), (steps, if with_patches { 65 } else { 64 }));
        let mut worst = 0;
        for (frame, picture) in shown.iter().zip(&drawn) {
            assert_eq!(frame.buffer().dimensions(), (480, 480));
            let (mut sum, mut count) = (0u64, 0u64);
            for (a, b) in frame.buffer().pixels().zip(picture.pixels()) {
                assert_eq!(a.0[3], 255);
                sum += (0..3).map(|c| u64::from(a.0[c].abs_diff(b.0[c]))).sum::<u64>();
                count += 3;
            }
            worst = worst.max(100 * sum / count);
        }
        assert!(worst < 600, "{worst} hundredths of a level off on average");
        let delays: Vec<u32> =
            shown.iter().map(|f| f.delay().numer_denom_ms().0 / f.delay().numer_denom_ms().1).collect();
        assert_eq!((delays[0], delays[total - 1]), (80, 2000));
        assert!(gif.windows(11).any(|w| w == b"NETSCAPE2.0"), "it loops");
    }
}

#[test]
fn the_same_run_is_the_same_file_and_short_runs_end_early() {
    let make = |tokens: usize| Animation::new(frames(tokens), Some(patches(tokens)), RULE).unwrap().finish().unwrap();
    assert_eq!(make(12), make(12));
    for tokens in [1, 2, 9] {
        assert_eq!(decoded(&make(tokens)).len(), tokens + 1);
    }
    assert!(Animation::new(Vec::new(), None, RULE).unwrap_err().to_string().contains("nothing is drawn yet"));
    let rule = PatchRule { grid: 0, ..RULE };
    assert!(Animation::new(frames(64), None, rule).is_err());
}

#[test]
fn few_colours_stay_exact_and_many_stay_near() {
    let few = RgbImage::from_fn(16, 15, |x, y| Rgb([x as u8, y as u8, 77]));
    let mut palette = Palette::of(std::slice::from_ref(&few));
    for pixel in few.pixels() {
        let index = palette.index(pixel.0);
        assert!(index != TRANSPARENT && palette.colour(index) == pixel.0);
    }
    // A white ground under a rainbow stays white.
    let many =
        RgbImage::from_fn(128, 128, |x, y| if y < 32 { Rgb([255; 3]) } else { Rgb([2 * x as u8, 2 * y as u8, 9]) });
    let mut palette = Palette::of(std::slice::from_ref(&many));
    let white = palette.index([255; 3]);
    assert_eq!(palette.colour(white), [255; 3]);
    let worst = many.pixels().map(|p| {
        let index = palette.index(p.0);
        palette.colour(index).iter().zip(&p.0).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    });
    let mean = worst.map(u32::from).sum::<u32>() / (128 * 128);
    assert!(mean <= 12, "{mean} levels off on average");
    assert_eq!(palette.rgb().len(), 768);
}

#[test]
fn frames_hold_only_what_changed() {
    let screen = vec![0; 12];
    let mut next = screen.clone();
    (next[5], next[10]) = (7, 8);
    let t = TRANSPARENT;
    let expected = Changed { left: 1, top: 1, width: 2, height: 2, pixels: vec![7, t, t, 8] };
    assert_eq!(changed(&screen, &next, 4), expected);
    assert_eq!(changed(&screen, &screen, 4).pixels, [t]);
    assert_eq!(changed(&[], &screen, 4).pixels, screen);
}

#[test]
fn cells_fit_the_side() {
    assert_eq!(
        [cell(16, 64), cell(8, 32), cell(64, 128), cell(64, 1024), cell(4, 8), cell(17, 34)],
        [28, 60, 6, 7, 64, 28]
    );
}
