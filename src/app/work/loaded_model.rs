//! The model, ready to draw: files, device, tokenizer, and the engines that are built when they are first needed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::Generator;
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
    engines: HashMap<Generator, Engine>,
    building: Vec<(Generator, Task<Result<Engine>>)>,
}

/// Guidance lanes: always two, so that guidance can be moved while a run goes on.
const LANES: u32 = 2;

impl LoadedModel {
    /// Fetches the model, unless a window before this one has left it, and puts its tokenizer on the device.
    ///
    /// # Errors
    /// As [`platform::load_model`], [`Backend::tensor_device`] and [`Tokenizer::load`].
    pub async fn load(
        source: Option<String>,
        left: Option<Arc<ModelFiles>>,
        backend: Arc<Backend>,
        progress: Progress,
    ) -> Result<Self> {
        let files = match left {
            Some(files) => files,
            None => Arc::new(platform::load_model(source, progress.clone()).await?),
        };
        progress.set("upload", 0, 1);
        let tokenizer = Tokenizer::load(&files.config.vq, &files.vq, &backend.tensor_device()?)?;
        Ok(Self { files, backend, tokenizer: Arc::new(tokenizer), engines: HashMap::new(), building: Vec::new() })
    }

    /// An engine for a generator, if it is ready; else it is being built afterwards.
    pub fn take(&mut self, generator: Generator, wake: &Wake) -> Option<Engine> {
        let engine = self.engines.remove(&generator);
        if engine.is_none() {
            self.prepare(generator, wake);
        }
        engine
    }

    /// Builds an engine ahead of time.
    pub fn prepare(&mut self, generator: Generator, wake: &Wake) {
        if self.engines.contains_key(&generator) || self.building.iter().any(|(g, _)| *g == generator) {
            return;
        }
        let (files, backend, wake) = (self.files.clone(), self.backend.clone(), wake.clone());
        let work = async move || backend.engine(&files, generator, LANES).await;
        let task = Task::spawn(move || wake(), work);
        self.building.push((generator, task));
    }

    /// Takes back an engine that has done its run.
    pub fn give(&mut self, generator: Generator, engine: Engine) {
        self.engines.insert(generator, engine);
    }

    /// Picks up engines that are built; which could not be, and why.
    pub fn poll(&mut self) -> Vec<(Generator, Error)> {
        let mut failures = Vec::new();
        self.building.retain(|(generator, task)| match task.take() {
            None => true,
            Some(Ok(engine)) => {
                self.engines.insert(*generator, engine);
                false
            }
            Some(Err(e)) => {
                failures.push((*generator, e));
                false
            }
        });
        failures
    }
}
