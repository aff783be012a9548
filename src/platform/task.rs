//! Work beside the frame: a thread on a computer, a promise in a browser; the frame looks in and takes the result.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(not(target_arch = "wasm32"))]
use super::native::{MaybeSend, run};
#[cfg(target_arch = "wasm32")]
use super::web::{MaybeSend, run};

/// The result of some work, once it is there.
#[derive(Debug)]
pub struct Task<T>(Arc<Mutex<Option<T>>>);

impl<T: MaybeSend + 'static> Task<T> {
    /// Starts `work`; `wake` is called when its result can be taken.
    pub fn spawn<F: Future<Output = T> + 'static>(
        wake: impl FnOnce() + MaybeSend + 'static,
        work: impl FnOnce() -> F + MaybeSend + 'static,
    ) -> Self {
        let slot = Arc::new(Mutex::new(None));
        let result = slot.clone();
        run(move || async move {
            let value = work().await;
            // A slot is one assignment: it cannot be half done.
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            wake();
        });
        Self(slot)
    }

    /// The result, if it has arrived; once.
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes the result out of an optional task, and clears it when there is one.
pub fn finished<T: MaybeSend + 'static>(task: &mut Option<Task<T>>) -> Option<T> {
    let value = task.as_ref()?.take()?;
    *task = None;
    Some(value)
}
