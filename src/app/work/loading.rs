//! The model and what comes with it are fetched.

use crate::app::state::app::App;
use crate::app::state::handover::Carried;
use crate::app::state::model_slot::ModelState;
use crate::app::work::loaded_model::LoadedModel;
use crate::platform::{self, Progress, Task};

impl App {
    /// Fetches the model and makes it ready.
    pub(in crate::app) fn load_model(&mut self) {
        let progress = Progress::default();
        let (source, weights) = (self.launch.model.clone(), self.launch.weights);
        let (backend, wake) = (self.machine.backend.clone(), self.machine.wake.clone());
        let task = Task::spawn(move || wake(), {
            let progress = progress.clone();
            let left = self.model.carried.as_ref().and_then(Carried::files);
            move || LoadedModel::load(source, weights, left, backend, progress)
        });
        self.model.state = ModelState::Loading(task, progress);
    }

    /// Asks for what comes with the built-in model: the recording, the codes' looks, the classes' thumbnails.
    pub(in crate::app) fn load_extras(&mut self) {
        if self.launch.model.is_some() {
            return; // they belong to the built-in model
        }
        let (wake, config) = (self.machine.wake.clone(), self.model.config.clone());
        self.jobs.extras = Some(Task::spawn(move || wake(), async move || platform::load_extras(&config).await));
    }

    /// Fetches the baseline's weights; the comparison follows when they are there.
    pub(in crate::app) fn fetch_baseline(&mut self) {
        if self.model.baseline.is_some() {
            return;
        }
        let progress = Progress::default();
        let (wake, to) = (self.machine.wake.clone(), progress.clone());
        self.model.baseline = Some((Task::spawn(move || wake(), move || platform::load_baseline(to)), progress));
    }
}
