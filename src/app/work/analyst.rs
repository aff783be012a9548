//! Slow thoughts beside the frame: the grid under another threshold, a person's own image, attention, the self-test.

use std::sync::Arc;

use image::DynamicImage;

use crate::analysis::{Analyzer, Crop, PictureRead, read_picture, square};
use crate::app::input::action::Brought;
use crate::app::state::own::Own;
use crate::app::work::attending::Attending;
use crate::app::work::loaded_model::{LoadedModel, Wake};
use crate::app::work::regrid::Regrid;
use crate::engine::backend::Backend;
use crate::engine::selfcheck::{SelfCheck, selfcheck};
use crate::error::{Error, Result};
use crate::platform::{self, Progress, ProgressStep, Task, finished};

/// Everything that is thought about beside the frame.
#[derive(Default)]
pub struct Analyst {
    /// Grids under other rules.
    pub regrid: Regrid,
    own: Option<Task<Result<Looked>>>,
    /// How far the tokenizer's encoder is, which is fetched for the first picture where it has a file of its own.
    fetching: Option<Progress>,
    analyzer: Option<Arc<Analyzer>>,
    /// What patches attend to.
    pub attention: Attending,
    check: Option<Task<Result<SelfCheck>>>,
    /// The self-test's verdict, in a sentence.
    pub selfcheck: Option<String>,
    /// What the inspected patch attends to, where that is known: a weight a patch.
    pub row: Option<Vec<f32>>,
    /// It has not begun yet.
    waits: bool,
}

/// What has been found in an image, and what has looked at it: the next image is looked at with the same.
type Looked = (Own, Arc<Analyzer>);

/// An image by name, and which square of it: centre (shares of width and height) and zoom.
pub struct Readable {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: Arc<DynamicImage>,
    /// Centre and zoom.
    pub crop: ([f32; 2], f32),
    /// What there is to know about its file, when that has just been read.
    pub note: Option<String>,
}

/// What to look at.
pub enum LookAt {
    /// What somebody has brought, its middle.
    Brought(Brought),
    /// The image that is there, another square of it.
    Again(Readable),
}

impl Analyst {
    /// Of a new model: begins when it is told to.
    pub fn waiting() -> Self {
        Self { waits: true, ..Self::default() }
    }

    /// Opens the merge kernel and checks the GPU against the CPU; once.
    pub fn begin(&mut self, backend: &Arc<Backend>, wake: &Wake) {
        if !std::mem::take(&mut self.waits) {
            return;
        }
        self.regrid.begin(backend, wake);
        if backend.gpu().is_some() {
            let (on, wake) = (backend.clone(), wake.clone());
            let check = async move || match on.gpu() {
                Some(gpu) => selfcheck(gpu).await,
                None => Err(Error::Internal("the GPU is gone before its check".into())),
            };
            self.check = Some(Task::spawn(move || wake(), check));
        }
    }

    /// The self-test's verdict, when it has just been reached: whether all is well, and the sentence.
    pub fn verdict(&mut self) -> Option<(bool, String)> {
        match finished(&mut self.check)? {
            Ok(check) if check.ok() => {
                Some((true, format!("ok: GPU and CPU agree to {:.0e} ({:.0} ms)", check.worst_error, check.ms)))
            }
            Ok(check) => Some((false, check.verdict())),
            Err(e) => Some((false, e.to_string())),
        }
    }

    /// Starts to look at an image, in whatever form it has come.
    ///
    /// # Errors
    /// As [`Backend::tensor_device`].
    pub fn look(&mut self, model: &LoadedModel, what: LookAt, wake: &Wake) -> Result<()> {
        let (device, files, there) = (model.backend.tensor_device()?, model.files.clone(), self.analyzer.clone());
        let (tokenizer, progress, wake) = ((*model.tokenizer).clone(), Progress::default(), wake.clone());
        self.fetching = Some(progress.clone());
        let work = async move || {
            let Readable { name, image, crop, note } = what.read()?;
            let analyzer = match there {
                Some(analyzer) => analyzer,
                None if files.encoder().is_some() => Arc::new(Analyzer::new(&files, tokenizer, &device)?),
                None => {
                    let encoder = files.read_encoder(platform::load_encoder(progress).await?)?;
                    let tokenizer = tokenizer.with_encoder(&files.config.vq, &encoder, &device)?;
                    Arc::new(Analyzer::new(&files, tokenizer, &device)?)
                }
            };
            let part = Crop::around(image.width(), image.height(), crop.0, crop.1);
            let square = Arc::new(square(&image, Some(part), analyzer.side() as u32));
            let analysis = Arc::new(analyzer.analyse(&square).await?);
            Ok((Own { name, image, crop, square, analysis, note }, analyzer))
        };
        self.own = Some(Task::spawn(move || wake(), work));
        Ok(())
    }

    /// A person's image, when it has just been understood.
    pub fn own(&mut self) -> Option<Result<Own>> {
        let found = finished(&mut self.own)?;
        self.fetching = None;
        Some(found.map(|(own, analyzer)| {
            self.analyzer = Some(analyzer);
            own
        }))
    }

    /// How far the tokenizer's encoder is, while it is being fetched.
    pub fn fetching(&self) -> Option<ProgressStep> {
        self.fetching.as_ref()?.get()
    }

    /// Whether an image is being looked at.
    pub fn is_looking(&self) -> bool {
        self.own.is_some()
    }
}

impl LookAt {
    fn read(self) -> Result<Readable> {
        let crop = ([0.5, 0.5], 1.0);
        match self {
            Self::Brought(Brought::File(name, bytes) | Brought::Drawn(name, bytes)) => {
                let PictureRead { image, notes } = read_picture(&bytes, &name)?;
                let note = (!notes.is_empty()).then(|| notes.join("; "));
                Ok(Readable { name, image: Arc::new(image), crop, note })
            }
            Self::Brought(Brought::Pixels(image)) => {
                let rgba = image.pixels.iter().flat_map(|p| p.to_srgba_unmultiplied()).collect();
                let [width, height] = image.size.map(|n| n as u32);
                let image = image::RgbaImage::from_raw(width, height, rgba).filter(|i| i.width() * i.height() > 0);
                let bad = || Error::Image { file: "clipboard".into(), problem: "holds no picture".into() };
                let image = Arc::new(DynamicImage::ImageRgba8(image.ok_or_else(bad)?));
                Ok(Readable { name: "from the clipboard".to_owned(), image, crop, note: None })
            }
            Self::Again(readable) => Ok(readable),
        }
    }
}
