//! What to draw and how: class, seed, transport, threshold, sampling.

use eframe::egui::{self, Ui};

use crate::app::input::action::{Action, Export};
use crate::app::panels::facts::Facts;
use crate::app::panels::picker::{self, Picker};
use crate::app::panels::theme;
use crate::app::panels::threshold;
use crate::app::state::own::Own;
use crate::app::state::picture::Picture;
use crate::patching::Mode;
use crate::run::many::Many;
use crate::run::prompt;

/// Class, seed and the large button.
pub fn what(ui: &mut Ui, f: &Facts<'_>, picker: &mut Picker, out: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        picker::show(ui, f, picker, out);
        let mut seed = f.settings.seed;
        let name = ui.label("seed").on_hover_text("The same seed draws the same picture again, on this GPU, always.");
        if ui.add(egui::DragValue::new(&mut seed).speed(0.1)).labelled_by(name.id).changed() {
            out.push(Action::Seed(seed));
        }
        if ui.button("Dice").on_hover_text("Another seed (D)").clicked() {
            out.push(Action::Dice);
        }
    });
}

/// Said of a model with a tokenizer and an entropy model alone.
pub const LOOKS_ONLY: &str = "This model shows how pictures are cut into patches, and draws none: open an image";

/// Generate, pause, steps, stop.
pub fn transport(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    let busy = f.playback.is_live();
    ui.horizontal_wrapped(|ui| {
        let label = egui::RichText::new("Generate").strong();
        let generate = egui::Button::new(label).fill(ui.visuals().selection.bg_fill);
        let about = if f.ready { "Draw a picture (G)" } else { "Draw a picture as soon as the model is there (G)" };
        let draws = f.config.generator().is_some();
        let why = if draws { "There is no model: try to fetch it again" } else { LOOKS_ONLY };
        let answer = ui.add_enabled(draws && (f.ready || f.fetching.is_some()), generate).on_hover_text(about);
        if answer.on_disabled_hover_text(why).clicked() {
            out.push(Action::Generate);
        }
        let moving = f.playback.is_busy();
        let (text, action) = if f.playback.is_paused() { ("Go on", Action::Resume) } else { ("Pause", Action::Pause) };
        if ui.add_enabled(moving, egui::Button::new(text)).on_hover_text("Space").clicked() {
            out.push(action);
        }
        if ui.add_enabled(moving, egui::Button::new("Stop")).on_hover_text("Keep what is drawn (S)").clicked() {
            out.push(Action::Stop);
        }
        if ui.add_enabled(busy, egui::Button::new("+1 token")).on_hover_text("Draw one token, then hold (T)").clicked()
        {
            out.push(Action::StepToken);
        }
        if ui
            .add_enabled(busy, egui::Button::new("+1 patch"))
            .on_hover_text("Draw until the next patch begins (P)")
            .clicked()
        {
            out.push(Action::StepPatch);
        }
    });
    ui.horizontal(|ui| {
        let name = ui.label("speed");
        // Logarithmic, with "as fast as it goes" at the right end.
        let mut speed = if f.settings.speed <= 0.0 { 1000.0 } else { f.settings.speed };
        let slider = egui::Slider::new(&mut speed, 1.0..=1000.0)
            .logarithmic(true)
            .custom_formatter(|v, _| if v >= 999.0 { "full".to_owned() } else { format!("{v:.0} tokens/s") });
        if ui.add(slider).labelled_by(name.id).on_hover_text("Tokens a second at most").changed() {
            out.push(Action::Speed(if speed >= 999.0 { 0.0 } else { speed }));
        }
    });
}

/// The threshold with its histogram, P_max and mode.
pub fn patching(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    let defaults = f.config.controls();
    let mut controls = f.controls.clone();
    ui.horizontal(|ui| {
        let name = ui.label(egui::RichText::new("Threshold \u{03B8}").strong()).on_hover_text(
            "A token whose entropy is above \u{03B8} starts a new patch. Lower: more patches, more steps of the big \
             transformer. Higher: fewer. It may be moved at any time, also while a picture is drawn.",
        );
        let value = egui::DragValue::new(&mut controls.threshold).speed(0.01).range(-1.0..=20.0f32).suffix(" nats");
        ui.add(value.fixed_decimals(2).clamp_existing_to_range(false)).labelled_by(name.id);
        let pinned = f.pinned.is_some();
        if ui.selectable_label(pinned, "Pin").on_hover_text("Keep this threshold beside the moving one (K)").clicked() {
            out.push(Action::Pin(!pinned));
        }
    });
    let asked = f.tiles.as_ref().and_then(|tiles| Some(tiles.pictures.get(tiles.many.asked())?.picture));
    let entropies = f.main.as_ref().map(|shown| shown.picture).or(asked).map(Picture::entropies).unwrap_or_default();
    threshold::slider(ui, &mut controls.threshold, f.pinned, defaults.threshold, f.config.vocab(), &entropies)
        .on_hover_text("How uncertain the entropy model is about every token of this picture. Drag the line.");
    ui.horizontal(|ui| {
        let mut limit = controls.p_max;
        let name = ui.label("P_max").on_hover_text("The most tokens a patch may hold; 0 is no limit");
        ui.add(egui::Slider::new(&mut limit, 0..=16).clamping(egui::SliderClamping::Edits)).labelled_by(name.id);
        controls.p_max = limit;
    });
    ui.horizontal(|ui| {
        let name = ui.label("mode").on_hover_text("How boundaries are chosen");
        let choice = egui::ComboBox::from_id_salt("mode").selected_text(mode_name(controls.mode)).show_ui(ui, |ui| {
            for (_, mode) in Mode::NAMES {
                ui.selectable_value(&mut controls.mode, mode, mode_name(mode)).on_hover_text(mode_about(mode));
            }
        });
        choice.response.labelled_by(name.id);
        if ui
            .add_enabled(controls != defaults, egui::Button::new("reset"))
            .on_hover_text("The model's own settings")
            .clicked()
        {
            controls = defaults.clone();
        }
    });
    if controls.mode == Mode::Static && controls.p_max == 0 {
        controls.p_max = defaults.p_max.max(2);
    }
    if controls != *f.controls {
        out.push(Action::Controls(controls));
    }
    if f.moved {
        ui.horizontal_wrapped(|ui| {
            if ui
                .add_enabled(f.ready && f.config.generator().is_some(), egui::Button::new("Redraw at this threshold"))
                .on_hover_text("Same seed (R)")
                .clicked()
            {
                out.push(Action::Redraw);
            }
            ui.label(theme::small("the grid shows how these tokens would merge"));
        });
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Token => "every token",
        Mode::Static => "fixed length",
        Mode::Entropy => "entropy",
        Mode::EntropyRowBoundary => "entropy + rows",
    }
}

fn mode_about(mode: Mode) -> &'static str {
    match mode {
        Mode::Token => "Every token is a patch: no merging",
        Mode::Static => "Patches of exactly P_max tokens, whatever they show",
        Mode::Entropy => "A patch starts where the entropy is above the threshold",
        Mode::EntropyRowBoundary => "As entropy, and every row starts a patch: the paper's choice",
    }
}

/// Guidance, temperature, top-k, top-p.
pub fn sampling(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    let mut controls = f.controls.clone();
    let s = &mut controls.sampling;
    // A link may ask for more than a slider reaches: that stands until somebody moves it.
    let free = egui::SliderClamping::Edits;
    egui::Grid::new("sampling").num_columns(2).show(ui, |ui| {
        let name = ui.label("guidance").on_hover_text("Classifier-free guidance: how much the class counts. 1 is off.");
        ui.add(egui::Slider::new(&mut s.cfg_scale, 0.0..=8.0).fixed_decimals(1).clamping(free)).labelled_by(name.id);
        ui.end_row();
        let name = ui.label("temperature").on_hover_text("Below 1: safer tokens. 0: always the most probable one.");
        ui.add(egui::Slider::new(&mut s.temperature, 0.0..=2.0).fixed_decimals(2).clamping(free)).labelled_by(name.id);
        ui.end_row();
        let name = ui.label("top-k").on_hover_text("Draw from the k most probable tokens only. 0 is off.");
        ui.add(egui::Slider::new(&mut s.top_k, 0..=f.config.vocab()).logarithmic(true).clamping(free))
            .labelled_by(name.id);
        ui.end_row();
        let name =
            ui.label("top-p").on_hover_text("Draw from the most probable tokens that make up this mass. 1 is off.");
        ui.add(egui::Slider::new(&mut s.top_p, 0.0..=1.0).fixed_decimals(2)).labelled_by(name.id);
        ui.end_row();
    });
    if s.temperature > 0.0 && s.temperature < 0.01 {
        s.temperature = 0.0;
    }
    if controls != *f.controls {
        out.push(Action::Controls(controls));
    }
}

/// What is shown over the picture.
pub fn view(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let (mut grid, mut heat, mut compare) = (f.settings.grid, f.settings.heat, f.settings.compare);
        if ui.checkbox(&mut grid, "patches").on_hover_text("Patch borders, coloured by length (B)").changed() {
            out.push(Action::Grid(grid));
        }
        if ui.checkbox(&mut heat, "entropy").on_hover_text("How uncertain the entropy model was (E)").changed() {
            out.push(Action::Heat(heat));
        }
        let has = f.config.baseline.is_some();
        let check = ui.add_enabled(has, egui::Checkbox::new(&mut compare, "compare with baseline"));
        let about = "Draw the same class and seed with the fixed-length model beside DPAR (C)";
        if check.on_hover_text(about).on_disabled_hover_text("This model folder has no baseline").changed() {
            out.push(Action::Compare(compare));
        }
    });
    ui.horizontal_wrapped(|ui| {
        ui.label("at once");
        let shown = f.tiles.as_ref().map(|tiles| tiles.many);
        let strip = |many| matches!(many, Some(Many::Strip(_)));
        let mut offer = |ui: &mut Ui, name: &str, about: &str, many: Option<Many>| {
            let on = shown == many || strip(shown) && strip(many);
            let draws = f.ready && f.config.generator().is_some();
            if ui.add_enabled(draws, egui::Button::selectable(on, name)).on_hover_text(about).clicked() {
                out.push(Action::Many(many));
            }
        };
        offer(ui, "one", "One picture", None);
        for count in Many::WALLS {
            let about = format!("{count} pictures of one thing, with the seeds that follow (W)");
            offer(ui, &count.to_string(), &about, Some(Many::Wall(count)));
        }
        let about = "This seed at five thresholds: pictures survive other patch boundaries (V)";
        offer(ui, "five \u{03B8}", about, Some(Many::Strip(Many::SPAN)));
    });
}

/// A person's own image: open, keep, complete.
pub fn own(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let open = egui::Button::new("Open an image");
        if ui.add_enabled(f.ready, open).on_hover_text("Or drop one here, or paste one (O)").clicked() {
            out.push(Action::OpenImage);
        }
    });
    if let Some(own) = f.own {
        crop(ui, f, own, out);
        let grid = f.config.grid();
        let mut keep = f.keep.clone();
        for (name, range) in [("rows", &mut keep.rows), ("columns", &mut keep.columns)] {
            ui.horizontal(|ui| {
                let (mut low, mut high) = (range.start, range.end);
                ui.spacing_mut().slider_width = 90.0;
                ui.add(egui::RangeSlider::new(&mut low, &mut high, 0..=grid).text(format!("keep {name}")));
                *range = low..high.max(low);
            });
        }
        if keep != *f.keep {
            out.push(Action::Keep(keep));
        }
        let all = f.keep.rows.len() >= grid && f.keep.columns.len() >= grid;
        let complete = egui::Button::new("Let the model draw the rest");
        let about = format!("Draws what is dimmed, as {}", prompt::caption(f.class, f.config));
        let draws = f.config.generator().is_some();
        let answer = ui.add_enabled(f.ready && draws && !all, complete).on_hover_text(about);
        if answer.on_disabled_hover_text(if draws { "All of it is kept" } else { LOOKS_ONLY }).clicked() {
            out.push(Action::Complete);
        }
        let quality = own.analysis.psnr_db.map_or_else(|| "perfect".to_owned(), |db| format!("{db:.1} dB"));
        ui.label(theme::small(format!("tokenizer's reconstruction: {quality}")));
    } else {
        ui.label(theme::small("See how your own picture is cut into patches, or let the model complete it."));
    }
}

/// Which model draws, and others in its place.
pub fn model(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    let name = f.source.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(f.source);
    let about = format!("{}: {} ({})", f.source, f.config.abilities(), f.hash.unwrap_or("not loaded"));
    ui.label(theme::small(format!("model: {name}"))).on_hover_text(about);
    ui.horizontal_wrapped(|ui| {
        let open = ui.add_enabled(f.opening.is_none(), egui::Button::new("Open a model"));
        let about = "The config.json of a model folder, or a token model and its tokenizer to convert (.pt, .safetensors). Or drop \
                     them here, a folder too.";
        if open.on_hover_text(about).clicked() {
            out.push(Action::OpenModel);
        }
        if f.other_model && ui.button("Built-in model").on_hover_text("The one that comes with the app").clicked() {
            out.push(Action::Model(None));
        }
    });
    let Some(kept) = &f.kept_model else { return };
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::small(format!("kept in this browser: {}, {:.1} MB", kept.name, kept.bytes as f64 / 1e6)));
        if !f.other_model && ui.button("Open it").clicked() {
            out.push(Action::Model(Some(Vec::new())));
        }
        if ui.button("Delete it").on_hover_text("Its files leave this browser's storage").clicked() {
            out.push(Action::ForgetModel);
        }
    });
}

/// Which square of the image the models see.
fn crop(ui: &mut Ui, f: &Facts<'_>, own: &Own, out: &mut Vec<Action>) {
    let ([mut x, mut y], mut zoom) = own.crop;
    let before = ([x, y], zoom);
    ui.add_enabled_ui(!f.looking, |ui| {
        ui.spacing_mut().slider_width = 110.0;
        ui.add(egui::Slider::new(&mut zoom, 1.0..=8.0).logarithmic(true).text("zoom").fixed_decimals(1));
        if zoom > 1.0 || own.image.width() != own.image.height() {
            ui.add(egui::Slider::new(&mut x, 0.0..=1.0).text("left to right").fixed_decimals(2));
            ui.add(egui::Slider::new(&mut y, 0.0..=1.0).text("top to bottom").fixed_decimals(2));
        }
    });
    if ([x, y], zoom) != before {
        out.push(Action::Crop([x, y], zoom));
    }
}

/// Take it away.
pub fn share(ui: &mut Ui, f: &Facts<'_>, out: &mut Vec<Action>) {
    let done = f.finished;
    ui.horizontal_wrapped(|ui| {
        if ui
            .add_enabled(f.linkable, egui::Button::new("Link"))
            .on_hover_text("Copy a link that draws this picture again (L)")
            .clicked()
        {
            out.push(Action::CopyLink);
        }
        if ui
            .add_enabled(done, egui::Button::new("Copy"))
            .on_hover_text("Put the picture on the clipboard (Ctrl C)")
            .clicked()
        {
            out.push(Action::CopyImage);
        }
        for (text, about, export) in [
            ("PNG", "Save the picture (Ctrl S)", Export::Picture),
            ("PNG + patches", "Save the picture with its patches and entropies", Export::Overlay),
            ("GIF", "Save the run as an animation", Export::Animation),
            ("JSON", "Save the run as data: `dpar replay` draws it again", Export::Trace),
        ] {
            if ui.add_enabled(done, egui::Button::new(text)).on_hover_text(about).clicked() {
                out.push(Action::Export(export));
            }
        }
    });
}
