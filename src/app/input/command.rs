//! What a command is: a name, words, keys, what it takes and what it means.

use eframe::egui::{Key, Modifiers};
use serde::Serialize;

use crate::app::input::action::Action;
use crate::app::state::app::App;
use crate::controls::{Control, Reach};
use crate::error::Result;
use crate::patching::Mode;

const MODES: [(&str, &str); 4] = [
    (Mode::EntropyRowBoundary.name(), "surprise or row end"),
    (Mode::Entropy.name(), "surprise"),
    (Mode::Static.name(), "fixed length"),
    (Mode::Token.name(), "every token"),
];

/// Where a command stands in the text panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelPart {
    /// Runs: begin, hold, end.
    Controls,
    /// What to draw, and how.
    Settings,
    /// What is looked at.
    View,
    /// A picture of one's own.
    Own,
    /// Files, links, the clipboard.
    Keep,
    /// Windows and messages.
    Window,
}

/// What a command takes, for whoever makes a control of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// `on` or `off`.
    Switch,
    /// A number from 0 on: its step, and how far it goes where that is known.
    Number(f32, Option<Most>),
    /// One of some values, each with its words.
    Choice(&'static [(&'static str, &'static str)]),
    /// Text.
    Text,
}

/// The largest number that makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Most {
    /// This one.
    Is(f32),
    /// The published state holds it under this key.
    State(&'static str),
}

/// What a command means.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// This, now; nothing where it means nothing now.
    Now(fn(&App) -> Option<Action>),
    /// On or off; a key turns over what is.
    Switch(fn(&App) -> bool, fn(bool) -> Action),
    /// A value; and what a key without one means.
    Value(fn(&App, &str) -> Result<Action>, fn(&App) -> Option<Action>),
    /// A control's value.
    Control(&'static Control),
}

/// A key and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Shortcut {
    /// With or without Ctrl / Cmd.
    pub modifiers: Modifiers,
    /// The key.
    pub key: Key,
    /// How it is written on the sheet.
    pub label: &'static str,
}

/// A command.
#[derive(Clone, Copy, Serialize)]
pub struct AppCommand {
    /// Its name.
    pub name: &'static str,
    /// In two or three words.
    pub label: &'static str,
    /// In a sentence: on the sheet of keys, beside the control.
    pub about: &'static str,
    /// Where it stands.
    pub part: PanelPart,
    /// What it takes.
    pub takes: Takes,
    /// The key of the published state that holds its present value.
    pub state: Option<&'static str>,
    /// The keys that mean it.
    #[serde(skip)]
    pub keys: &'static [Shortcut],
    #[serde(skip)]
    pub(super) meaning: Meaning,
}

impl std::fmt::Debug for AppCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

pub(super) const fn key(key: Key, label: &'static str) -> Shortcut {
    Shortcut { modifiers: Modifiers::NONE, key, label }
}

pub(super) const fn ctrl(key: Key, label: &'static str) -> Shortcut {
    Shortcut { modifiers: Modifiers::COMMAND, key, label }
}

/// A command without a value.
pub(super) const fn now(
    name: &'static str,
    label: &'static str,
    about: &'static str,
    part: PanelPart,
    keys: &'static [Shortcut],
    meaning: fn(&App) -> Option<Action>,
) -> AppCommand {
    AppCommand { name, label, about, part, keys, takes: Takes::Nothing, state: None, meaning: Meaning::Now(meaning) }
}

/// A command that is on or off, as the published state has it under `state`.
pub(super) const fn switch(
    name: &'static str,
    label: &'static str,
    about: &'static str,
    state: &'static str,
    keys: &'static [Shortcut],
    is: fn(&App) -> bool,
    to: fn(bool) -> Action,
) -> AppCommand {
    let (part, takes, state) = (PanelPart::View, Takes::Switch, Some(state));
    AppCommand { name, label, about, part, takes, state, keys, meaning: Meaning::Switch(is, to) }
}

impl From<&'static Control> for AppCommand {
    fn from(control: &'static Control) -> Self {
        Self {
            name: control.name,
            label: control.label,
            about: control.about,
            part: PanelPart::Settings,
            takes: match control.reach {
                Reach::Names => Takes::Choice(&MODES),
                Reach::Open => Takes::Number(control.step, None),
                Reach::One => Takes::Number(control.step, Some(Most::Is(1.0))),
                Reach::Surprise => Takes::Number(control.step, Some(Most::State("most_surprise"))),
            },
            state: Some(control.name),
            keys: &[],
            meaning: Meaning::Control(control),
        }
    }
}
