//! Results on their way back from a GPU: a mappable buffer, the submit that fills it, and the word that it has arrived.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytemuck::Pod;
use web_time::Instant;

use crate::error::{Error, Result};

/// Looks at a signal after the device has said that its submit is done: another thread that polls the same device may
/// just be running our callback. Bounded, because in a browser nothing is ever ready while we wait.
const WAIT_TRIES: usize = 10_000;

/// What a mapping callback has to say, and who waits for it.
#[derive(Default)]
struct Signal {
    done: Option<(Result<(), String>, Instant)>,
    waker: Option<Waker>,
}

/// A buffer that results are copied to, and the submit that is under way into it.
pub(crate) struct Readback {
    buffer: wgpu::Buffer,
    flight: Option<Flight>,
    /// When the newest result arrived: when its callback ran, not when somebody looked.
    arrived: Option<Instant>,
}

struct Flight {
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    signal: Arc<Mutex<Signal>>,
}

impl Readback {
    /// Room for `words` words.
    pub(crate) fn new(device: &wgpu::Device, words: usize) -> Self {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: 4 * words as u64,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { buffer, flight: None, arrived: None }
    }

    /// Whether nothing is under way.
    pub(crate) fn is_free(&self) -> bool {
        self.flight.is_none()
    }

    /// Records the copy of `words` words of `from`, starting at word `at`.
    pub(crate) fn copy(&self, encoder: &mut wgpu::CommandEncoder, from: &wgpu::Buffer, at: usize, words: usize) {
        encoder.copy_buffer_to_buffer(from, 4 * at as u64, &self.buffer, 0, 4 * words as u64);
    }

    /// The same to word `to` of what is read back.
    pub(crate) fn append(&self, encoder: &mut wgpu::CommandEncoder, from: &wgpu::Buffer, to: usize, words: usize) {
        encoder.copy_buffer_to_buffer(from, 0, &self.buffer, 4 * to as u64, 4 * words as u64);
    }

    /// When the newest result arrived.
    pub(crate) fn arrived_at(&self) -> Option<Instant> {
        self.arrived
    }

    /// Asks for the first `words` words once `submission`, which holds the copy, is done.
    pub(crate) fn map(&mut self, submission: wgpu::SubmissionIndex, words: usize) {
        let (signal, bytes) = (Arc::<Mutex<Signal>>::default(), 4 * words as u64);
        self.buffer.map_async(wgpu::MapMode::Read, ..bytes, notify(&signal));
        self.flight = Some(Flight { bytes, submission, signal });
    }

    /// What has arrived, if it has. With `wait` (native) blocks until it has.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; nothing is under way then.
    pub(crate) fn poll<T: Pod>(&mut self, device: &wgpu::Device, wait: bool) -> Result<Option<Vec<T>>> {
        let Some(flight) = &self.flight else { return Ok(None) };
        let mut tries = if wait { WAIT_TRIES } else { 1 };
        let done = loop {
            // Only for this submit: the others go on while the caller prepares the next.
            let submission_index = Some(flight.submission.clone());
            let poll =
                if wait { wgpu::PollType::Wait { submission_index, timeout: None } } else { wgpu::PollType::Poll };
            super::device::poll(device, poll)?;
            tries -= 1;
            match lock(&flight.signal).done.take() {
                Some(done) => break done,
                None if tries == 0 => return Ok(None),
                None => std::thread::yield_now(),
            }
        };
        let bytes = flight.bytes;
        self.flight = None;
        let (result, at) = done;
        self.arrived = Some(at);
        result.map_err(Error::DeviceLost)?;
        self.take(bytes).map(Some)
    }

    /// Waits without blocking (a browser wakes us; native callers have waited for the device before).
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub(crate) async fn arrived<T: Pod>(mut self) -> Result<Vec<T>> {
        let Some(flight) = self.flight.take() else { return Ok(Vec::new()) };
        let done = |cx: &mut Context<'_>| {
            let mut signal = lock(&flight.signal);
            match signal.done.take() {
                Some(done) => Poll::Ready(done),
                None => {
                    signal.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        };
        std::future::poll_fn(done).await.0.map_err(Error::DeviceLost)?;
        self.take(flight.bytes)
    }

    fn take<T: Pod>(&self, bytes: u64) -> Result<Vec<T>> {
        let mapped = self.buffer.get_mapped_range(..bytes).map_err(|e| Error::DeviceLost(e.to_string()))?;
        let values = bytemuck::pod_collect_to_vec::<u8, T>(&mapped);
        drop(mapped);
        self.buffer.unmap();
        Ok(values)
    }
}

/// A lock whose poisoning does not matter: the data is a flag, complete after every statement.
fn lock(signal: &Mutex<Signal>) -> MutexGuard<'_, Signal> {
    signal.lock().unwrap_or_else(PoisonError::into_inner)
}

fn notify(signal: &Arc<Mutex<Signal>>) -> impl FnOnce(Result<(), wgpu::BufferAsyncError>) + Send + 'static {
    let signal = signal.clone();
    move |result| {
        let mut signal = lock(&signal);
        signal.done = Some((result.map_err(|_| "its memory could not be read back".to_owned()), Instant::now()));
        if let Some(waker) = signal.waker.take() {
            waker.wake();
        }
    }
}
