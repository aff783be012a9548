//! The model and what comes with it are fetched.

use std::path::PathBuf;

use crate::app::state::app::App;
use crate::app::state::handover::Carried;
use crate::app::state::jobs::OtherModel;
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

    /// Makes another model ready beside the one that is there, which stays until it is.
    pub(in crate::app) fn open_model(&mut self, paths: Option<Vec<PathBuf>>) {
        let progress = Progress::default();
        let (backend, weights, wake) = (self.machine.backend.clone(), self.launch.weights, self.machine.wake.clone());
        let models = self.launch.models.clone();
        let task = Task::spawn(move || wake(), {
            let progress = progress.clone();
            async move || {
                let folder = match paths {
                    Some(paths) => Some(platform::bring_model(paths, models, progress.clone()).await?),
                    None => None,
                };
                let loaded = LoadedModel::load(folder.clone(), weights, None, backend, progress).await;
                platform::settle_model(loaded.is_ok()).await;
                Ok((folder, loaded?))
            }
        });
        self.jobs.model = Some((task, progress));
    }

    /// The other model is ready: it takes the place of the one that was there.
    pub(in crate::app) fn change_model(&mut self, (folder, model): OtherModel) {
        self.playback.clear(None);
        (self.playback.main, self.playback.other) = (None, None);
        self.own.image = None;
        self.ui.look_at_all();
        self.chosen.forget_controls();
        (self.model.baseline, self.model.waiting) = (None, None);
        self.launch.kept.state(|s| s.model = Some(folder.clone()));
        self.launch.model = folder;
        let name = model.files.source.clone();
        self.ui.message = None; // what was said was of the other model
        self.model_is_there(model);
        self.load_extras();
        if self.ui.message.is_none() {
            self.ui.say(format!("{name}: {}", self.model.config.abilities()));
        }
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
