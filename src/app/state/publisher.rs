//! What was last told to those who cannot see the canvas, so that only news is told.

use std::sync::Arc;

use web_time::{Duration, Instant};

use crate::checkpoint::config::ModelConfig;

/// The state is published this often at most.
pub const PUBLISH: Duration = Duration::from_millis(100);

/// What was last told.
#[derive(Debug, Default)]
pub struct Publisher {
    at: Option<Instant>,
    json: String,
    /// The model whose classes were told.
    told: Option<Arc<ModelConfig>>,
    /// The link in the address bar, once this app has put one there.
    linked: String,
}

impl Publisher {
    /// Whether it is too early to say more.
    pub fn is_early(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() < PUBLISH)
    }

    /// Whether this model's classes are news; once. It may name thousands: said once, not with every frame.
    pub fn is_new(&mut self, config: &Arc<ModelConfig>) -> bool {
        let new = !self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, config));
        if new {
            self.told = Some(config.clone());
        }
        new
    }

    /// Tells the state, where it is news; whether it was.
    pub fn tell(&mut self, json: String) -> bool {
        let news = json != self.json;
        if news {
            crate::platform::publish(&json);
            (self.json, self.at) = (json, Some(Instant::now()));
        }
        news
    }

    /// Puts a link into the address bar, where it is another one.
    pub fn link(&mut self, link: String) {
        if self.linked != link {
            crate::platform::set_link(&link);
            self.linked = link;
        }
    }
}
