//! Wall and strip: many pictures in place of one, each what it is alone; one of them becomes the picture.

use dpar::app::state::tiles::Tiles;
use dpar::app::{Action, Kept};
use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::run::many::Many;
use dpar::run::request::Request;
use eframe::egui::Key;
use std::path::Path;

use super::truth::{lost_and_opened_again, window};
use super::{Bench, TINY, act, library, moved, painted, tiny, until};

fn files() -> ModelFiles {
    ModelFiles::load_dir(Path::new(TINY)).unwrap()
}

fn tiles(app: &Bench) -> &Tiles {
    app.state().playback().tiles.as_ref().expect("many pictures are shown")
}

fn ids(tiles: &Tiles) -> Vec<Vec<u32>> {
    tiles.pictures.iter().map(|picture| picture.tokens.iter().map(|token| token.id).collect()).collect()
}

fn decoded(app: &Bench) -> bool {
    tiles(app).pictures.iter().all(|picture| picture.frames.contains_key(&64))
}

#[test]
fn a_wall_draws_the_seeds_that_follow_and_a_click_takes_one() {
    let (mut app, files) = (tiny(), files());
    for action in [Action::Class(2.into()), Action::Seed(7), Action::Many(Some(Many::Wall(9)))] {
        act(&mut app, action);
    }
    let state = until(&mut app, "the wall is drawn", |s| s.phase == "done");
    assert_eq!((state.view.wall.as_str(), state.view.strip.as_str(), state.source), ("9", "off", "none"));
    let request = |seed| Request::new(&files.config, Generator::Dpar, 2, seed);
    let expected: Vec<Vec<u32>> = (7..16).map(|seed| library(&files, request(seed))).collect();
    assert_eq!(ids(tiles(&app)), expected);
    let said = state.tiles.unwrap();
    assert!(
        said[0].starts_with("seed 7: ") && said[8].starts_with("seed 15: ") && said[8].ends_with("for 64"),
        "{said:?}"
    );
    let text = painted(&app);
    assert!(said.iter().all(|said| text.contains(said)), "{text}");
    for _ in 0..2000 {
        app.step();
        if decoded(&app) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(decoded(&app), "every picture is decoded");

    // The link opens the same wall; one of them taken is a picture as any other.
    assert!(state.link.contains("view=grid,wall") && state.link.contains("n=9"), "{}", state.link);
    let link = state.link.clone();
    act(&mut app, Action::Tile(4));
    let state = until(&mut app, "one is the picture", |s| s.phase == "done");
    assert_eq!((state.ids, state.seed, state.source), (Some(expected[4].clone()), 11, "run"));
    assert_eq!((state.view.wall.as_str(), state.tiles.is_none()), ("off", true));
    assert!(!state.link.contains("wall"), "{}", state.link);
    act(&mut app, Action::Link(link));
    until(&mut app, "the wall is drawn again", |s| s.phase == "done" && s.view.wall == "9");
    assert_eq!(ids(tiles(&app)), expected);
}

#[test]
fn a_strip_draws_one_seed_at_five_thresholds_and_shows_differences() {
    let (mut app, files) = (tiny(), files());
    let threshold = app.state().controls().threshold;
    for action in [Action::Class(1.into()), Action::Seed(3), Action::Many(Some(Many::Strip(0.25)))] {
        act(&mut app, action);
    }
    let state = until(&mut app, "the strip is drawn", |s| s.phase == "done");
    assert_eq!((state.view.strip.as_str(), state.view.difference), ("0.25", false));
    for (n, picture) in tiles(&app).pictures.iter().enumerate() {
        let mut request = Request::new(&files.config, Generator::Dpar, 1, 3);
        request.controls.threshold = (threshold + 0.25 * (n as f32 - 2.0)).max(0.0);
        assert_eq!(picture.request, request);
        let tokens: Vec<u32> = picture.tokens.iter().map(|token| token.id).collect();
        assert_eq!(tokens, library(&files, request), "picture {n}");
    }
    until(&mut app, "all are decoded", |_| true);
    while !decoded(&app) {
        app.step();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    act(&mut app, Action::Difference(true));
    app.step();
    assert!(app.state().state().view.difference);
    let [a, b] = [&tiles(&app).pictures[2], &tiles(&app).pictures[0]];
    assert!(a.difference(a).unwrap().pixels.iter().all(|pixel| *pixel == eframe::egui::Color32::WHITE));
    assert!(b.difference(a).is_some());
    // One again: the middle one, the asked one.
    act(&mut app, Action::Many(None));
    let state = until(&mut app, "one is the picture", |s| s.tiles.is_none());
    assert_eq!((state.controls.threshold, state.seed), (threshold, 3));
}

#[test]
fn it_is_held_stopped_and_left_on_the_way() {
    let (mut app, files) = (tiny(), files());
    act(&mut app, Action::Speed(40.0));
    for action in [Action::Class(0.into()), Action::Seed(5), Action::Many(Some(Many::Wall(4)))] {
        act(&mut app, action);
    }
    until(&mut app, "some tokens are there", |_| true);
    while tiles(&app).pictures[0].tokens.len() < 6 {
        app.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    act(&mut app, Action::Pause);
    app.step();
    let held = tiles(&app).pictures[0].tokens.len();
    for _ in 0..20 {
        app.step();
    }
    assert_eq!((tiles(&app).pictures[0].tokens.len(), app.state().state().phase), (held, "paused"));
    // One taken on the way goes on alone, to the picture that it would have been.
    act(&mut app, Action::Speed(0.0));
    act(&mut app, Action::Tile(2));
    let state = until(&mut app, "it is done", |s| s.phase == "done" && s.tiles.is_none());
    assert_eq!(state.ids, Some(library(&files, Request::new(&files.config, Generator::Dpar, 0, 7))));

    act(&mut app, Action::Speed(40.0));
    act(&mut app, Action::Many(Some(Many::Wall(4))));
    while app.state().playback().tiles.as_ref().is_none_or(|tiles| tiles.pictures[3].tokens.len() < 4) {
        app.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    act(&mut app, Action::Stop);
    until(&mut app, "it is stopped", |s| s.phase == "done");
    assert!(tiles(&app).pictures.iter().all(|picture| (4..64).contains(&picture.tokens.len())));
    // A patch of the first, a token of each, and held again.
    act(&mut app, Action::Many(Some(Many::Wall(4))));
    act(&mut app, Action::StepPatch);
    until(&mut app, "a patch has begun", |s| s.phase == "paused");
    assert_eq!(tiles(&app).pictures[0].patches.count(), 1);
    act(&mut app, Action::StepPatch);
    until(&mut app, "another", |s| s.phase == "paused");
    assert_eq!(tiles(&app).pictures[0].patches.count(), 2);
    let drawn = tiles(&app).pictures[0].tokens.len();
    act(&mut app, Action::StepToken);
    until(&mut app, "a token more", |s| s.phase == "paused");
    assert!(tiles(&app).pictures.iter().all(|picture| picture.tokens.len() == drawn + 1), "{:?}", ids(tiles(&app)));
    // Generate draws another wall, until somebody wants one picture.
    act(&mut app, Action::Speed(0.0));
    act(&mut app, Action::Seed(30));
    act(&mut app, Action::Generate);
    let state = until(&mut app, "another wall is drawn", |s| s.phase == "done");
    assert!(state.tiles.unwrap()[0].starts_with("seed 30: "), "{:?}", state.view.wall);
    assert!(tiles(&app).pictures.iter().all(|picture| picture.tokens.len() == 64));
    act(&mut app, Action::Many(None));
    act(&mut app, Action::Generate);
    let state = until(&mut app, "one picture is drawn", |s| s.phase == "done" && s.tokens == 64);
    assert_eq!((state.tiles, state.seed), (None, 30));
}

#[test]
fn a_threshold_moved_counts_for_all_at_once_and_then_shows_what_it_would_merge() {
    let (mut app, files) = (tiny(), files());
    act(&mut app, Action::Speed(40.0));
    for action in [Action::Class(0.into()), Action::Seed(5), Action::Many(Some(Many::Strip(0.5)))] {
        act(&mut app, action);
    }
    while app.state().playback().tiles.as_ref().is_none_or(|tiles| tiles.pictures[3].tokens.len() < 6) {
        app.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let change = moved(&app, |controls| controls.threshold += 0.75);
    act(&mut app, change);
    act(&mut app, Action::Speed(0.0));
    until(&mut app, "the strip is drawn", |s| s.phase == "done");
    let threshold = app.state().controls().threshold;
    for (n, picture) in tiles(&app).pictures.iter().enumerate() {
        let (at, controls) = picture.request.schedule.last().expect("a change on the way");
        assert_eq!((controls.threshold, picture.request.schedule.len()), (threshold + 0.5 * (n as f32 - 2.0), 1));
        assert!((6..64).contains(at), "{at}");
        let tokens: Vec<u32> = picture.tokens.iter().map(|token| token.id).collect();
        assert_eq!(tokens, library(&files, picture.request.clone()), "picture {n}, changed at {at}");
    }
    assert!(!painted(&app).contains("Redraw at this threshold"));
    // Finished, they show how their tokens would merge.
    let change = moved(&app, |controls| controls.threshold = 0.0);
    act(&mut app, change);
    app.run_steps(2);
    let state = app.state().state();
    assert_eq!(state.tiles.unwrap()[0], "\u{03B8} 0.00: 64 patches for 64");
    assert!(painted(&app).contains("Redraw at this threshold"));
    act(&mut app, Action::Redraw);
    until(&mut app, "it is drawn again", |s| s.phase == "done");
    assert_eq!(tiles(&app).pictures[2].patches.count(), 64);
    assert_eq!(tiles(&app).pictures[4].request.controls.threshold, 1.0);
    // The taken one has its own threshold.
    act(&mut app, Action::Tile(4));
    assert_eq!(app.state().controls().threshold, 1.0);
}

#[test]
fn a_lost_device_loses_none_of_them() {
    let files = files();
    let kept = Kept::default();
    let mut app = window(&kept);
    until(&mut app, "the model is there", |s| s.model.is_some());
    act(&mut app, Action::Speed(60.0));
    for action in [Action::Class(1.into()), Action::Seed(8), Action::Many(Some(Many::Wall(4)))] {
        act(&mut app, action);
    }
    let drawn = |app: &Bench| app.state().playback().tiles.as_ref().map_or(0, |tiles| tiles.pictures[1].tokens.len());
    while drawn(&app) < 6 {
        app.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let change = moved(&app, |controls| controls.threshold += 0.5);
    act(&mut app, change);
    while drawn(&app) < 12 {
        app.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let (before, had) = (ids(tiles(&app)), drawn(&app));
    let mut app = lost_and_opened_again(app, &kept);
    // Before the model is there a control is moved again: it counts from the first token that was not there.
    let change = moved(&app, |controls| controls.threshold -= 0.75);
    act(&mut app, change);
    act(&mut app, Action::Speed(0.0));
    until(&mut app, "the wall is drawn to its end", |s| s.phase == "done" && s.view.wall == "4");
    let after = ids(tiles(&app));
    for (n, picture) in tiles(&app).pictures.iter().enumerate() {
        assert_eq!(after[n][..before[n].len()], before[n][..], "picture {n}");
        assert!(picture.request.schedule.last().is_some_and(|(at, _)| *at >= had), "{:?}", picture.request.schedule);
        assert_eq!(
            after[n],
            library(&files, picture.request.clone()),
            "picture {n} under {:?}",
            picture.request.schedule
        );
    }
    // Finished ones are there at once.
    let app = lost_and_opened_again(app, &kept);
    assert_eq!(ids(tiles(&app)), after);
    assert!(tiles(&app).is_done() && !tiles(&app).is_busy());
}

#[test]
fn keys_commands_and_wrong_values() {
    let mut app = tiny();
    app.key_press(Key::W);
    until(&mut app, "a wall of nine", |s| s.view.wall == "9");
    app.key_press(Key::V);
    until(&mut app, "a strip", |s| s.view.strip == "0.8" && s.view.wall == "off");
    app.key_press(Key::V);
    until(&mut app, "one picture", |s| s.view.strip == "off");
    let command = |app: &mut Bench, name: &str, value: &str| {
        let said = match app.state().command(name, value) {
            Ok(action) => {
                act(app, action.unwrap());
                app.step();
                app.state().state().message.unwrap_or_default()
            }
            Err(e) => e.to_string(),
        };
        act(app, Action::Dismiss);
        said
    };
    assert!(command(&mut app, "wall", "5").contains("4, 9 or 16, or off"));
    assert!(command(&mut app, "strip", "9").contains("at most 4"));
    assert!(command(&mut app, "tile", "0").contains("one picture only"));
    assert_eq!(command(&mut app, "wall", "4"), "");
    assert!(command(&mut app, "tile", "4").contains("from 0 to 3"));
    let change = moved(&app, |controls| controls.p_max = 2);
    act(&mut app, change);
    assert_eq!(command(&mut app, "wall", "off"), "");
    until(&mut app, "one picture", |s| s.view.wall == "off");
}
