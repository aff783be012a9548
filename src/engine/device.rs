//! The one place that makes a wgpu instance, adapter and device; the engine's kernels, burn and the window share them.
//!
//! Burn picks its kernels by what the *adapter* can do, so the device must have all of it: a device with only the
//! default features makes burn's operations fail while they run. Our own kernels need WebGPU's default limits and no
//! optional feature, and an adapter below that is refused here with one sentence.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use burn::tensor::Device as BurnDevice;
use burn::tensor::wgpu::WgpuSetup;

use super::weights::Layout;
use crate::error::{Error, Result};

/// A kind of limit: its name, the least that will do, and where to find it.
type Limit = (&'static str, u64, fn(&wgpu::Limits) -> u64);

/// What an adapter must offer: WebGPU's default limits, for the kinds that compute kernels use.
const NEEDED: [Limit; 7] = [
    ("storage buffers a shader stage", 8, |l| l.max_storage_buffers_per_shader_stage as u64),
    ("invocations a workgroup", 256, |l| l.max_compute_invocations_per_workgroup as u64),
    ("bytes of workgroup memory", 16 << 10, |l| l.max_compute_workgroup_storage_size as u64),
    ("threads in a workgroup's first dimension", 256, |l| u64::from(l.max_compute_workgroup_size_x)),
    ("workgroups a dispatch", 65_535, |l| u64::from(l.max_compute_workgroups_per_dimension)),
    ("bytes a buffer", 256 << 20, |l| l.max_buffer_size),
    ("bytes a storage binding", 128 << 20, |l| l.max_storage_buffer_binding_size),
];

/// Drives a device, or waits for it. The one place that does: where a driver says in the middle of a wait that the device is lost,
/// wgpu panics, and that is a lost device as well.
///
/// # Errors
/// [`Error::DeviceLost`].
pub(crate) fn poll(device: &wgpu::Device, how: wgpu::PollType) -> Result<()> {
    guarded(|| device.poll(how).map(|_| ()).map_err(|e| e.to_string()))
}

/// What a call into wgpu says, its panics included. (A page has no unwinding, and its browser no such panics.)
fn guarded(call: impl FnOnce() -> std::result::Result<(), String>) -> Result<()> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(said) => said.map_err(Error::DeviceLost),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Error::DeviceLost(one_line(&text.unwrap_or_else(|| "its driver gave up".to_owned()))))
        }
    }
}

/// The first thing that went wrong on a device, written by wgpu's callbacks.
type Failure = Arc<Mutex<Option<String>>>;

/// An open GPU.
#[derive(Debug)]
pub struct Gpu {
    /// The wgpu instance.
    pub instance: wgpu::Instance,
    /// The adapter that was chosen.
    pub adapter: wgpu::Adapter,
    /// The device, with everything the adapter has to offer.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// The adapter's name and kind.
    pub info: wgpu::AdapterInfo,
    failure: Failure,
    burn: OnceLock<std::result::Result<BurnDevice, String>>,
}

impl Gpu {
    /// Opens the adapter that wgpu prefers. `WGPU_BACKEND` narrows the choice, as in every wgpu program.
    ///
    /// # Errors
    /// [`Error::Adapter`] where there is none or it cannot run the engine.
    pub async fn open() -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        };
        let adapter = instance.request_adapter(&options).await.map_err(|e| {
            Error::Adapter(format!("no GPU adapter was found ({e}); install a GPU driver, or use --device cpu"))
        })?;
        check(&adapter)?;
        let (device, queue) = adapter.request_device(&device_descriptor(&adapter)).await.map_err(|e| {
            let name = adapter.get_info().name;
            Error::Adapter(format!("the GPU `{name}` gave no device ({e}); use --device cpu"))
        })?;
        Ok(Self::adopt(instance, adapter, device, queue))
    }

    /// Takes over a device that something else (the window's toolkit) made from [`device_descriptor`], and its error
    /// callbacks with it.
    pub fn adopt(instance: wgpu::Instance, adapter: wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let info = adapter.get_info();
        let gpu = Self { instance, adapter, device, queue, info, failure: Failure::default(), burn: OnceLock::new() };
        gpu.watch();
        gpu
    }

    /// Whether the adapter is a CPU in disguise (lavapipe, SwiftShader, WARP).
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// How programs are laid out here.
    pub fn layout(&self) -> Layout {
        Layout { fused: !self.is_software(), ..Layout::GPU }
    }

    /// Blocks (natively) until its queue is empty.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn wait(&self) -> Result<()> {
        poll(&self.device, wgpu::PollType::wait_indefinitely())
    }

    /// Why a software adapter is not taken where the CPU will do, as a clause.
    pub fn is_no_match(&self) -> String {
        let name = if self.info.name.is_empty() { "what it offers" } else { &self.info.name };
        format!("{name} is no real GPU and slower than the CPU")
    }

    /// Why the device is unusable, once it is: it was lost, or an error reached wgpu outside every error scope.
    pub fn lost(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the device: everything made on it is gone, and [`Gpu::lost`] says so. For tests of what happens then.
    pub fn destroy(&self) {
        self.device.destroy();
        // On a computer the news is delivered while the device is polled, once its queue is empty.
        let _ = self.wait();
    }

    /// Burn on this very device: tensors and our kernels share its memory and its queue.
    ///
    /// Registered with burn on the first call; burn does not notice a second registration of the same device, so there
    /// must not be one. Another `Gpu` (after a loss) registers as another device. Burn never forgets a device, so each
    /// keeps its handles until the program ends.
    ///
    /// # Errors
    /// [`Error::Adapter`] where burn refuses the device.
    pub fn burn_device(&self) -> Result<BurnDevice> {
        let registered = self.burn.get_or_init(|| {
            let setup = WgpuSetup {
                instance: self.instance.clone(),
                adapter: self.adapter.clone(),
                device: self.device.clone(),
                queue: self.queue.clone(),
                backend: self.info.backend,
            };
            let device = BurnDevice::wgpu_options().setup(setup).init().map_err(|e| e.to_string());
            // Burn has just installed callbacks that panic on any error, its own or ours: the last one set wins.
            self.watch();
            device
        });
        registered.clone().map_err(|e| {
            Error::Adapter(format!("tensors cannot run on the GPU `{}` ({e}); use --device cpu", self.info.name))
        })
    }

    /// Where the tokenizer and the parallel pass run: this GPU, or the CPU backend `flex` where the GPU is software.
    ///
    /// Through a software adapter a convolution takes 5 to 30 times as long as on flex (measured, stack.md).
    ///
    /// # Errors
    /// As [`Gpu::burn_device`].
    pub fn tokenizer_device(&self) -> Result<BurnDevice> {
        if self.is_software() { Ok(BurnDevice::flex()) } else { self.burn_device() }
    }

    /// Records errors instead of panicking, which is what wgpu (and burn) do by default.
    fn watch(&self) {
        let failure = self.failure.clone();
        self.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let message = error.to_string();
            if is_passing(&message) {
                log::warn!("{}", one_line(&message));
            } else {
                record(&failure, &message);
            }
        }));
        let failure = self.failure.clone();
        self.device.set_device_lost_callback(move |reason, message| {
            // Dropping a device (or `destroy`) also ends here; recording it is harmless, nobody is left to ask.
            record(&failure, &format!("{reason:?}: {message}"));
        });
    }
}

/// Keeps the first message: what follows a failure is its consequence.
fn record(failure: &Failure, message: &str) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| one_line(message));
}

/// wgpu explains itself over several lines; people get one sentence.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether an error leaves the device as it was. wgpu resizes a surface only while nothing is in flight, and another
/// thread (a model being built) may submit just then: the surface keeps its old size, and egui asks again with its next
/// frame. wgpu-core's type is not public, so its words have to do (`ConfigureSurfaceError::GpuWaitTimeout`, wgpu 30).
fn is_passing(message: &str) -> bool {
    message.contains("Surface::configure") && message.contains("wait for GPU to come idle")
}

/// The device that [`Gpu`] wants from `adapter`: all features but experimental ones and MAPPABLE_PRIMARY_BUFFERS (which
/// costs speed on GPUs with their own memory), and all limits.
pub fn device_descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
    wgpu::DeviceDescriptor {
        label: Some("dpar"),
        required_features: adapter.features()
            - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS
            - wgpu::Features::all_experimental_mask(),
        required_limits: adapter.limits(),
        ..wgpu::DeviceDescriptor::default()
    }
}

/// Whether the engine can run on `adapter`.
///
/// # Errors
/// [`Error::Adapter`] naming what is missing.
pub fn check(adapter: &wgpu::Adapter) -> Result<()> {
    let name = adapter.get_info().name;
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Err(Error::Adapter(format!("the GPU `{name}` cannot run compute shaders; use --device cpu")));
    }
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32) {
        return Err(Error::Adapter(format!("the GPU `{name}` cannot unpack f16 weights; use --device cpu")));
    }
    match shortfall(&adapter.limits()) {
        Some(missing) => Err(Error::Adapter(format!("the GPU `{name}` offers {missing}; use --device cpu"))),
        None => Ok(()),
    }
}

fn shortfall(limits: &wgpu::Limits) -> Option<String> {
    let (what, needed, offered) =
        NEEDED.iter().map(|(what, needed, get)| (what, *needed, get(limits))).find(|(_, needed, has)| has < needed)?;
    Some(format!("{offered} {what}, {needed} are needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webgpu_defaults_are_enough_and_less_is_named() {
        assert_eq!(shortfall(&wgpu::Limits::default()), None);
        let small = wgpu::Limits { max_compute_workgroup_storage_size: 16 << 9, ..wgpu::Limits::default() };
        assert_eq!(shortfall(&small).unwrap(), "8192 bytes of workgroup memory, 16384 are needed");
    }

    #[test]
    fn a_driver_that_gives_up_in_a_wait_is_a_lost_device() {
        // What wgpu-hal does with VK_ERROR_DEVICE_LOST that nobody has told it of before.
        let e = guarded(|| panic!("Error in Device::poll:\n  Parent device is {}", "lost")).unwrap_err();
        assert!(matches!(e, Error::DeviceLost(_)), "{e}");
        assert!(e.to_string().contains("Error in Device::poll: Parent device is lost"), "{e}");
        assert!(matches!(guarded(|| Err("timed out".into())), Err(Error::DeviceLost(_))));
        assert!(guarded(|| Ok(())).is_ok());
    }

    #[test]
    fn the_first_failure_is_kept() {
        let failure = Failure::default();
        record(&failure, "first\n\n  line\n");
        record(&failure, "second");
        assert_eq!(failure.lock().unwrap().as_deref(), Some("first line"));
    }
}
