//! Where things run: the GPU if there is one, the CPU twins and burn's `flex` if not. Decided once, said plainly.

use std::sync::OnceLock;

use burn::tensor::Device as BurnDevice;

use crate::checkpoint::ModelFiles;
use crate::checkpoint::config::Generator;
use crate::engine::cache::CacheFormat;
use crate::engine::device::Gpu;
use crate::engine::{CpuExecutor, Engine, GpuExecutor, Layout, Tier, build};
use crate::error::{Error, Result};

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU if there is a real one, else the CPU: software adapters compute on the same cores as the CPU twins, several times
    /// as slowly.
    #[default]
    Auto,
    /// A GPU, be it a software adapter, or an error.
    Gpu,
    /// The CPU twins, whatever there is.
    Cpu,
}

/// The chosen place.
///
/// # When the device is lost
/// A run's [`crate::run::Session::step`] fails, or goes on without effect, and [`Backend::lost`] says why. To go on:
/// take [`crate::run::Session::continuation`] (it needs no device), open another backend ([`Backend::open`], or
/// [`Backend::adopt`] for a window's new device), build the engine again and start a session with the continuation: the
/// tokens that had arrived are given, the next one is drawn. Everything else that was made on the lost device
/// (tokenizer, models, [`crate::engine::merger::Merger`]) has to be made again too.
#[derive(Debug)]
pub struct Backend {
    gpu: Option<Gpu>,
    /// Why the CPU was taken although a GPU was welcome.
    pub fallback: Option<String>,
    /// How many threads the CPU twins take.
    threads: usize,
    caches: CacheFormat,
    /// Somebody has called [`Backend::lose`] where there is no GPU.
    ended: OnceLock<()>,
}

impl Backend {
    /// Opens what was asked for.
    ///
    /// # Errors
    /// [`Error::Adapter`] where a GPU was demanded and none can run the engine.
    pub async fn open(choice: DeviceChoice) -> Result<Self> {
        if choice == DeviceChoice::Cpu {
            return Ok(Self::cpu(None));
        }
        match Gpu::open().await {
            Ok(gpu) if choice == DeviceChoice::Auto && gpu.is_software() => Ok(Self::cpu(Some(gpu.is_no_match()))),
            Ok(gpu) => Ok(Self::adopt(gpu)),
            Err(Error::Adapter(why)) if choice == DeviceChoice::Auto => Ok(Self::cpu(Some(why))),
            Err(e) => Err(e),
        }
    }

    /// A GPU that something else has opened, for example on the device of a window ([`Gpu::adopt`]).
    pub fn adopt(gpu: Gpu) -> Self {
        Self { gpu: Some(gpu), fallback: None, threads: threads(), caches: CacheFormat::F32, ended: OnceLock::new() }
    }

    /// The CPU, with the reason if a GPU would have been welcome.
    pub fn cpu(reason: Option<String>) -> Self {
        Self { gpu: None, fallback: reason, threads: threads(), caches: CacheFormat::F32, ended: OnceLock::new() }
    }

    /// The same with so many threads for the CPU twins, if somebody has said how many. Tokens do not depend on it.
    #[must_use]
    pub fn with_threads(self, threads: Option<usize>) -> Self {
        Self { threads: threads.unwrap_or(self.threads).max(1), ..self }
    }

    /// The same with keys and values kept like that.
    #[must_use]
    pub fn with_caches(self, caches: CacheFormat) -> Self {
        Self { caches, ..self }
    }

    /// How models are laid out here, for one picture.
    pub fn layout(&self) -> Layout {
        Layout { caches: self.caches, ..self.gpu.as_ref().map_or(Layout::CPU, Gpu::layout) }
    }

    /// How many threads the CPU twins take, where they run.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The GPU, if that is where things run.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref()
    }

    /// Adapter name, backend and kind, for people.
    pub fn name(&self) -> String {
        let name = match &self.gpu {
            Some(gpu) => {
                let kind = if gpu.is_software() { "software adapter" } else { "GPU" };
                match gpu.info.name.as_str() {
                    "" => format!("WebGPU ({kind})"), // browsers do not tell a page what they run on
                    name => format!("{name} ({:?}, {kind})", gpu.info.backend),
                }
            }
            // What their sums depend on: the same name, the same tokens.
            None => format!("CPU twins ({})", dpar_simd::instructions()),
        };
        // Rounded caches are other numbers too.
        match self.caches {
            CacheFormat::F32 => name,
            CacheFormat::F16 => format!("{name}, f16 caches"),
        }
    }

    /// Builds the token loop of a generator for one picture, with one lane or two (guidance).
    ///
    /// # Errors
    /// As [`build`] and [`GpuExecutor::new`].
    pub async fn engine(&self, files: &ModelFiles, generator: Generator, lanes: u32) -> Result<Engine> {
        self.engine_for(files, generator, lanes, 1).await
    }

    /// The same for several pictures at once.
    ///
    /// # Errors
    /// As [`build`] and [`GpuExecutor::new`].
    pub async fn engine_for(
        &self,
        files: &ModelFiles,
        generator: Generator,
        lanes: u32,
        pictures: usize,
    ) -> Result<Engine> {
        let program = build(files, generator, Layout { lanes, pictures, ..self.layout() })?;
        Ok(match &self.gpu {
            Some(gpu) => {
                let executor = GpuExecutor::new(&gpu.device, &gpu.queue, Tier::of(&gpu.info), program).await?;
                Engine::Gpu(Box::new(executor))
            }
            None => Engine::Cpu(Box::new(CpuExecutor::with_threads(program, self.threads))),
        })
    }

    /// Where the tokenizer and the parallel pass run: the GPU, or `flex` on the CPU (also on software adapters, where
    /// burn's kernels are slower than flex).
    ///
    /// # Errors
    /// As [`Gpu::tokenizer_device`].
    pub fn tensor_device(&self) -> Result<BurnDevice> {
        self.gpu.as_ref().map_or_else(|| Ok(BurnDevice::flex()), Gpu::tokenizer_device)
    }

    /// The failure that wgpu reported outside our calls, if any: turns a half-done run into one sentence.
    pub fn lost(&self) -> Option<Error> {
        let ended = self.ended.get().map(|()| "it was ended by a test".to_owned());
        self.gpu.as_ref().and_then(Gpu::lost).or(ended).map(Error::DeviceLost)
    }

    /// Loses the device, for tests of what happens then; without a GPU it is only said to be lost.
    pub fn lose(&self) {
        match &self.gpu {
            Some(gpu) => gpu.destroy(),
            None => self.ended.get_or_init(|| ()).to_owned(),
        }
    }
}

/// A thread a core, but no more than an op of a small model has work for; one in a browser.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8))
}
