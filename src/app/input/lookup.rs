//! From a name or a key to what it asks for.

use eframe::egui::{self, Key, Modifiers};

use crate::app::input::action::Action;
use crate::app::input::command::{AppCommand, Meaning, Shortcut};
use crate::app::input::commands::COMMANDS;
use crate::app::input::values::{bad, on_or_off};
use crate::app::state::app::App;
use crate::controls::CONTROLS;
use crate::error::{Error, Result};

/// Every command.
pub fn all() -> impl Iterator<Item = AppCommand> {
    COMMANDS.iter().copied().chain(CONTROLS.iter().map(AppCommand::from))
}

impl App {
    /// What a command with a value asks for; `None` where it means nothing now.
    ///
    /// # Errors
    /// [`Error::Request`] for a name or value that means nothing, naming both.
    pub fn command(&self, name: &str, value: &str) -> Result<Option<Action>> {
        let command = all().find(|command| command.name == name);
        let command = command.ok_or_else(|| Error::Request(format!("the app knows no command \"{name}\"")))?;
        match command.meaning {
            Meaning::Now(_) if !value.trim().is_empty() => bad(name, value, "said alone, without a value"),
            Meaning::Now(now) => Ok(now(self)),
            Meaning::Switch(_, to) => Ok(Some(to(on_or_off(name, value)?))),
            Meaning::Value(to, _) => to(self, value).map(Some),
            Meaning::Control(control) => {
                let mut controls = self.chosen.controls.clone();
                let value = control.parse(value).or_else(|wanted| bad(name, value, &wanted))?;
                control.set(&mut controls, value);
                controls.check().map(|()| Some(Action::Controls(controls)))
            }
        }
    }

    /// What a command's key means now.
    pub(in crate::app) fn pressed(&self, command: &AppCommand) -> Option<Action> {
        match command.meaning {
            Meaning::Now(now) | Meaning::Value(_, now) => now(self),
            Meaning::Switch(is, to) => Some(to(!is(self))),
            Meaning::Control(_) => None,
        }
    }
}

/// The commands whose keys were pressed since the last frame. None while a person types; a control that has the keyboard
/// keeps its own keys.
pub fn pressed(ctx: &egui::Context) -> Vec<&'static AppCommand> {
    if ctx.text_edit_focused() {
        return Vec::new();
    }
    const THEIRS: [Key; 7] =
        [Key::Space, Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown, Key::Home, Key::End];
    let focused = ctx.memory(|m| m.focused().is_some());
    let popup = egui::Popup::is_any_open(ctx); // it closes itself with Esc
    ctx.input_mut(|input| {
        let mut done = Vec::new();
        let theirs = |k: &Shortcut| focused && THEIRS.contains(&k.key) || popup && k.key == Key::Escape;
        // Those with Ctrl first: Ctrl S is no S.
        for with in [Modifiers::COMMAND, Modifiers::NONE] {
            for command in COMMANDS {
                for k in command.keys.iter().filter(|k| k.modifiers == with && !theirs(k)) {
                    // A slow frame may hold several presses of one key.
                    done.extend(std::iter::repeat_n(command, input.count_and_consume_key(k.modifiers, k.key)));
                }
            }
        }
        // Ctrl C arrives as an event of its own.
        if input.events.iter().any(|e| matches!(e, egui::Event::Copy)) {
            done.extend(COMMANDS.iter().find(|command| command.name == "copy_image"));
        }
        done
    })
}
