//! The values of commands: what means nothing is refused, in one sentence that says what would.

use std::str::FromStr;

use eframe::egui::ThemePreference;

use crate::analysis::Region;
use crate::app::state::own::Attend;
use crate::checkpoint::config::ModelConfig;
use crate::error::{Error, Result};
use crate::run::many::Many;

/// Refuses a value, saying what it must be.
pub fn bad<T>(name: &str, value: &str, wanted: &str) -> Result<T> {
    Err(Error::Request(format!("{name} \"{value}\" must be {wanted}")))
}

/// `on` or `off`, as anybody may write it; nothing is `on`.
pub fn on_or_off(name: &str, value: &str) -> Result<bool> {
    match value.trim() {
        "" | "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => bad(name, value, "on or off"),
    }
}

/// A whole number from 0 to `most`.
pub fn whole<T: FromStr + PartialOrd + std::fmt::Display>(name: &str, value: &str, most: T) -> Result<T> {
    match value.trim().parse() {
        Ok(number) if number <= most => Ok(number),
        _ => bad(name, value, &format!("a whole number from 0 to {most}")),
    }
}

/// A whole number from 0 to `most`, or none: `off` or nothing.
pub fn optional(name: &str, value: &str, most: usize) -> Result<Option<usize>> {
    match value.trim() {
        "" | "off" => Ok(None),
        number => match number.parse() {
            Ok(number) if number <= most => Ok(Some(number)),
            _ => bad(name, value, &format!("a whole number from 0 to {most}, or off")),
        },
    }
}

/// `light`, `dark` or `system`.
pub fn theme(value: &str) -> Result<ThemePreference> {
    match value.trim() {
        "light" => Ok(ThemePreference::Light),
        "dark" => Ok(ThemePreference::Dark),
        "system" => Ok(ThemePreference::System),
        _ => bad("theme", value, "light, dark or system"),
    }
}

/// A layer of the patch transformer, a layer and one of its heads (`2.0`), or `off`.
pub fn attend(value: &str, config: &ModelConfig) -> Result<Option<Attend>> {
    if matches!(value.trim(), "" | "off" | "false") {
        return Ok(None);
    }
    let Some(dpar) = &config.dpar else {
        return Err(Error::Request("this model folder has no DPAR whose attention could be shown".into()));
    };
    let (layers, heads) = (dpar.n_layer.saturating_sub(1), dpar.n_head.saturating_sub(1));
    let (layer, head) = value.trim().split_once('.').map_or((value.trim(), None), |(l, h)| (l, Some(h)));
    let head = head.map(|head| head.parse().ok().filter(|head| *head <= heads));
    match (layer.parse().ok().filter(|layer| *layer <= layers), head) {
        (Some(layer), None) => Ok(Some(Attend { layer, head: None })),
        (Some(layer), Some(Some(head))) => Ok(Some(Attend { layer, head: Some(head) })),
        _ => bad(
            "attend",
            value,
            &format!("a layer from 0 to {layers}, with or without a head from 0 to {heads} (2.0), or off"),
        ),
    }
}

/// Zoom, or zoom and centre: `2`, `2 0.5 0.25`.
pub fn crop(value: &str) -> Result<([f32; 2], f32)> {
    let numbers: Option<Vec<f32>> = value.split_whitespace().map(|part| part.parse().ok()).collect();
    let inside = |share: f32| (0.0..=1.0).contains(&share);
    match numbers.as_deref() {
        Some([zoom]) if (1.0..=8.0).contains(zoom) => Ok(([0.5, 0.5], *zoom)),
        Some([zoom, x, y]) if (1.0..=8.0).contains(zoom) && inside(*x) && inside(*y) => Ok(([*x, *y], *zoom)),
        _ => bad("crop", value, "a zoom from 1 to 8, and where the centre is as two shares from 0 to 1: 2 0.5 0.25"),
    }
}

/// The first rows of an image of `grid` rows.
pub fn keep(value: &str, grid: usize) -> Result<Region> {
    Ok(Region::first_rows(whole("keep_rows", value, grid)?, grid))
}

/// 4, 9 or 16 pictures, or `off`.
pub fn wall(value: &str) -> Result<Option<Many>> {
    match value.trim() {
        "" | "off" => Ok(None),
        count => match count.parse().map(Many::wall) {
            Ok(Ok(wall)) => Ok(Some(wall)),
            _ => bad("wall", value, "4, 9 or 16, or off"),
        },
    }
}

/// Nats between the thresholds of a strip, or `off`; `on` is the usual distance.
pub fn strip(value: &str) -> Result<Option<Many>> {
    match value.trim() {
        "" | "off" => Ok(None),
        "on" => Ok(Some(Many::Strip(Many::SPAN))),
        span => match span.parse().map(Many::strip) {
            Ok(Ok(strip)) => Ok(Some(strip)),
            _ => bad("strip", value, "a number of nats, more than 0 and at most 4, or off"),
        },
    }
}

/// Tokens a second, 0 for as fast as it goes.
pub fn speed(value: &str) -> Result<f32> {
    match value.trim().parse() {
        Ok(speed) if (0.0..=1000.0).contains(&speed) => Ok(speed),
        _ => bad("speed", value, "a number of tokens a second from 0 to 1000"),
    }
}
