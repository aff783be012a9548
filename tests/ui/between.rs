//! The CPU twins draw between two frames, where somebody calls for that.

use dpar::app::{Action, App};
use dpar::checkpoint::config::Generator;
use dpar::run::request::Request;

use super::{act, finish, library, model, ready, until};

fn drawn(app: &App) -> usize {
    app.playback().main.as_ref().map_or(0, |picture| picture.tokens.len())
}

#[test]
fn draws_between_two_frames_what_it_would_draw_in_frames_and_nothing_while_held() {
    let mut app = ready();
    act(&mut app, Action::Class(3.into()));
    act(&mut app, Action::Seed(5));
    act(&mut app, Action::Generate);
    until(&mut app, "it draws", |s| s.source == "run" && s.tokens > 0);
    assert!(!app.state_mut().draw_between(), "nobody has said that there would be calls");
    app.state_mut().will_draw_between();

    // A limited speed: what is not due is not drawn, and nobody is asked to call again at once.
    act(&mut app, Action::Speed(20.0));
    let before = drawn(app.state());
    let calls = (0..100).filter(|_| app.state_mut().draw_between()).count();
    assert!(calls < 5 && drawn(app.state()) < before + 10, "{calls} calls, {before} tokens and {}", drawn(app.state()));
    act(&mut app, Action::Speed(0.0));

    act(&mut app, Action::Pause);
    let held = drawn(app.state());
    assert!(!app.state().draws_between() && !app.state_mut().draw_between());
    assert_eq!(drawn(app.state()), held);
    act(&mut app, Action::Resume);

    let mut last = held;
    while app.state_mut().draw_between() {
        assert!(drawn(app.state()) > last, "called again for nothing at {last} tokens");
        last = drawn(app.state());
    }
    assert_eq!(drawn(app.state()), 256, "no frame was needed");
    assert!(!app.state().draws_between());
    let request = Request::new(&model().config, Generator::Dpar, 3, 5);
    assert_eq!(finish(&mut app).ids, Some(library(model(), request)));
}
