//! The model comes, with everything that waited for it.

use std::sync::Arc;

use crate::analysis::Region;
use crate::app::input::action::Action;
use crate::app::panels::picker::Picker;
use crate::app::state::app::{App, ModelSlot};
use crate::app::state::handover::Carried;
use crate::app::work::analyst::Analyst;
use crate::app::work::loaded_model::LoadedModel;
use crate::checkpoint::config::Generator;
use crate::error::Result;
use crate::platform::{Progress, Task};
use crate::run::prompt;

impl App {
    /// Fetches the model and makes it ready.
    pub(in crate::app) fn load_model(&mut self) {
        let progress = Progress::default();
        let (source, backend, wake) = (self.launch.model.clone(), self.backend.clone(), self.wake.clone());
        let task = Task::spawn(move || wake(), {
            let progress = progress.clone();
            let left = self.carried.as_ref().and_then(Carried::files);
            move || LoadedModel::load(source, left, backend, progress)
        });
        self.model = ModelSlot::Loading(task, progress);
    }

    pub(in crate::app) fn loaded(&mut self, loaded: Result<LoadedModel>) {
        match loaded {
            Ok(mut studio) => {
                let (class, hash) = (prompt::describe(&self.class, &self.config), studio.files.hash.clone());
                self.config = Arc::new(studio.files.config.clone());
                self.class =
                    prompt::resolve(&class, &self.config).unwrap_or_else(|_| self.config.default_class().into());
                self.controls = match self.settings.controls.take() {
                    _ if self.touched => self.controls.clone(),
                    Some((model, controls)) if model == hash && controls.check().is_ok() => controls,
                    _ => self.config.controls(),
                };
                studio.prepare(Generator::Dpar, &self.wake);
                self.textures.model(&self.config);
                self.picker = Picker::new(&self.config);
                self.keep = Region::first_rows(self.config.grid() / 2, self.config.grid());
                self.analyst = Analyst::default();
                self.begin_analyst = true;
                self.model = ModelSlot::Ready(Box::new(studio));
                self.ready();
            }
            Err(e) => {
                self.message = Some((e.to_string(), Some(("Try again", Action::LoadModel))));
                self.model = ModelSlot::Failed;
            }
        }
    }
}
