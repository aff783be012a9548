//! What is looked at: the cursor, the token in the inspector, the tour, what lies open.

use eframe::egui::Rect;

use crate::app::input::action::Action;
use crate::app::panels::picker::Picker;
use crate::app::panels::textures::Textures;
use crate::app::panels::tour::Place;
use crate::app::state::message::Message;
use crate::app::state::own::Attend;
use crate::app::state::picture::Picture;
use crate::app::state::settings::Settings;
use crate::checkpoint::config::ModelConfig;
use crate::run::link::Link;
use crate::run::request::Request;

/// What is looked at.
pub struct UiState {
    /// What is said.
    pub message: Option<Message>,
    /// The run is shown as it was before this token; `None` follows the newest.
    pub seek: Option<usize>,
    /// Where the cursor goes when the run is over.
    pub seek_after: Option<usize>,
    /// The link that is being followed, and what it asks for: whether this picture is its picture is said in the end.
    pub followed: Option<(Link, Request)>,
    /// The token kept in the inspector.
    pub selected: Option<usize>,
    /// The token under the pointer.
    pub hovered: Option<usize>,
    /// Whose attention is shown.
    pub attend: Option<Attend>,
    /// The tour's stop.
    pub tour: Option<usize>,
    /// Grid and heat as they were when the tour began.
    before_tour: Option<(bool, bool)>,
    /// What this is lies open.
    pub about: bool,
    /// The sheet of keys lies open.
    pub keys: bool,
    /// What has been typed and opened where one chooses what to draw.
    pub picker: Picker,
    /// Where the parts of the window are.
    pub places: Vec<(Place, Rect)>,
    /// What of the pictures is on the GPU that paints.
    pub textures: Textures,
}

impl UiState {
    /// Nothing looked at yet.
    pub fn new(config: &ModelConfig) -> Self {
        Self {
            message: None,
            seek: None,
            seek_after: None,
            followed: None,
            selected: None,
            hovered: None,
            attend: None,
            tour: None,
            before_tour: None,
            about: false,
            keys: false,
            picker: Picker::new(config),
            places: Vec::new(),
            textures: Textures::new(config),
        }
    }

    /// Another model's classes and sizes.
    pub fn change_model(&mut self, config: &ModelConfig) {
        self.textures.model(config);
        self.picker = Picker::new(config);
    }

    /// A sentence for the message line.
    pub fn say(&mut self, text: impl ToString) {
        self.message = Some(Message { text: text.to_string(), offers: Vec::new() });
    }

    /// The same, with something to do about it.
    pub fn offer(&mut self, text: impl ToString, button: &'static str, action: Action) {
        self.offer_all(text, vec![(button, action)]);
    }

    /// The same, with several things.
    pub fn offer_all(&mut self, text: impl ToString, offers: Vec<(&'static str, Action)>) {
        self.message = Some(Message { text: text.to_string(), offers });
    }

    /// The token in the inspector.
    pub fn inspected(&self) -> Option<usize> {
        self.hovered.or(self.selected)
    }

    /// Tokens shown of a picture: up to the cursor, or all that are drawn.
    pub fn drawn(&self, picture: &Picture) -> usize {
        self.seek.unwrap_or(usize::MAX).min(picture.tokens.len())
    }

    /// Another picture: nothing of it is looked at yet.
    pub fn look_at_all(&mut self) {
        (self.seek, self.selected, self.seek_after, self.followed) = (None, None, None, None);
    }

    /// Goes to a stop of the tour, or out of it. What it showed to make its points is not what somebody chose to see.
    pub fn go_on_tour(&mut self, stop: Option<usize>, settings: &mut Settings) {
        match (self.tour, stop) {
            (None, Some(_)) => self.before_tour = Some((settings.grid, settings.heat)),
            (Some(_), None) => {
                if let Some(before) = self.before_tour.take() {
                    (settings.grid, settings.heat) = before;
                }
            }
            _ => {}
        }
        self.tour = stop;
        settings.toured = true;
    }

    /// What closing means now: the topmost thing that lies open, else the token in the inspector is let go.
    pub fn topmost(&self) -> Action {
        if self.keys {
            Action::Keys(false)
        } else if self.about {
            Action::About(false)
        } else if self.tour.is_some() {
            Action::Tour(None)
        } else if self.message.is_some() {
            Action::Dismiss
        } else {
            Action::Select(None)
        }
    }
}
