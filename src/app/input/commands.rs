//! The table of commands: from it the keys, the `?` sheet, the page's text panel and its commands are made. What a command
//! does is an [`Action`]; what it means now, the app's state decides. A control needs no row: it has one in
//! [`crate::controls::CONTROLS`].

use eframe::egui::{Key, ThemePreference};

use crate::app::input::action::{Action, Export};
use crate::app::input::command::{AppCommand, Meaning, Most, PanelPart, Takes, ctrl, key, now, switch};
use crate::app::input::now::{moved, seek, turned};
use crate::app::input::values::{attend, crop, keep, optional, speed, strip, theme, wall, whole};
use crate::app::panels::tour;
use crate::run::many::Many;
use crate::run::prompt;

const WALLS: [(&str, &str); 4] =
    [("off", "one picture"), ("4", "4 pictures"), ("9", "9 pictures"), ("16", "16 pictures")];
const THEMES: [(&str, &str); 3] = [("system", "as the system"), ("light", "light"), ("dark", "dark")];
/// Every command but the controls', which [`CONTROLS`] lists.
pub static COMMANDS: &[AppCommand] = &[
    now("generate", "Generate", "generate a picture", PanelPart::Controls, &[key(Key::G, "G")], |_| {
        Some(Action::Generate)
    }),
    now(
        "redraw",
        "Draw again",
        "draw this seed again with the present threshold",
        PanelPart::Controls,
        &[key(Key::R, "R")],
        |_| Some(Action::Redraw),
    ),
    now("play", "Play", "play the run again from here", PanelPart::Controls, &[], |_| Some(Action::Play)),
    now("pause", "Pause", "hold the run", PanelPart::Controls, &[], |_| Some(Action::Pause)),
    now("resume", "Go on", "go on with what is held", PanelPart::Controls, &[], |_| Some(Action::Resume)),
    now(
        "toggle",
        "Hold or go on",
        "pause and go on; play from here",
        PanelPart::Controls,
        &[key(Key::Space, "Space")],
        |app| {
            Some(if app.playback.is_moving() {
                Action::Pause
            } else if app.playback.is_paused() {
                Action::Resume
            } else {
                Action::Play
            })
        },
    ),
    now("stop", "Stop", "stop and keep what is drawn", PanelPart::Controls, &[key(Key::S, "S")], |_| {
        Some(Action::Stop)
    }),
    now("step_token", "Step one token", "one token", PanelPart::Controls, &[key(Key::T, "T")], |_| {
        Some(Action::StepToken)
    }),
    now("step_patch", "Step one patch", "one patch", PanelPart::Controls, &[key(Key::P, "P")], |_| {
        Some(Action::StepPatch)
    }),
    AppCommand {
        name: "speed",
        label: "Tokens a second (0: as fast as it goes)",
        about: "draw so many tokens a second at most",
        part: PanelPart::Controls,
        takes: Takes::Number(1.0, None),
        state: Some("speed"),
        keys: &[],
        meaning: Meaning::Value(|_, value| speed(value).map(Action::Speed), |_| None),
    },
    AppCommand {
        name: "class",
        label: "What to draw",
        about: "choose what to draw: a name, or several mixed",
        part: PanelPart::Settings,
        takes: Takes::Text,
        state: Some("class"),
        keys: &[],
        meaning: Meaning::Value(|app, value| Ok(Action::Class(prompt::resolve(value, &app.model.config)?)), |_| None),
    },
    AppCommand {
        name: "seed",
        label: "Seed",
        about: "the same seed draws the same picture again",
        part: PanelPart::Settings,
        takes: Takes::Number(1.0, None),
        state: Some("seed"),
        keys: &[],
        meaning: Meaning::Value(|_, value| Ok(Action::Seed(whole("seed", value, u32::MAX)?)), |_| None),
    },
    now("dice", "Another seed", "roll the dice: another seed", PanelPart::Settings, &[key(Key::D, "D")], |_| {
        Some(Action::Dice)
    }),
    now("random_thing", "Any thing", "one of all things, by lot", PanelPart::Settings, &[], |_| {
        Some(Action::RandomThing)
    }),
    now("random_mix", "Mix two", "two things mixed half and half, by lot", PanelPart::Settings, &[], |_| {
        Some(Action::RandomMix)
    }),
    now(
        "lower",
        "Lower the threshold",
        "lower the threshold: more patches",
        PanelPart::Settings,
        &[key(Key::OpenBracket, "[")],
        |app| moved(app, -1.0),
    ),
    now(
        "raise",
        "Raise the threshold",
        "raise the threshold: fewer patches",
        PanelPart::Settings,
        &[key(Key::CloseBracket, "]")],
        |app| moved(app, 1.0),
    ),
    switch(
        "pin",
        "Pin the threshold",
        "keep this threshold beside the moving one",
        "view.pinned",
        &[key(Key::K, "K")],
        |app| app.chosen.pinned.is_some(),
        Action::Pin,
    ),
    switch(
        "grid",
        "Patch grid",
        "patch borders",
        "view.grid",
        &[key(Key::B, "B")],
        |app| app.chosen.settings.grid,
        Action::Grid,
    ),
    switch(
        "heat",
        "Entropy colours",
        "entropy as colours",
        "view.heat",
        &[key(Key::E, "E")],
        |app| app.chosen.settings.heat,
        Action::Heat,
    ),
    switch(
        "compare",
        "Compare with the baseline",
        "compare with the fixed-length baseline",
        "view.compare",
        &[key(Key::C, "C")],
        |app| app.chosen.settings.compare,
        Action::Compare,
    ),
    AppCommand {
        name: "wall",
        label: "Wall",
        about: "draw 4, 9 or 16 pictures of one thing at once, with the seeds that follow",
        part: PanelPart::View,
        takes: Takes::Choice(&WALLS),
        state: Some("view.wall"),
        keys: &[key(Key::W, "W")],
        meaning: Meaning::Value(|_, value| wall(value).map(Action::Many), |app| Some(turned(app, Many::Wall(9)))),
    },
    AppCommand {
        name: "strip",
        label: "Strip: nats between thresholds, or off",
        about: "draw one seed at five thresholds, so many nats apart",
        part: PanelPart::View,
        takes: Takes::Text,
        state: Some("view.strip"),
        keys: &[key(Key::V, "V")],
        meaning: Meaning::Value(
            |_, value| strip(value).map(Action::Many),
            |app| Some(turned(app, Many::Strip(Many::SPAN))),
        ),
    },
    AppCommand {
        name: "tile",
        label: "Make it the picture: from 0",
        about: "make one of many pictures the picture",
        part: PanelPart::View,
        takes: Takes::Number(1.0, Some(Most::Is(15.0))),
        state: None,
        keys: &[],
        meaning: Meaning::Value(|_, value| Ok(Action::Tile(whole("tile", value, 15)?)), |_| None),
    },
    switch(
        "difference",
        "Differences in a strip",
        "show how the pictures of a strip differ from the middle one",
        "view.difference",
        &[],
        |app| app.playback.tiles.as_ref().is_some_and(|tiles| tiles.difference),
        Action::Difference,
    ),
    AppCommand {
        name: "theme",
        label: "Theme",
        about: "light or dark",
        part: PanelPart::View,
        takes: Takes::Choice(&THEMES),
        state: Some("view.theme"),
        keys: &[key(Key::N, "N")],
        meaning: Meaning::Value(
            |_, value| theme(value).map(Action::Theme),
            |app| {
                Some(Action::Theme(match app.chosen.settings.theme {
                    ThemePreference::System => ThemePreference::Light,
                    ThemePreference::Light => ThemePreference::Dark,
                    ThemePreference::Dark => ThemePreference::System,
                }))
            },
        ),
    },
    AppCommand {
        name: "seek",
        label: "Shown token",
        about: "look at the run as it was before this token",
        part: PanelPart::View,
        takes: Takes::Number(1.0, Some(Most::State("total"))),
        state: Some("token"),
        keys: &[],
        meaning: Meaning::Value(
            |app, value| Ok(Action::Seek(optional("seek", value, app.model.config.tokens())?)),
            |_| None,
        ),
    },
    now("back", "One token back", "one token back in time", PanelPart::View, &[key(Key::ArrowLeft, "Left")], |app| {
        seek(app, |at, _| at - 1)
    }),
    now(
        "forward",
        "One token forward",
        "one token forward",
        PanelPart::View,
        &[key(Key::ArrowRight, "Right")],
        |app| seek(app, |at, _| at + 1),
    ),
    now("up", "One row back", "one row back", PanelPart::View, &[key(Key::ArrowUp, "Up")], |app| {
        seek(app, |at, grid| at - grid)
    }),
    now("down", "One row forward", "one row forward", PanelPart::View, &[key(Key::ArrowDown, "Down")], |app| {
        seek(app, |at, grid| at + grid)
    }),
    now("first", "First token", "the first token", PanelPart::View, &[key(Key::Home, "Home")], |app| {
        seek(app, |_, _| 0)
    }),
    now("last", "Newest token", "the newest token", PanelPart::View, &[key(Key::End, "End")], |_| {
        Some(Action::Seek(None))
    }),
    AppCommand {
        name: "select",
        label: "Token in the inspector",
        about: "keep a token in the inspector",
        part: PanelPart::View,
        takes: Takes::Number(1.0, Some(Most::State("total"))),
        state: Some("inspected"),
        keys: &[],
        meaning: Meaning::Value(
            |app, value| Ok(Action::Select(optional("select", value, app.model.config.tokens() - 1)?)),
            |_| None,
        ),
    },
    AppCommand {
        name: "attend",
        label: "Attention: layer, or layer.head",
        about: "show what the inspected token's patch attends to: a layer, a layer and head like 2.0, or off",
        part: PanelPart::View,
        takes: Takes::Text,
        state: Some("view.attend"),
        keys: &[],
        meaning: Meaning::Value(|app, value| Ok(Action::Attend(attend(value, &app.model.config)?)), |_| None),
    },
    now("open_image", "Open an image", "open an image of your own", PanelPart::Own, &[key(Key::O, "O")], |_| {
        Some(Action::OpenImage)
    }),
    now("open_model", "Open a model", "draw with a model of your own", PanelPart::Own, &[], |_| {
        Some(Action::OpenModel)
    }),
    now("kept_model", "Your model", "draw with the model that this browser keeps", PanelPart::Own, &[], |_| {
        Some(Action::Model(Some(Vec::new())))
    }),
    now("forget_model", "Delete your model", "delete the model that this browser keeps", PanelPart::Own, &[], |_| {
        Some(Action::ForgetModel)
    }),
    now("built_in_model", "Built-in model", "draw with the model that comes with the app", PanelPart::Own, &[], |_| {
        Some(Action::Model(None))
    }),
    AppCommand {
        name: "crop",
        label: "Square: zoom, or zoom x y",
        about: "which square of the image the models see: zoom from 1, and its centre from 0 to 1",
        part: PanelPart::Own,
        takes: Takes::Text,
        state: None,
        keys: &[],
        meaning: Meaning::Value(|_, value| crop(value).map(|(center, zoom)| Action::Crop(center, zoom)), |_| None),
    },
    AppCommand {
        name: "keep_rows",
        label: "Rows kept",
        about: "how many rows of the image are kept when the rest is drawn",
        part: PanelPart::Own,
        takes: Takes::Number(1.0, None),
        state: None,
        keys: &[],
        meaning: Meaning::Value(|app, value| Ok(Action::Keep(keep(value, app.model.config.grid())?)), |_| None),
    },
    now("complete", "Draw the rest", "let the model draw what is not kept", PanelPart::Own, &[], |_| {
        Some(Action::Complete)
    }),
    now("export_png", "Picture (PNG)", "save the picture", PanelPart::Keep, &[ctrl(Key::S, "Ctrl S")], |_| {
        Some(Action::Export(Export::Picture))
    }),
    now("export_overlay", "With patches (PNG)", "save the picture with its patches", PanelPart::Keep, &[], |_| {
        Some(Action::Export(Export::Overlay))
    }),
    now("export_gif", "Animation (GIF)", "save the run as an animation", PanelPart::Keep, &[], |_| {
        Some(Action::Export(Export::Animation))
    }),
    now("export_trace", "Trace (JSON)", "save the run as data", PanelPart::Keep, &[], |_| {
        Some(Action::Export(Export::Trace))
    }),
    now("copy_image", "Copy the picture", "copy the picture", PanelPart::Keep, &[ctrl(Key::C, "Ctrl C")], |_| {
        Some(Action::CopyImage)
    }),
    now("copy_link", "Copy link", "copy a link to this picture", PanelPart::Keep, &[key(Key::L, "L")], |_| {
        Some(Action::CopyLink)
    }),
    now(
        "copy_whole_link",
        "Copy link with own tokens",
        "copy a link with the tokens kept of your own image",
        PanelPart::Keep,
        &[],
        |_| Some(Action::CopyWholeLink),
    ),
    AppCommand {
        name: "link",
        label: "Follow a link",
        about: "draw what a link asks for",
        part: PanelPart::Keep,
        takes: Takes::Text,
        state: None,
        keys: &[],
        meaning: Meaning::Value(|_, value| Ok(Action::Link(value.to_owned())), |_| None),
    },
    AppCommand {
        name: "tour",
        label: "Tour: a stop from 0, or off",
        about: "the guided tour",
        part: PanelPart::Window,
        takes: Takes::Text,
        state: Some("tour"),
        keys: &[key(Key::H, "H")],
        meaning: Meaning::Value(
            |_, value| Ok(Action::Tour(optional("tour", value, tour::STOPS.len() - 1)?)),
            |app| Some(Action::Tour(if app.ui.tour.is_some() { None } else { Some(0) })),
        ),
    },
    AppCommand {
        part: PanelPart::Window,
        ..switch(
            "about",
            "About",
            "what this is and whose work it is",
            "view.about",
            &[],
            |app| app.ui.about,
            Action::About,
        )
    },
    AppCommand {
        part: PanelPart::Window,
        ..switch(
            "keys",
            "Keys",
            "this sheet",
            "view.keys",
            &[key(Key::Questionmark, "?"), key(Key::F1, "F1")],
            |app| app.ui.keys,
            Action::Keys,
        )
    },
    now(
        "close",
        "Close",
        "close what is open, let go of the token",
        PanelPart::Window,
        &[key(Key::Escape, "Esc")],
        |app| Some(app.ui.topmost()),
    ),
    now("dismiss", "Put the message away", "put the message away", PanelPart::Window, &[], |_| Some(Action::Dismiss)),
    now("reload_model", "Fetch the model again", "fetch the model again", PanelPart::Window, &[], |_| {
        Some(Action::LoadModel)
    }),
    now("use_cpu", "Use the CPU", "from now on run the model on the CPU", PanelPart::Window, &[], |_| {
        Some(Action::UseCpu)
    }),
];
