//! The model, ready to draw: files, device, tokenizer, and the engines that are built when they are first needed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::Generator;
use crate::checkpoint::stored::WeightFormat;
use crate::engine::Engine;
use crate::engine::backend::Backend;
use crate::error::{Error, Result};
use crate::model::Tokenizer;
use crate::platform::{self, Progress, Task};

/// Wakes the frame when something has arrived.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A model on a device.
pub struct LoadedModel {
    /// The model folder.
    pub files: Arc<ModelFiles>,
    /// Where it runs.
    pub backend: Arc<Backend>,
    /// Codes <-> pictures.
    pub tokenizer: Arc<Tokenizer>,
    engines: HashMap<BuildKey, Engine>,
    building: Vec<(BuildKey, Task<Result<Engine>>)>,
}

/// What an engine draws: with which generator, and how many pictures at once.
type BuildKey = (Generator, usize);

/// Guidance lanes: always two, so that guidance can be moved while a run goes on.
const LANES: u32 = 2;

impl LoadedModel {
    /// Fetches the model, unless a window before this one has left it, and puts its tokenizer on the device.
    ///
    /// # Errors
    /// As [`platform::load_model`], [`Backend::tensor_device`] and [`Tokenizer::load`].
    pub async fn load(
        source: Option<String>,
        weights: Option<WeightFormat>,
        left: Option<Arc<ModelFiles>>,
        backend: Arc<Backend>,
        progress: Progress,
    ) -> Result<Self> {
        let files = match left {
            Some(files) => files,
            None => Arc::new(platform::load_model(source, progress.clone()).await?.kept(weights)),
        };
        progress.set("upload", 0, 1);
        let tokenizer = Tokenizer::load(&files, &backend.tensor_device()?)?;
        Ok(Self { files, backend, tokenizer: Arc::new(tokenizer), engines: HashMap::new(), building: Vec::new() })
    }

    /// An engine for a generator and so many pictures at once, if it is ready; else it is being built afterwards.
    pub fn take(&mut self, generator: Generator, pictures: usize, wake: &Wake) -> Option<Engine> {
        let engine = self.engines.remove(&(generator, pictures));
        if engine.is_none() {
            self.prepare(generator, pictures, wake);
        }
        engine
    }

    /// Builds an engine ahead of time.
    pub fn prepare(&mut self, generator: Generator, pictures: usize, wake: &Wake) {
        let key = (generator, pictures);
        if self.engines.contains_key(&key) || self.building.iter().any(|(other, _)| *other == key) {
            return;
        }
        let (files, backend, wake) = (self.files.clone(), self.backend.clone(), wake.clone());
        let work = async move || backend.engine_for(&files, generator, LANES, pictures).await;
        let task = Task::spawn(move || wake(), work);
        self.building.push((key, task));
    }

    /// Takes back an engine that has done its run. Of those for several pictures one is kept: they are large.
    pub fn give(&mut self, generator: Generator, engine: Engine) {
        let pictures = engine.program().pictures;
        if pictures > 1 {
            self.engines.retain(|(_, pictures), _| *pictures == 1);
        }
        self.engines.insert((generator, pictures), engine);
    }

    /// Picks up engines that are built; which could not be, for how many pictures, and why.
    pub fn poll(&mut self) -> Vec<(Generator, usize, Error)> {
        let mut failures = Vec::new();
        self.building.retain(|(key, task)| match task.take() {
            None => true,
            Some(Ok(engine)) => {
                self.engines.insert(*key, engine);
                false
            }
            Some(Err(e)) => {
                failures.push((key.0, key.1, e));
                false
            }
        });
        failures
    }
}
