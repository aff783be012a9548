//! Reading links: whatever somebody pastes ends as a [`Link`] or as one sentence.

use std::collections::BTreeSet;

use super::normal::{bad, decoded, fragment, quoted};
use super::{Link, View};
use crate::checkpoint::version::Version;
use crate::controls::{CONTROLS, SomeControls};
use crate::error::{Error, Result};
use crate::run::many::Many;
use crate::run::prompt;

/// The form of links that is read and written: the first, which says nothing of it. A later one says `v=2`.
const VERSION: Version = Version(1);
/// What a link can say besides the controls.
const KEYS: [&str; 12] =
    ["gen", "v", "class", "seed", "changes", "given", "model", "sum", "view", "n", "span", "token"];
/// Positions that any model can have (a grid of 64 x 64).
const MAX_TOKENS: usize = 4096;

impl Link {
    /// Reads a whole address, its `#...` part, or what follows the `#`, also as mails and chats leave it. Keys that are not
    /// known become [`Link::warnings`] and change nothing.
    ///
    /// # Errors
    /// [`Error::Link`] for a value that cannot be used, naming its key, an address without a `#` part, and what has not
    /// one key of a link.
    pub fn parse(text: &str) -> Result<Self> {
        read(text).map_err(Error::Link)
    }

    /// Whether a text is meant as a link: it has a key of one, whatever the values.
    pub fn is_meant(text: &str) -> bool {
        let Ok(fragment) = fragment(text) else { return false };
        pairs(&fragment).any(|(key, value)| !value.is_empty() && is_known(&key))
    }
}

/// Keys in lower case, and what they are said to be.
fn pairs(fragment: &str) -> impl Iterator<Item = (String, &str)> {
    let pairs = fragment.split('&').filter(|pair| !pair.trim().is_empty());
    pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.trim().to_ascii_lowercase(), value)
    })
}

fn is_known(key: &str) -> bool {
    KEYS.contains(&key) || CONTROLS.iter().any(|control| control.link == key)
}

fn read(text: &str) -> Result<Link, String> {
    let fragment = fragment(text)?;
    if !pairs(&fragment).any(|(key, _)| is_known(&key)) {
        return Err(if fragment.trim().is_empty() {
            "there is nothing in the link: it should be like #class=owl&seed=7".into()
        } else {
            format!("{} is no link of this program: one is like #class=owl&seed=7", quoted(&fragment))
        });
    }
    let mut link = Link::default();
    let mut seen = BTreeSet::new();
    for (key, value) in pairs(&fragment) {
        if !seen.insert(key.clone()) {
            link.warnings.push(format!("the link says {} twice: the last one counts", quoted(&key)));
        }
        let value = decoded(&key, value)?;
        link.set(&key, value.trim())?;
    }
    Ok(link)
}

impl Link {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if control(&mut self.settings, key, value)? {
            return Ok(());
        }
        match key {
            "gen" => self.generator = value.parse().map_err(|_| bad(key, value, "dpar or baseline"))?,
            "v" => {
                let known = Version(whole(key, value)?).known("a link", VERSION);
                known.map_err(|problem| format!("this {problem}"))?;
            }
            "class" if value.is_empty() || value.len() > prompt::MAX_BYTES => {
                return Err(bad(key, value, "the name or number of a class, or a mix like owl + panda"));
            }
            "class" => self.class = Some(value.to_owned()),
            "seed" => self.seed = Some(whole(key, value)?),
            "changes" => self.changes = self.changes(value)?,
            "given" => self.given = given(value)?,
            "model" => {
                if value.is_empty() || value.len() > 64 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(bad(key, value, "the hash of a model, in hex digits"));
                }
                self.model = Some(value.to_ascii_lowercase());
            }
            "sum" => {
                if value.len() != 8 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(bad(key, value, "8 hex digits"));
                }
                self.sum = Some(value.to_ascii_lowercase());
            }
            "view" => self.view = Some(self.view(value)),
            "n" => {
                let wall = Many::wall(whole(key, value)?).map_err(|_| bad(key, value, "4, 9 or 16"))?;
                self.n = Some(wall.count() as u8);
            }
            "span" => {
                let span: Option<f32> = value.parse().ok().filter(|span| Many::strip(*span).is_ok());
                self.span = Some(span.ok_or_else(|| bad(key, value, "nats, more than 0 and at most 4"))?);
            }
            "token" => self.token = Some(whole(key, value)? as usize),
            _ => self.unknown(key),
        }
        Ok(())
    }

    fn unknown(&mut self, what: &str) {
        self.warnings.push(format!("the link says {}, which this version does not know: left out", quoted(what)));
    }

    fn view(&mut self, value: &str) -> View {
        let mut view = View::default();
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "grid" => view.grid = true,
                "heat" => view.heat = true,
                "compare" => view.compare = true,
                "wall" => view.wall = true,
                "strip" => view.strip = true,
                _ => self.unknown(&format!("view={name}")),
            }
        }
        view
    }

    fn changes(&mut self, value: &str) -> Result<Vec<(usize, SomeControls)>, String> {
        let wrong = |part: &str| bad("changes", part, "like 20:t=6,pmax=4 (a position, then what changes there)");
        let mut changes: Vec<(usize, SomeControls)> = Vec::new();
        for part in value.split(';').filter(|part| !part.is_empty()) {
            let (at, pairs) = part.split_once(':').ok_or_else(|| wrong(part))?;
            let at = at.trim().parse().ok().filter(|at| *at < MAX_TOKENS).ok_or_else(|| wrong(part))?;
            if changes.last().is_some_and(|(before, _)| *before > at) {
                return Err(bad("changes", part, "after the position of the change before it"));
            }
            let mut settings = SomeControls::default();
            for pair in pairs.split(',') {
                let (key, value) = pair.split_once('=').ok_or_else(|| wrong(part))?;
                if !control(&mut settings, key.trim(), value.trim())? {
                    self.unknown(&format!("changes={pair}"));
                }
            }
            changes.push((at, settings));
        }
        Ok(changes)
    }
}

/// Takes a key that is a control's.
fn control(settings: &mut SomeControls, key: &str, value: &str) -> Result<bool, String> {
    let Some(control) = CONTROLS.iter().find(|control| control.link == key) else { return Ok(false) };
    settings.insert(control, control.parse(value).map_err(|wanted| bad(key, value, &wanted))?);
    Ok(true)
}

fn given(value: &str) -> Result<Vec<Option<u32>>, String> {
    let wrong = |part: &str| bad("given", part, "like 0:01f3002c (a position, then 4 hex digits for each token)");
    let mut given = Vec::new();
    for part in value.split(';').filter(|part| !part.is_empty()) {
        let (at, digits) = part.split_once(':').ok_or_else(|| wrong(part))?;
        let at: usize = at.trim().parse().map_err(|_| wrong(part))?;
        let fits = at.saturating_add(digits.len() / 4) <= MAX_TOKENS;
        if !digits.len().is_multiple_of(4) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) || !fits {
            return Err(wrong(part));
        }
        if at < given.len() {
            return Err(bad("given", part, "after the tokens before it"));
        }
        given.resize(at, None);
        for four in digits.as_bytes().chunks_exact(4) {
            let id = std::str::from_utf8(four).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
            given.push(Some(id.ok_or_else(|| wrong(part))?));
        }
    }
    Ok(given)
}

fn whole(key: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| bad(key, value, &format!("a whole number from 0 to {}", u32::MAX)))
}
