//! A person's own picture: what the analyser finds, and completing the rest of a kept rectangle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use burn::tensor::Device;
use common::{Fixture, assert_close};
use dpar::analysis::{Analyzer, Region, keep, read_picture, square};
use dpar::checkpoint::config::Generator;
use dpar::engine::backend::Backend;
use dpar::model::Tokenizer;
use dpar::run::Session;
use dpar::run::request::Request;
use image::RgbImage;
use pollster::block_on;

fn analyzer(f: &Fixture, device: &Device) -> (Analyzer, Tokenizer) {
    let tokenizer = Tokenizer::load(&f.files, device).unwrap();
    (Analyzer::new(&f.files, tokenizer.clone(), device).unwrap(), tokenizer)
}

/// The trained model on a picture it knows to draw: through a PNG file and back.
#[test]
fn a_picture_becomes_tokens_entropies_and_a_picture_again() {
    let f = Fixture::load("v1");
    let (analyzer, tokenizer) = analyzer(&f, &Device::flex());
    let run = &f.runs()[0];
    let drawn = block_on(tokenizer.decode_image(&run.tokens, f.files.config.grid())).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    drawn.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let picture = square(&read_picture(png.get_ref(), "drawn.png").unwrap().image, None, analyzer.side() as u32);
    assert_eq!(picture, drawn);

    let found = block_on(analyzer.analyse(&picture)).unwrap();
    assert_eq!((found.codes.len(), found.entropies.len()), (256, 256));
    let psnr = found.psnr_db.unwrap();
    println!("PSNR {psnr:.1} dB, {:.2} levels off", found.mean_abs_error);
    assert!(psnr > 20.0 && found.mean_abs_error < 20.0, "{psnr} dB");
    let grid = f.files.config.grid();
    assert_eq!(found.reconstruction, block_on(tokenizer.decode_image(&found.codes, grid)).unwrap());
    // The reference's entropies for the tokens it drew itself.
    let entropies = block_on(analyzer.entropies(&run.tokens)).unwrap();
    assert_close("entropies", &entropies, &run.entropies, 1e-3);
}

#[test]
fn analysis_runs_on_the_gpu() {
    let Some(gpu) = common::gpu() else { return };
    let f = Fixture::load("tiny");
    let picture = RgbImage::from_fn(16, 16, |x, y| image::Rgb([(x * 16) as u8, (y * 16) as u8, 99]));
    let (cpu, _) = analyzer(&f, &Device::flex());
    let (gpu, _) = analyzer(&f, &gpu.burn_device().unwrap());
    let [a, b] = [cpu, gpu].map(|analyzer| block_on(analyzer.analyse(&picture)).unwrap());
    assert_eq!(a.codes, b.codes);
    assert_close("entropies", &b.entropies, &a.entropies, 1e-3);
}

#[test]
fn what_cannot_be_analysed_is_one_sentence() {
    let mut f = Fixture::load("tiny");
    let (analyzer, tokenizer) = analyzer(&f, &Device::flex());
    let e = block_on(analyzer.analyse(&RgbImage::new(17, 16))).unwrap_err();
    assert!(e.is_bad_input() && e.to_string().contains("17 x 16 pixels: this model reads 16 x 16"), "{e}");
    f.files.entropy = None;
    let e = Analyzer::new(&f.files, tokenizer, &Device::flex()).unwrap_err();
    assert!(e.is_bad_input() && e.to_string().contains("has no `entropy` model"), "{e}");
}

/// A rectangle in the middle stays, the rest is drawn; what comes before it does not know of it.
#[test]
fn the_rest_of_a_kept_rectangle_is_drawn() {
    let f = Fixture::load("tiny");
    let draw = |forced: Vec<Option<u32>>| {
        let request = Request { forced, ..Request::new(&f.files.config, Generator::Dpar, 1, 7) };
        let engine = block_on(Backend::cpu(None).engine(&f.files, Generator::Dpar, 2)).unwrap();
        let mut session = Session::new(engine, &f.files.config, request).unwrap();
        while !session.is_done() {
            session.step().unwrap();
        }
        session.tokens().iter().map(|t| t.id).collect::<Vec<_>>()
    };
    let codes: Vec<u32> = (0..64).map(|i| (i * 29 + 5) % 64).collect();
    let region = Region { rows: 3..5, columns: 2..6 };
    let (free, completed) = (draw(Vec::new()), draw(keep(&codes, 8, &region)));
    for i in (0..64).filter(|i| region.holds(*i, 8)) {
        assert_eq!(completed[i], codes[i], "token {i} is kept");
    }
    assert_eq!(completed[..26], free[..26], "what comes before is not touched");
    assert_ne!(completed[30..], free[30..], "what follows sees what was kept");
}
