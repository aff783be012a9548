//! A model set up to draw: what `generate` and `replay` share.

use std::path::Path;
use std::time::Duration;

use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::engine::backend::Backend;
use dpar::engine::room::Room;
use dpar::engine::{Engine, Layout};
use dpar::model::Tokenizer;
use dpar::patching::Patches;
use dpar::run::request::Request;
use dpar::run::trace::Run;
use dpar::run::{Course, Event, Session, Statistics};
use dpar::{Error, Result, platform};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pollster::block_on;

use super::args::PlaceArgs;
use super::output;

/// How long one submit may keep the GPU: nobody paints a window, so much longer than the library's default (a submit
/// and its readback cost milliseconds on software adapters).
const BUDGET: Duration = Duration::from_millis(250);

/// So many pictures at once where nobody says how many.
const BATCH: usize = 16;

/// Reads the model folder, or the model that is part of the program; its weights are kept as asked for.
///
/// # Errors
/// As [`ModelFiles::load_dir`].
pub fn load_model(place: &PlaceArgs) -> Result<ModelFiles> {
    Ok(read_model(place.model.as_deref())?.kept(place.weights))
}

/// Reads the model folder, or the model that is part of the program.
///
/// # Errors
/// As [`ModelFiles::load_dir`].
pub fn read_model(dir: Option<&Path>) -> Result<ModelFiles> {
    let files = dir.map_or_else(platform::embedded_model, ModelFiles::load_dir)?;
    files.notes.iter().for_each(|said| output::note(said));
    Ok(files)
}

/// Opens the chosen device and says so where it is not the one that was hoped for.
///
/// # Errors
/// As [`Backend::open`].
pub fn open_backend(place: &PlaceArgs) -> Result<Backend> {
    let backend = block_on(Backend::open(place.device.into()))?;
    let backend = backend.with_threads(place.threads.map(usize::from)).with_caches(place.caches);
    if let Some(why) = &backend.fallback {
        output::note(&format!("running on the CPU: {why}; --device gpu insists on a GPU"));
    }
    Ok(backend)
}

/// Where the tokenizer runs, for people.
pub fn tokenizer_place(backend: &Backend) -> &'static str {
    match backend.gpu() {
        Some(gpu) if !gpu.is_software() => "GPU (burn)",
        _ => "CPU (burn flex)",
    }
}

/// A model on a device.
#[derive(Debug)]
pub struct Studio {
    /// The model.
    pub files: ModelFiles,
    /// The device.
    pub backend: Backend,
    /// The tokenizer, on the device that suits it.
    pub tokenizer: Tokenizer,
    /// How many pictures are drawn at once, if somebody has said so.
    batch: Option<usize>,
    /// The engine of the latest run with what it was built for: building one takes longer than a small picture.
    engine: Option<(BuiltFor, Engine)>,
}

/// What an engine was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BuiltFor {
    generator: Generator,
    lanes: u32,
    pictures: usize,
}

/// A finished run.
#[derive(Debug)]
pub struct Drawing {
    /// The run as a trace holds it, with details.
    pub run: Run,
    /// Its patches (every token its own for the baseline).
    pub patches: Patches,
    /// Its figures.
    pub statistics: Statistics,
}

impl Studio {
    /// Puts a model on a device.
    ///
    /// # Errors
    /// As [`Backend::tensor_device`] and [`Tokenizer::load`].
    pub fn new(files: ModelFiles, backend: Backend) -> Result<Self> {
        let tokenizer = Tokenizer::load(&files, &backend.tensor_device()?)?;
        Ok(Self { files, backend, tokenizer, batch: None, engine: None })
    }

    /// The same, with so many pictures at once, if somebody has said how many.
    #[must_use]
    pub fn with_batch(self, batch: Option<usize>) -> Self {
        Self { batch, ..self }
    }

    /// Runs a request to its end.
    ///
    /// # Errors
    /// As [`Session::new`] and [`Session::step_blocking`].
    pub fn draw(&mut self, request: Request, bar: &ProgressBar) -> Result<Drawing> {
        let mut drawn = None;
        self.draw_all(
            || false,
            &[request],
            bar,
            |_, drawing| {
                drawn = Some(drawing);
                Ok(())
            },
        )?;
        drawn.ok_or_else(|| Error::Internal("a run ended that nobody has stopped".into()))
    }

    /// Runs requests to their ends, several at once where they are of one generator; `take` gets them in order, as soon as they are
    /// done. False where `stop` has said so on the way: what was taken by then is whole.
    ///
    /// # Errors
    /// As [`Self::draw`], and what `take` says.
    pub fn draw_all(
        &mut self,
        stop: impl Fn() -> bool,
        requests: &[Request],
        bar: &ProgressBar,
        mut take: impl FnMut(&Self, Drawing) -> Result<()>,
    ) -> Result<bool> {
        // Before the engine, which takes its time.
        requests.iter().try_for_each(|request| request.check(&self.files.config))?;
        let mut done = 0;
        for alike in requests.chunk_by(|a, b| a.generator == b.generator) {
            let generator = alike[0].generator;
            let lanes = alike.iter().map(lanes).max().unwrap_or(1);
            let pictures = self.at_once(generator, lanes, alike.len())?;
            for now in alike.chunks(pictures) {
                if requests.len() > 1 {
                    bar.set_prefix(prefix(done, now.len(), requests.len()));
                }
                let Some(drawings) = self.draw_at_once(&stop, BuiltFor { generator, lanes, pictures }, now, bar)?
                else {
                    return Ok(false);
                };
                drawings.into_iter().try_for_each(|drawing| take(self, drawing))?;
                done += now.len();
            }
        }
        Ok(true)
    }

    /// How many of `count` pictures are drawn at once: as many as somebody has said, else up to [`BATCH`] that fit.
    fn at_once(&self, generator: Generator, lanes: u32, count: usize) -> Result<usize> {
        let room = Room::of(&self.files.config, generator, Layout { lanes, ..self.backend.layout() });
        match self.batch {
            Some(batch) => room.check(batch.min(count)).map(|()| batch.min(count)),
            None => Ok(BATCH.min(room.most).min(count)),
        }
    }

    fn draw_at_once(
        &mut self,
        stop: impl Fn() -> bool,
        wanted: BuiltFor,
        requests: &[Request],
        bar: &ProgressBar,
    ) -> Result<Option<Vec<Drawing>>> {
        let engine = match self.engine.take() {
            Some((built_for, engine)) if built_for == wanted => engine,
            _ => {
                bar.set_message(", getting ready");
                let BuiltFor { generator, lanes, pictures } = wanted;
                block_on(self.backend.engine_for(&self.files, generator, lanes, pictures))?
            }
        };
        let config = &self.files.config;
        let mut session = Session::several(engine, config, requests.to_vec())?.with_budget(BUDGET);
        let finished = finish(&mut session, stop, bar);
        // What wgpu reported outside our calls is the reason behind any other failure, and behind wrong tokens.
        self.check_device()?;
        let Some(statistics) = finished? else { return Ok(None) };
        let drawing = |(picture, statistics): (&Course, Statistics)| {
            let run = Run::of_picture(picture, config);
            Drawing { patches: run.patches(config.grid()), run, statistics }
        };
        let drawings = session.pictures().iter().zip(statistics).map(drawing).collect();
        self.engine = Some((wanted, session.into_engine()));
        Ok(Some(drawings))
    }

    /// The picture of all its tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::decode_image`].
    pub fn decode(&self, tokens: &[u32]) -> Result<RgbImage> {
        let picture = block_on(self.tokenizer.decode_image(tokens, self.files.config.grid()));
        self.check_device()?;
        picture
    }

    /// What wgpu reported outside our calls, if anything: results after it mean nothing.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn check_device(&self) -> Result<()> {
        self.backend.lost().map_or(Ok(()), Err)
    }
}

/// Guidance computes every token twice, with and without the class; a run that never uses it needs one lane.
fn lanes(request: &Request) -> u32 {
    let unguided = |scale: f32| scale == 1.0;
    let all = request.schedule.iter().map(|(_, controls)| controls).chain([&request.controls]);
    if all.into_iter().all(|controls| unguided(controls.sampling.cfg_scale)) { 1 } else { 2 }
}

/// Which of all pictures are being drawn.
fn prefix(done: usize, now: usize, count: usize) -> String {
    let first = done + 1;
    if now == 1 {
        format!("picture {first} of {count}  ")
    } else {
        format!("pictures {first} to {} of {count}  ", done + now)
    }
}

/// The figures of all pictures, in order.
fn finish(session: &mut Session, stop: impl Fn() -> bool, bar: &ProgressBar) -> Result<Option<Vec<Statistics>>> {
    let mut patches = 0u64;
    let mut done = vec![None; session.pictures().len()];
    bar.set_message("");
    while !session.is_done() {
        if stop() {
            return Ok(None);
        }
        for (picture, event) in session.step_blocking()? {
            match event {
                Event::Token(_) => bar.inc(1),
                Event::PatchClosed(_) if session.request().generator == Generator::Dpar => {
                    patches += 1;
                    bar.set_message(format!(", {patches} patches"));
                }
                Event::PatchClosed(_) => {}
                Event::Done(statistics) => done[picture] = Some(statistics),
            }
        }
    }
    let all: Option<Vec<Statistics>> = done.into_iter().collect();
    all.map(Some).ok_or_else(|| Error::Internal("a run ended without its figures".into()))
}

/// A progress bar over `tokens` tokens, on stderr, and only where that is a terminal and nobody wants it quiet.
pub fn progress(tokens: usize) -> ProgressBar {
    bar(tokens, TEMPLATE)
}

/// The same over so many bytes.
pub fn progress_of_bytes(bytes: usize) -> ProgressBar {
    bar(bytes, BYTES)
}

fn bar(length: usize, template: &str) -> ProgressBar {
    if output::is_quiet() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    // The templates are constants, checked by a test; a plain bar is no reason to fail.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━╸ "));
    bar
}

const TEMPLATE: &str = "{prefix}{bar:32} {pos}/{len} tokens{msg}, {eta} left";
const BYTES: &str = "{bar:32} {bytes}/{total_bytes}, {eta} left";

#[cfg(test)]
mod tests {
    use super::*;
    use dpar::engine::backend::DeviceChoice;

    #[test]
    fn a_device_that_dies_is_one_sentence() {
        if std::env::var("DPAR_NO_GPU").is_ok_and(|v| v == "1") {
            return;
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");
        let files = read_model(Some(Path::new(folder))).unwrap();
        let request = Request::new(&files.config, Generator::Dpar, 0, 1);
        let mut studio = Studio::new(files, block_on(Backend::open(DeviceChoice::Gpu)).unwrap()).unwrap();
        studio.draw(request.clone(), &ProgressBar::hidden()).unwrap();
        studio.backend.gpu().unwrap().device.destroy();
        let e = studio.draw(request, &ProgressBar::hidden()).unwrap_err();
        assert!(matches!(e, Error::DeviceLost(_)), "{e}");
    }

    #[test]
    fn the_progress_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
