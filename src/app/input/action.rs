//! Everything a person can ask of the app, as data: buttons, keys, links, screen readers and tests all say it this way.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{ColorImage, ThemePreference};

use crate::analysis::Region;
use crate::app::state::own::Attend;
use crate::controls::Controls;
use crate::mix::Mix;
use crate::run::many::Many;

/// What to take away from a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// The picture (PNG).
    Picture,
    /// The same, with the tokens that were kept of an own image in what it says of itself.
    WholePicture,
    /// The picture with its patches and entropies (PNG).
    Overlay,
    /// The run as an animation (GIF).
    Animation,
    /// The run as data (JSON).
    Trace,
}

/// An image that somebody has brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Brought {
    /// A file: its name and content.
    File(String, Vec<u8>),
    /// A file that is to be looked at, although it is a picture that DPAR has drawn and could be drawn again.
    Drawn(String, Vec<u8>),
    /// Pixels, from the clipboard.
    Pixels(Arc<ColorImage>),
}

/// A request to the app.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Draw with the chosen class and seed.
    Generate,
    /// Draw the shown picture's class and seed again under the present controls.
    Redraw,
    /// Play the recorded run from its start.
    Play,
    /// Hold the run.
    Pause,
    /// Go on.
    Resume,
    /// End the run with what is drawn.
    Stop,
    /// Draw one token, then hold.
    StepToken,
    /// Draw to the end of the patch, then hold.
    StepPatch,
    /// Another seed.
    Dice,
    /// Choose a thing by lot.
    RandomThing,
    /// Choose two things by lot and mix them.
    RandomMix,
    /// Choose what to draw.
    Class(Mix),
    /// Choose a seed.
    Seed(u32),
    /// Set the controls that may change while a run goes on.
    Controls(Controls),
    /// Keep the present threshold beside the moving one, or stop that.
    Pin(bool),
    /// Show patch outlines.
    Grid(bool),
    /// Show entropies as colours.
    Heat(bool),
    /// Draw with the fixed-length baseline beside DPAR.
    Compare(bool),
    /// Draw many pictures at once in place of one, or one again.
    Many(Option<Many>),
    /// Of many pictures, make this one the picture the app is about.
    Tile(usize),
    /// Show how the pictures of a strip differ from the middle one.
    Difference(bool),
    /// Light, dark, or as the system.
    Theme(ThemePreference),
    /// Tokens a second at most; 0 is as fast as it goes.
    Speed(f32),
    /// Look at the run as it was before this token; `None` follows the newest.
    Seek(Option<usize>),
    /// Keep a token in the inspector.
    Select(Option<usize>),
    /// The pointer is on a token, or on none any more.
    Hover(Option<usize>),
    /// Choose an image of one's own.
    OpenImage,
    /// Choose another model.
    OpenModel,
    /// Draw with another model: its folder, or files to make one of; none where the browser keeps one; `None` is the one
    /// that comes with the app.
    Model(Option<Vec<PathBuf>>),
    /// Delete the model that the browser keeps.
    ForgetModel,
    /// Look at an image of one's own, wherever it came from.
    Image(Brought),
    /// Which square of the own image the models see: centre (shares of width and height) and zoom.
    Crop([f32; 2], f32),
    /// Which part of the own image is kept when the rest is drawn.
    Keep(Region),
    /// Draw what is not kept of the own image.
    Complete,
    /// Save something.
    Export(Export),
    /// Put the picture on the clipboard.
    CopyImage,
    /// Put a link on the clipboard that draws this picture again.
    CopyLink,
    /// The same with the tokens that were kept of an own image.
    CopyWholeLink,
    /// Follow a link.
    Link(String),
    /// Show a step of the tour, or none.
    Tour(Option<usize>),
    /// Show what this is.
    About(bool),
    /// Show the keys.
    Keys(bool),
    /// Fetch the model (again).
    LoadModel,
    /// Show what the inspected patch attends to, or not.
    Attend(Option<Attend>),
    /// Put the message away.
    Dismiss,
    /// From now on run the model on the CPU.
    UseCpu,
}
