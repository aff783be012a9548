//! What is asked for before the model is there is drawn when it is.

use std::path::Path;

use dpar::app::input::action::Brought;
use dpar::app::panels::theme;
use dpar::app::{Action, App, Kept, Launch, Reopen, Settings};
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::controls::Controls;
use dpar::engine::backend::Backend;
use dpar::platform;
use dpar::run::request::Request;
use egui_kittest::Harness;
use tempfile::TempDir;

use super::{Bench, TINY, library, png, until};

/// The app with a model folder, after actions that come before its first frame: no model can be there yet.
fn early(model: &Path, link: Option<&str>, actions: Vec<Action>) -> Bench {
    let model = Some(model.to_string_lossy().into_owned());
    opened(Launch { model, link: link.map(str::to_owned), ..Launch::default() }, actions)
}

fn opened(launch: Launch, actions: Vec<Action>) -> Bench {
    let settings = Settings { toured: true, ..Settings::default() };
    Harness::builder().with_size([1280.0, 860.0]).build_eframe(move |cc| {
        theme::install(&cc.egui_ctx);
        let mut app = App::with(&cc.egui_ctx, launch, settings, Backend::cpu(None), "test");
        actions.into_iter().for_each(|action| app.act(action));
        app
    })
}

/// The small model without DPAR: the fixed-length baseline alone.
fn baseline_alone() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["baseline", "entropy", "vq"] {
        let name = format!("{name}.safetensors");
        std::fs::copy(Path::new(TINY).join(&name), folder.path().join(&name)).unwrap();
    }
    let config = std::fs::read(Path::new(TINY).join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config["dpar"] = serde_json::Value::Null;
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

#[test]
fn generate_before_the_model_is_there_draws_what_is_chosen_then() {
    let moved = Controls { threshold: 0.5, ..platform::built_in_config().controls() };
    // Seed and threshold are chosen after it was asked for, and still in time.
    let actions = vec![Action::Generate, Action::Seed(5), Action::Controls(moved.clone())];
    let mut app = early(TINY.as_ref(), Some("#class=0&seed=1"), actions);
    let done = until(&mut app, "it is drawn", |s| s.phase == "done" && s.source == "run");
    assert_eq!((done.message, done.seed, done.tokens), (None, 5, done.total));
    let files = ModelFiles::load_dir(TINY.as_ref()).unwrap();
    let class = files.config.default_class();
    let request = Request { controls: moved, ..Request::new(&files.config, Generator::Dpar, class, 5) };
    assert_eq!(app.state().playback().main.as_ref().unwrap().request, request);
    assert_eq!(done.ids.unwrap(), library(&files, request));
}

#[test]
fn a_folder_without_dpar_draws_with_the_baseline_and_complains_of_nothing() {
    let folder = baseline_alone();
    let files = ModelFiles::load_dir(folder.path()).unwrap();
    let class = files.config.default_class();
    let expected = library(&files, Request::new(&files.config, Generator::Baseline, class, 5));
    let mut app = early(folder.path(), None, vec![Action::Seed(5), Action::Generate]);
    let done = until(&mut app, "it is drawn", |s| s.phase == "done" && s.source == "run");
    assert_eq!((done.message, done.ids.as_ref()), (None, Some(&expected)));

    let mut app = early(folder.path(), Some(&format!("#class={class}&seed=5")), Vec::new());
    let done = until(&mut app, "the link is drawn", |s| s.phase == "done" && s.source == "run");
    assert_eq!((done.message, done.ids.as_ref()), (None, Some(&expected)));
}

#[test]
fn what_is_asked_of_a_window_that_is_lost_at_once_is_drawn_by_the_next() {
    let kept = Kept::default();
    let window =
        |actions| opened(Launch { model: Some(TINY.into()), kept: kept.clone(), ..Launch::default() }, actions);
    let lose = |mut app: Bench| {
        kept.lose_device();
        while kept.take_reopen() != Some(Reopen::Lost) {
            app.step();
        }
    };
    let mut app = window(Vec::new());
    until(&mut app, "the model is there", |s| s.model.is_some());
    app.state_mut().act(Action::Image(Brought::File("mine.png".into(), png(40, 40))));
    until(&mut app, "the image is read", |s| s.source == "own");
    lose(app);
    // Lost again before its model is there: the image is still there, to be completed.
    let mut app = window(Vec::new());
    app.state_mut().act(Action::Dismiss);
    lose(app);
    let mut app = window(Vec::new());
    until(&mut app, "the model is there", |s| s.model.is_some());
    app.state_mut().act(Action::Complete);
    until(&mut app, "it is completed", |s| s.phase == "done" && s.source == "run");
}
