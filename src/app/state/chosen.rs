//! What somebody has chosen to draw, and how: it outlives a visit, and whatever arrives later leaves it alone.

use crate::app::state::settings::Settings;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::mix::Mix;
use crate::run::prompt;
use crate::run::request::Request;

/// What is chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What is remembered for the next visit: seed, view, speed.
    pub settings: Settings,
    /// What to draw.
    pub class: Mix,
    /// The controls in force.
    pub controls: Controls,
    /// A threshold beside them, in nats.
    pub pinned: Option<f32>,
    /// Class, seed or a control were chosen in this window.
    touched: bool,
    /// A control was.
    moved: bool,
}

impl Chosen {
    /// What was chosen on an earlier visit, where this model knows it; else what it draws best, under its own controls.
    pub fn new(settings: Settings, config: &ModelConfig) -> Self {
        let asked = settings.class.as_deref().and_then(|text| prompt::resolve(text, config).ok());
        Self {
            class: asked.unwrap_or_else(|| config.default_class().into()),
            controls: config.controls(),
            pinned: None,
            touched: false,
            moved: false,
            settings,
        }
    }

    /// Somebody chooses what to draw.
    pub fn set_class(&mut self, class: Mix, config: &ModelConfig) {
        self.settings.class = Some(prompt::describe(&class, config));
        self.class = class;
        self.touched = true;
    }

    /// Somebody chooses a seed.
    pub fn set_seed(&mut self, seed: u32) {
        self.settings.seed = seed;
        self.touched = true;
    }

    /// Somebody moves a control.
    pub fn set_controls(&mut self, controls: Controls) {
        self.controls = controls;
        (self.touched, self.moved) = (true, true);
    }

    /// Class and seed of a request become the chosen ones.
    pub fn adopt(&mut self, request: &Request, config: &ModelConfig) {
        // The null class, which stands for a picture of one's own, is nothing to choose.
        if request.class.check(config.num_classes() - 1).is_ok() {
            self.class = request.class.clone();
        }
        self.settings.seed = request.seed;
        self.touched = true;
    }

    /// As [`Self::adopt`], with its controls, unless somebody has chosen something already, now or on an earlier visit:
    /// the recording may come late.
    pub fn offer(&mut self, request: &Request, config: &ModelConfig) {
        if !self.touched && self.settings.class.is_none() {
            self.adopt(request, config);
            (self.controls, self.touched) = (request.controls.clone(), false);
        }
    }

    /// Another model takes the place of the one that all this was chosen for: names stay where it knows them; controls
    /// stay as they were moved, or as they were left on the last visit with this model, by its hash.
    pub fn change_model(&mut self, from: &ModelConfig, to: &ModelConfig, hash: &str) {
        let class = prompt::describe(&self.class, from);
        self.class = prompt::resolve(&class, to).unwrap_or_else(|_| to.default_class().into());
        let kept = self.settings.controls.take().filter(|(model, kept)| model == hash && kept.check().is_ok());
        if !self.moved {
            self.controls = kept.map_or_else(|| to.controls(), |(_, controls)| controls);
        }
    }

    /// Another model was opened in place of one: settings that were made for that one go with it.
    pub fn forget_controls(&mut self) {
        self.moved = false;
        self.pinned = None;
    }

    /// What to write down for the next visit, with the controls of the model of this hash.
    pub fn remembered(&self, hash: Option<&str>) -> Settings {
        let controls = hash.map(|hash| (hash.to_owned(), self.controls.clone()));
        Settings { controls: controls.or_else(|| self.settings.controls.clone()), ..self.settings.clone() }
    }
}
