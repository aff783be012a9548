//! What `dpar generate` says when it is done: a card for people, one JSON object for programs.

use std::time::Duration;

use dpar::Result;
use dpar::controls::Controls;
use dpar::engine::gpu::TimedBy;
use dpar::mix::Mix;
use serde::Serialize;

use super::drawn::{Drawn, DrawnFiles};
use super::json::to_json;
use super::output::Card;
use super::studio::{Studio, tokenizer_place};

/// Sums over all pictures of a command.
struct Total {
    tokens: usize,
    /// Without those of pictures that an earlier command has drawn.
    timed: usize,
    patches: usize,
    elapsed: Duration,
    timed_by: Option<TimedBy>,
}

impl Total {
    fn of(pictures: &[Drawn]) -> Self {
        let all = || pictures.iter().map(|p| &p.drawing.statistics);
        Self {
            tokens: all().map(|s| s.tokens).sum(),
            timed: all().filter(|s| !s.elapsed.is_zero()).map(|s| s.tokens).sum(),
            patches: all().map(|s| s.patches).sum(),
            elapsed: all().map(|s| s.elapsed).sum(),
            timed_by: all().find_map(|s| s.timed_by),
        }
    }

    /// T / M over all pictures; the baseline, which has no patches, takes a step per token.
    fn average_patch_length(&self) -> f64 {
        if self.patches == 0 { 1.0 } else { self.tokens as f64 / self.patches as f64 }
    }

    fn ms_per_token(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1000.0 / self.timed.max(1) as f64
    }
}

/// The summary for people. `kept` is what a completion kept, `before` how many pictures were there before.
pub fn text(studio: &Studio, pictures: &[Drawn], written: &DrawnFiles, kept: Option<&str>, before: usize) -> String {
    let mut card = Card::default();
    if let [Drawn { drawing, .. }, ..] = pictures {
        let run = &drawing.run;
        let named = !studio.files.config.classes.is_empty();
        let one = named && run.mix.is_none();
        card.row("class", if one { format!("{} ({})", run.class_name, run.class) } else { run.class_name.clone() });
        card.row("seed", seeds(pictures));
        if run.baseline {
            card.row("generator", "fixed-length baseline, one step per token");
        } else {
            card.row("patching", patching(&run.controls));
        }
        card.row("sampling", sampling(&run.controls));
    }
    if let Some(kept) = kept {
        card.row("kept", kept);
    }
    if before > 0 {
        card.row("resumed", format!("{before} of {} pictures were drawn before", pictures.len()));
    }
    let total = Total::of(pictures);
    let count = if pictures.len() > 1 { format!(" in {} pictures", pictures.len()) } else { String::new() };
    card.row("tokens", format!("{}{count}", total.tokens));
    if total.patches > 0 {
        let length = total.average_patch_length();
        card.row("patches", format!("{}, {length:.2} tokens each on average", total.patches));
    }
    if total.timed > 0 {
        let by = total.timed_by.map_or("time", TimedBy::name);
        let (each, all) = (total.ms_per_token(), total.elapsed.as_secs_f64());
        card.row("speed", format!("{each:.2} ms/token, {all:.1} s in all ({by})"));
    }
    card.row("adapter", studio.backend.name());
    card.row("tokenizer", tokenizer_place(&studio.backend));
    card.row("model", format!("{} ({})", studio.files.source, studio.files.hash));
    if let [link] = written.links.as_slice() {
        card.row("link", link);
    }
    let (width, height) = written.size;
    card.row("wrote", format!("{} ({width} x {height} pixels)", written.picture));
    let each = [(&written.overlays, "with patches and entropies"), (&written.animations, "how it forms")];
    for (files, what) in each {
        match files.as_slice() {
            [] => {}
            [one] => card.row("", format!("{one} ({what})")),
            [first, .., last] => card.row("", format!("{first} to {last} ({what})")),
        }
    }
    if let Some(trace) = &written.trace {
        card.row("", format!("{trace} (trace; `dpar replay` draws it again)"));
    }
    card.text()
}

fn seeds(pictures: &[Drawn]) -> String {
    match pictures {
        [first, .., last] => format!("{} to {}", first.drawing.run.seed, last.drawing.run.seed),
        one => one.iter().map(|p| p.drawing.run.seed.to_string()).collect(),
    }
}

/// The patch rule in words.
pub fn patching(controls: &Controls) -> String {
    use dpar::patching::Mode;
    let limit =
        if controls.p_max == 0 { "no patch limit".to_owned() } else { format!("at most {} tokens", controls.p_max) };
    match controls.mode {
        Mode::Token => "token (every token is a patch)".to_owned(),
        Mode::Static => format!("static ({} tokens each)", controls.p_max),
        mode => format!("{}, threshold {} nats, {limit}", mode.name(), controls.threshold),
    }
}

/// How tokens are drawn, in words.
pub fn sampling(controls: &Controls) -> String {
    let s = &controls.sampling;
    let mut parts = vec![format!("guidance {}", s.cfg_scale), format!("temperature {}", s.temperature)];
    if s.top_k > 0 {
        parts.push(format!("top-k {}", s.top_k));
    }
    if s.top_p < 1.0 {
        parts.push(format!("top-p {}", s.top_p));
    }
    parts.join(", ")
}

#[derive(Serialize)]
struct Report<'a> {
    class: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    mix: Option<&'a Mix>,
    class_name: &'a str,
    generator: &'static str,
    seeds: Vec<u32>,
    #[serde(flatten)]
    controls: &'a Controls,
    tokens: usize,
    patches: usize,
    average_patch_length: f64,
    ms_per_token: f64,
    /// What that was measured by.
    timed_by: Option<&'static str>,
    adapter: String,
    fallback: Option<&'a str>,
    tokenizer_device: &'static str,
    model: &'a str,
    model_hash: &'a str,
    runs: Vec<RunReport>,
    files: &'a DrawnFiles,
}

#[derive(Serialize)]
struct RunReport {
    seed: u32,
    tokens: usize,
    patches: usize,
    average_patch_length: f32,
    ms_per_token: f64,
    link: String,
}

/// The same for programs: sums over all pictures, and each picture's own figures in `runs`.
///
/// # Errors
/// As [`to_json`]; also where there is no picture.
pub fn json(studio: &Studio, pictures: &[Drawn], written: &DrawnFiles) -> Result<String> {
    let Some(Drawn { drawing: first, .. }) = pictures.first() else {
        return Err(dpar::Error::Internal("a report about no pictures".into()));
    };
    let total = Total::of(pictures);
    let runs = pictures.iter().zip(&written.links).map(|(p, link)| (p, &p.drawing.statistics, link));
    to_json(&Report {
        class: first.run.class,
        mix: first.run.mix.as_ref(),
        class_name: &first.run.class_name,
        generator: if first.run.baseline { "baseline" } else { "dpar" },
        seeds: pictures.iter().map(|p| p.drawing.run.seed).collect(),
        controls: &first.run.controls,
        tokens: total.tokens,
        patches: total.patches,
        average_patch_length: total.average_patch_length(),
        ms_per_token: total.ms_per_token(),
        timed_by: total.timed_by.map(TimedBy::name),
        adapter: studio.backend.name(),
        fallback: studio.backend.fallback.as_deref(),
        tokenizer_device: tokenizer_place(&studio.backend),
        model: &studio.files.source,
        model_hash: &studio.files.hash,
        runs: runs
            .map(|(picture, s, link)| RunReport {
                seed: picture.drawing.run.seed,
                link: link.clone(),
                tokens: s.tokens,
                patches: s.patches,
                average_patch_length: s.average_patch_length,
                ms_per_token: s.ms_per_token(),
            })
            .collect(),
        files: written,
    })
}
