//! Work beside the frame: a thread on a computer, a promise in a browser; the frame looks in and takes the result.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundled::Extras;
use crate::error::{Error, Result};

#[cfg(not(target_arch = "wasm32"))]
use super::native::{MaybeSend, run};
#[cfg(target_arch = "wasm32")]
use super::web::{MaybeSend, run};

/// The result of some work, once it is there.
#[derive(Debug)]
pub struct Task<T> {
    slot: Arc<Mutex<Option<T>>>,
    taken: AtomicBool,
}

/// What comes of work that has ended in a panic: whoever waits is answered all the same.
pub trait Answered {
    /// That answer.
    fn of_panic() -> Self;
}

impl<T> Answered for Result<T> {
    fn of_panic() -> Self {
        Err(Error::Internal("a task beside the frame has panicked; the lines before this one say where".into()))
    }
}

/// Nothing of them is needed.
impl Answered for Extras {
    fn of_panic() -> Self {
        Self::default()
    }
}

/// Fills the slot, or leaves it to nobody; in both cases says so.
struct Worker<T, W: FnOnce()> {
    slot: Option<Arc<Mutex<Option<T>>>>,
    wake: Option<W>,
}

impl<T, W: FnOnce()> Drop for Worker<T, W> {
    fn drop(&mut self) {
        self.slot = None;
        if let Some(wake) = self.wake.take() {
            wake();
        }
    }
}

impl<T: Answered + MaybeSend + 'static> Task<T> {
    /// Starts `work`; `wake` is called when its result can be taken.
    pub fn spawn<F: Future<Output = T> + 'static>(
        wake: impl FnOnce() + MaybeSend + 'static,
        work: impl FnOnce() -> F + MaybeSend + 'static,
    ) -> Self {
        let slot = Arc::new(Mutex::new(None));
        let worker = Worker { slot: Some(slot.clone()), wake: Some(wake) };
        run(move || async move {
            let worker = worker;
            let value = work().await;
            if let Some(slot) = &worker.slot {
                // A slot is one assignment: it cannot be half done.
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            }
        });
        Self { slot, taken: AtomicBool::new(false) }
    }

    /// The result, if it has arrived; once. Where the work has panicked, [`Answered::of_panic`].
    pub fn take(&self) -> Option<T> {
        // Before the look: a worker that ends in between has left its result.
        let left = Arc::strong_count(&self.slot) == 1;
        let value = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let value = value.or_else(|| (left && !self.taken.load(Ordering::Relaxed)).then(T::of_panic));
        self.taken.fetch_or(value.is_some(), Ordering::Relaxed);
        value
    }
}

/// Takes the result out of an optional task, and clears it when there is one.
pub fn finished<T: Answered + MaybeSend + 'static>(task: &mut Option<Task<T>>) -> Option<T> {
    let value = task.as_ref()?.take()?;
    *task = None;
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn work_that_panics_answers_with_an_error() {
        let (woken, wakes) = mpsc::channel();
        let task: Task<Result<u32>> = Task::spawn(move || woken.send(()).unwrap(), async || panic!("a test of panics"));
        wakes.recv().unwrap();
        let said = task.take().unwrap().unwrap_err().to_string();
        assert!(said.contains("has panicked"), "{said}");
        let (woken, wakes) = mpsc::channel();
        let task: Task<Result<u32>> = Task::spawn(move || woken.send(()).unwrap(), async || Ok(7));
        wakes.recv().unwrap();
        assert_eq!(task.take().unwrap().unwrap(), 7);
    }
}
