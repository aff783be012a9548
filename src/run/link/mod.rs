//! Share links: everything that draws a picture again, as the `#...` part of an address.
//!
//! ```text
//! #class=red%20apple&seed=3&t=4.3&pmax=4&mode=entropy_row_boundary&cfg=2&temp=0.8&topk=0&topp=0.85&model=1f0c…&view=grid
//! ```
//!
//! | key | says | where it is missing |
//! |---|---|---|
//! | `v` | the version of this form, should there be another | 1 |
//! | `gen` | `dpar` or `baseline` | `dpar` |
//! | `class` | a prompt ([`crate::run::prompt`]): a name, a number, `0.7 owl + 0.3 panda` | the model's own |
//! | `seed` | of the noise | 1 |
//! | `t`, `pmax`, `mode` | the patch rule | the model's own |
//! | `cfg`, `temp`, `topk`, `topp` | how tokens are drawn | the model's own |
//! | `changes` | `20:t=6,pmax=0;30:cfg=3`: settings that changed on the way, with the token they counted from | none |
//! | `given` | `0:01f3…;40:…`: tokens that were given, 4 hex digits each, from that position on | none |
//! | `model` | [`crate::checkpoint::ModelFiles::hash`] | whatever model is there |
//! | `sum` | what came of it: the first 4 bytes of SHA-256 over its tokens as little-endian u16, in hex ([`sum`]) | nothing is compared |
//! | `view` | any of `grid`, `heat`, `compare`, and `wall` or `strip` | as the viewer is set |
//! | `n` | pictures of a wall: 4, 9 or 16 | 9 |
//! | `span` | nats between the thresholds of a strip | 0.8 |
//! | `token` | where the cursor stands | as the viewer is set |
//!
//! A written link never relies on a model's defaults, which may change: it names every number. Only a link made by hand
//! leaves some out. Floats are written in the shortest form that reads back as the same float.

mod normal;
mod parse;
mod receive;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::checkpoint::config::Generator;
use crate::checkpoint::config::ModelConfig;
use crate::controls::SomeControls;
use crate::error::Result;
use crate::run::many::Many;
use crate::run::prompt;
use crate::run::request::Request;
use crate::run::trace::Run;

/// Characters of a value that are escaped: all but those that an address may hold and that separate nothing here.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'!').remove(b'*');

/// A share link, read or to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The model's hash.
    pub model: Option<String>,
    /// DPAR or the baseline.
    pub generator: Generator,
    /// What to draw, as a prompt.
    pub class: Option<String>,
    /// Seed.
    pub seed: Option<u32>,
    /// Controls at the start.
    pub settings: SomeControls,
    /// Controls that change on the way: the position from which they count (ascending), and what changes there.
    pub changes: Vec<(usize, SomeControls)>,
    /// Per position: a token that is given, or `None` to draw it.
    pub given: Vec<Option<u32>>,
    /// The [`sum`] of the tokens that its sender has seen.
    pub sum: Option<String>,
    /// What the viewer shows.
    pub view: Option<View>,
    /// Pictures of a wall.
    pub n: Option<u8>,
    /// Nats between the thresholds of a strip.
    pub span: Option<f32>,
    /// The token the cursor stands on.
    pub token: Option<usize>,
    /// What was not understood and left out, each as one sentence: a newer program may have written it.
    pub warnings: Vec<String>,
}

/// What the viewer shows over and beside the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The patch grid.
    pub grid: bool,
    /// The entropy heat map.
    pub heat: bool,
    /// The baseline beside it.
    pub compare: bool,
    /// Many pictures with the seeds that follow, in place of one.
    pub wall: bool,
    /// The same seed at five thresholds.
    pub strip: bool,
}

/// The first 4 bytes, in hex, of SHA-256 over a picture's tokens as little-endian u16. Float sums differ between adapters,
/// and a near tie can make another picture of it: the receiver of a link should know.
pub fn sum(tokens: impl IntoIterator<Item = u32>) -> String {
    let bytes: Vec<u8> = tokens.into_iter().flat_map(|id| (id as u16).to_le_bytes()).collect();
    Sha256::digest(bytes)[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Link {
    /// The link that draws `request` again, changes on the way included, with the model of this hash.
    pub fn of(request: &Request, model: &str, config: &ModelConfig) -> Self {
        let mut before = &request.controls;
        let mut changes = Vec::new();
        for (at, controls) in &request.schedule {
            let difference = SomeControls::difference(before, controls);
            if difference != SomeControls::default() {
                changes.push((*at, difference));
            }
            before = controls;
        }
        let last = request.forced.iter().rposition(Option::is_some).map_or(0, |i| i + 1);
        Self {
            model: Some(model.to_owned()).filter(|hash| !hash.is_empty()),
            generator: request.generator,
            class: Some(prompt::describe(&request.class, config)),
            seed: Some(request.seed),
            settings: SomeControls::of(&request.controls),
            changes,
            given: request.forced[..last].to_vec(),
            ..Self::default()
        }
    }

    /// The link of a recorded run, with its sum where it was drawn to its end.
    pub fn of_run(run: &Run, model: &str, config: &ModelConfig) -> Self {
        let whole = run.tokens.len() == config.tokens();
        let sum = whole.then(|| sum(run.tokens.iter().copied()));
        Self { sum, ..Self::of(&run.request(), model, config) }
    }

    /// The many pictures that it wants shown in place of one.
    pub fn many(&self) -> Option<Many> {
        match self.view? {
            View { wall: true, .. } => Some(Many::Wall(self.n.unwrap_or(9))),
            View { strip: true, .. } => Some(Many::Strip(self.span.unwrap_or(Many::SPAN))),
            _ => None,
        }
    }

    /// The same with many pictures in place of one.
    #[must_use]
    pub fn with_many(mut self, many: Many) -> Self {
        let view = self.view.get_or_insert_default();
        match many {
            Many::Wall(count) => (view.wall, self.n) = (true, Some(count)),
            Many::Strip(span) => (view.strip, self.span) = (true, Some(span)),
        }
        self
    }

    /// The same without tokens that were given: of a completed picture these are somebody's own image, and class and settings
    /// say nothing of it. What it draws is another picture then.
    #[must_use]
    pub fn without_given(self) -> Self {
        if self.given.iter().all(Option::is_none) { self } else { Self { given: Vec::new(), sum: None, ..self } }
    }

    /// The run that the link asks for; what it leaves open is the model's default.
    ///
    /// # Errors
    /// [`Error::Request`] for a class or a number that this model cannot draw, naming it.
    pub fn request(&self, config: &ModelConfig) -> Result<Request> {
        let class = match self.class.as_deref() {
            None => config.default_class().into(),
            // Programs that write forms write a space as a plus, and a plus as %2B.
            Some(name) => match as_form(name) {
                Some(text) if prompt::is_name(&text, config) && !prompt::is_name(name, config) => {
                    prompt::resolve(&text, config)
                }
                form => prompt::resolve(name, config)
                    .or_else(|e| form.and_then(|text| prompt::resolve(&text, config).ok()).ok_or(e)),
            }?,
        };
        // A model that has one generator draws every link with it.
        let lacks = config.check_generator(self.generator).is_err();
        let generator = config.generator().filter(|_| lacks).unwrap_or(self.generator);
        let mut request = Request::new(config, generator, class, self.seed.unwrap_or(1));
        self.settings.apply(&mut request.controls);
        let mut controls = request.controls.clone();
        for (at, change) in &self.changes {
            change.apply(&mut controls);
            request.schedule.push((*at, controls.clone()));
        }
        request.forced.clone_from(&self.given);
        request.check(config)?;
        Ok(request)
    }
}

/// `red+apple` as `red apple`, `2+owl+++panda` as `2 owl + panda`; `None` for what no form has written.
fn as_form(text: &str) -> Option<String> {
    (!text.contains(' ')).then(|| text.replace("+++", " \u{0} ").replace('+', " ").replace('\u{0}', "+"))
}

/// The link's text, from `#` on.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut add = |key: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{key}={value}", if text.is_empty() { '#' } else { '&' });
        };
        let escaped = |value: &str| utf8_percent_encode(value, ESCAPED).to_string();
        if self.generator != Generator::default() {
            add("gen", &self.generator.to_string());
        }
        if let Some(class) = &self.class {
            add("class", &escaped(class));
        }
        if let Some(seed) = self.seed {
            add("seed", &seed.to_string());
        }
        for (control, value) in self.settings.iter() {
            add(control.link, &escaped(&value.to_string()));
        }
        if !self.changes.is_empty() {
            add("changes", &changes(&self.changes));
        }
        if self.given.iter().any(Option::is_some) {
            add("given", &given(&self.given));
        }
        if let Some(model) = &self.model {
            add("model", &escaped(model));
        }
        if let Some(sum) = &self.sum {
            add("sum", sum);
        }
        if let Some(view) = self.view {
            let many = [("wall", view.wall), ("strip", view.strip)];
            let shown = [("grid", view.grid), ("heat", view.heat), ("compare", view.compare)].into_iter().chain(many);
            let shown: Vec<&str> = shown.filter_map(|(name, on)| on.then_some(name)).collect();
            add("view", &shown.join(","));
        }
        if let Some(n) = self.n {
            add("n", &n.to_string());
        }
        if let Some(span) = self.span {
            add("span", &span.to_string());
        }
        if let Some(token) = self.token {
            add("token", &token.to_string());
        }
        if text.is_empty() { f.write_str("#") } else { f.write_str(&text) }
    }
}

/// `20:t=6,pmax=0;30:cfg=3`
fn changes(changes: &[(usize, SomeControls)]) -> String {
    let one = |(at, settings): &(usize, SomeControls)| {
        let pairs: Vec<String> = settings.iter().map(|(control, value)| format!("{}={value}", control.link)).collect();
        format!("{at}:{}", pairs.join(","))
    };
    changes.iter().map(one).collect::<Vec<_>>().join(";")
}

/// `0:01f3002c;40:0007`: runs of given tokens.
fn given(given: &[Option<u32>]) -> String {
    let mut text = String::new();
    let mut before = None;
    for (at, token) in given.iter().enumerate() {
        if let Some(id) = token {
            if before.is_none() {
                let _ = write!(text, "{}{at}:", if text.is_empty() { "" } else { ";" });
            }
            let _ = write!(text, "{id:04x}");
        }
        before = *token;
    }
    text
}
