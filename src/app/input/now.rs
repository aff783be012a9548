//! What commands mean now: where the cursor goes, how far the threshold moves, what a key turns over.

use crate::app::input::action::Action;
use crate::app::panels::threshold;
use crate::app::state::app::App;
use crate::controls::Controls;
use crate::run::many::Many;

/// Many pictures, or one again where it is many of this kind already.
pub fn turned(app: &App, many: Many) -> Action {
    let shown = app.playback.tiles.as_ref().map(|tiles| std::mem::discriminant(&tiles.many));
    Action::Many((shown != Some(std::mem::discriminant(&many))).then_some(many))
}

/// The threshold so many steps on, from two decimals to two decimals.
pub fn moved(app: &App, steps: f32) -> Option<Action> {
    let threshold = ((app.chosen.controls.threshold + steps * threshold::STEP) * 100.0).round() / 100.0;
    Some(Action::Controls(Controls { threshold, ..app.chosen.controls.clone() }))
}

/// The cursor elsewhere, from where it is and the tokens of a row.
pub fn seek(app: &App, to: fn(isize, isize) -> isize) -> Option<Action> {
    let picture = app.playback.main.as_ref()?;
    let at = to(app.ui.drawn(picture) as isize, picture.grid as isize);
    Some(Action::Seek((at < picture.tokens.len() as isize).then_some(at.max(0) as usize)))
}
