//! Everything a person can ask of the app, as data: buttons, keys, links, screen readers and tests all say it this way.

use eframe::egui::{self, Key, Modifiers, ThemePreference};

use crate::analysis::Region;
use crate::app::state::own::Attend;
use crate::checkpoint::config::ModelConfig;
use crate::controls::Controls;
use crate::error::{Error, Result};
use crate::mix::Mix;
use crate::patching::Mode;
use crate::run::prompt;

/// What to take away from a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// The picture (PNG).
    Picture,
    /// The picture with its patches and entropies (PNG).
    Overlay,
    /// The run as an animation (GIF).
    Animation,
    /// The run as data (JSON).
    Trace,
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
    /// Light, dark, or as the system.
    Theme(ThemePreference),
    /// Tokens a second at most; 0 is as fast as it goes.
    Speed(f32),
    /// Look at the run as it was before this token; `None` follows the newest.
    Seek(Option<usize>),
    /// Keep a token in the inspector.
    Select(Option<usize>),
    /// Choose an image of one's own.
    OpenImage,
    /// Look at an image of one's own: name and file content.
    Image(String, Vec<u8>),
    /// Look at an image from the clipboard.
    Pasted(std::sync::Arc<egui::ColorImage>),
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

impl Action {
    /// From the names used by the page, tests and assistive technology; `controls` are the controls in force.
    ///
    /// # Errors
    /// [`Error::Request`] for a name or value that means nothing.
    pub fn parse(name: &str, value: &str, controls: &Controls, config: Option<&ModelConfig>) -> Result<Self> {
        let on = || Ok(matches!(value, "" | "true" | "on" | "1"));
        let with = |change: &dyn Fn(&mut Controls) -> Result<()>| {
            let mut controls = controls.clone();
            change(&mut controls)?;
            controls.check().map(|()| Self::Controls(controls))
        };
        Ok(match name {
            "generate" => Self::Generate,
            "redraw" => Self::Redraw,
            "play" => Self::Play,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "stop" => Self::Stop,
            "step_token" => Self::StepToken,
            "step_patch" => Self::StepPatch,
            "dice" => Self::Dice,
            "random_thing" => Self::RandomThing,
            "random_mix" => Self::RandomMix,
            "class" => match config {
                Some(config) => Self::Class(prompt::resolve(value, config)?),
                None => Self::Class(Mix::of(number(name, value)?)),
            },
            "seed" => Self::Seed(number(name, value)?),
            "threshold" => with(&|l| number(name, value).map(|n| l.threshold = n))?,
            "p_max" => with(&|l| number(name, value).map(|n| l.p_max = n))?,
            "guidance" => with(&|l| number(name, value).map(|n| l.sampling.cfg_scale = n))?,
            "temperature" => with(&|l| number(name, value).map(|n| l.sampling.temperature = n))?,
            "top_k" => with(&|l| number(name, value).map(|n| l.sampling.top_k = n))?,
            "top_p" => with(&|l| number(name, value).map(|n| l.sampling.top_p = n))?,
            "mode" => with(&|l| mode(value).map(|m| l.mode = m))?,
            "pin" => Self::Pin(on()?),
            "grid" => Self::Grid(on()?),
            "heat" => Self::Heat(on()?),
            "compare" => Self::Compare(on()?),
            "theme" => Self::Theme(match value {
                "light" => ThemePreference::Light,
                "dark" => ThemePreference::Dark,
                "system" => ThemePreference::System,
                other => return Err(Error::Request(format!("theme \"{other}\" is none of light, dark, system"))),
            }),
            "speed" => Self::Speed(number(name, value)?),
            "seek" => Self::Seek(if value.is_empty() { None } else { Some(number(name, value)?) }),
            "select" => Self::Select(if value.is_empty() { None } else { Some(number(name, value)?) }),
            "open_image" => Self::OpenImage,
            "keep_rows" => Self::Keep(Region::first_rows(number(name, value)?, config.map_or(64, ModelConfig::grid))),
            "attend" => Self::Attend(if value.is_empty() || value == "false" {
                None
            } else {
                Some(Attend { layer: value.parse().unwrap_or(0), head: None })
            }),
            "complete" => Self::Complete,
            "export_png" => Self::Export(Export::Picture),
            "export_overlay" => Self::Export(Export::Overlay),
            "export_gif" => Self::Export(Export::Animation),
            "export_trace" => Self::Export(Export::Trace),
            "copy_image" => Self::CopyImage,
            "copy_link" => Self::CopyLink,
            "link" => Self::Link(value.to_owned()),
            "tour" => Self::Tour(if value == "off" { None } else { Some(value.parse().unwrap_or(0)) }),
            "about" => Self::About(on()?),
            "keys" => Self::Keys(on()?),
            "reload_model" => Self::LoadModel,
            "dismiss" => Self::Dismiss,
            "use_cpu" => Self::UseCpu,
            other => return Err(Error::Request(format!("the app knows no command \"{other}\""))),
        })
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.trim().parse().map_err(|_| Error::Request(format!("{name} \"{value}\" is not a number it can be set to")))
}

fn mode(value: &str) -> Result<Mode> {
    Mode::NAMES.iter().find(|(name, _)| *name == value).map(|(_, mode)| *mode).ok_or_else(|| {
        let names = Mode::NAMES.map(|(name, _)| name).join(", ");
        Error::Request(format!("mode \"{value}\" is none of {names}"))
    })
}

/// A key and what it is for. `KEYS` is the only list: the `?` sheet prints it, [`pressed`] reads it.
pub struct Shortcut {
    /// With or without Ctrl / Cmd.
    pub modifiers: Modifiers,
    /// The key.
    pub key: Key,
    /// How it is written on the sheet.
    pub label: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Which of the app's keys it is.
    pub does: Does,
}

/// What keys do; some depend on what is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Does {
    Generate,
    Again,
    Toggle,
    Stop,
    StepToken,
    StepPatch,
    Back,
    Forward,
    Up,
    Down,
    First,
    Last,
    Lower,
    Raise,
    Pin,
    Grid,
    Heat,
    Compare,
    Dice,
    Open,
    Save,
    Link,
    Copy,
    Theme,
    Tour,
    Keys,
    Close,
}

const fn key(key: Key, label: &'static str, about: &'static str, does: Does) -> Shortcut {
    Shortcut { modifiers: Modifiers::NONE, key, label, about, does }
}

const fn command(key: Key, label: &'static str, about: &'static str, does: Does) -> Shortcut {
    Shortcut { modifiers: Modifiers::COMMAND, key, label, about, does }
}

/// Every key.
pub const KEYS: [Shortcut; 28] = [
    key(Key::G, "G", "generate a picture", Does::Generate),
    key(Key::R, "R", "draw this seed again with the present threshold", Does::Again),
    key(Key::D, "D", "roll the dice: another seed", Does::Dice),
    key(Key::Space, "Space", "pause and go on; play from here", Does::Toggle),
    key(Key::S, "S", "stop and keep what is drawn", Does::Stop),
    key(Key::T, "T", "one token", Does::StepToken),
    key(Key::P, "P", "one patch", Does::StepPatch),
    key(Key::ArrowLeft, "Left", "one token back in time", Does::Back),
    key(Key::ArrowRight, "Right", "one token forward", Does::Forward),
    key(Key::ArrowUp, "Up", "one row back", Does::Up),
    key(Key::ArrowDown, "Down", "one row forward", Does::Down),
    key(Key::Home, "Home", "the first token", Does::First),
    key(Key::End, "End", "the newest token", Does::Last),
    key(Key::OpenBracket, "[", "lower the threshold: more patches", Does::Lower),
    key(Key::CloseBracket, "]", "raise the threshold: fewer patches", Does::Raise),
    key(Key::K, "K", "keep this threshold beside the moving one", Does::Pin),
    key(Key::B, "B", "patch borders", Does::Grid),
    key(Key::E, "E", "entropy as colours", Does::Heat),
    key(Key::C, "C", "compare with the fixed-length baseline", Does::Compare),
    key(Key::O, "O", "open an image of your own", Does::Open),
    key(Key::L, "L", "copy a link to this picture", Does::Link),
    command(Key::S, "Ctrl S", "save the picture", Does::Save),
    command(Key::C, "Ctrl C", "copy the picture", Does::Copy),
    key(Key::N, "N", "light or dark", Does::Theme),
    key(Key::H, "H", "the guided tour", Does::Tour),
    key(Key::Questionmark, "?", "this sheet", Does::Keys),
    key(Key::F1, "F1", "this sheet", Does::Keys),
    key(Key::Escape, "Esc", "close what is open, let go of the token", Does::Close),
];

/// The keys pressed since the last frame. None while a person types; a control that has the keyboard keeps its own keys.
pub fn pressed(ctx: &egui::Context) -> Vec<Does> {
    if ctx.text_edit_focused() {
        return Vec::new();
    }
    const CONTROLS: [Key; 7] =
        [Key::Space, Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown, Key::Home, Key::End];
    let focused = ctx.memory(|m| m.focused().is_some());
    let popup = egui::Popup::is_any_open(ctx); // it closes itself with Esc
    ctx.input_mut(|input| {
        let mut done: Vec<Does> = Vec::new();
        let theirs = |k: &Shortcut| focused && CONTROLS.contains(&k.key) || popup && k.key == Key::Escape;
        for k in KEYS.iter().filter(|k| !theirs(k)) {
            // A slow frame may hold several presses of one key.
            done.extend(std::iter::repeat_n(k.does, input.count_and_consume_key(k.modifiers, k.key)));
        }
        // Ctrl C arrives as an event of its own.
        if input.events.iter().any(|e| matches!(e, egui::Event::Copy)) {
            done.push(Does::Copy);
        }
        done
    })
}
