//! What people bring to the window: pictures that DPAR has drawn, links from the clipboard.

use dpar::app::Action;
use dpar::app::input::action::{Brought, Export};
use dpar::render::Provenance;
use eframe::egui;
use egui_kittest::kittest::Queryable as _;

use super::{act, draw, finish, png, tiny, until};

#[test]
fn a_picture_of_ours_is_drawn_again_or_looked_at() {
    let mut app = tiny();
    let drawn = draw(&mut app, 1, 5).ids.unwrap();
    let (name, bytes) = app.state().file(Export::Picture).unwrap();
    let said = Provenance::read(&bytes).unwrap();
    assert!(said.links[0].starts_with("#class=1&seed=5&") && said.links[0].contains("&sum="), "{said:?}");
    assert_eq!(said.model, "0e6e12bcaade03de");
    assert!(Provenance::read(&app.state().file(Export::Overlay).unwrap().1).is_some());
    draw(&mut app, 2, 6);

    for again in [true, false] {
        act(&mut app, Action::Image(Brought::File(name.clone(), bytes.clone())));
        app.step();
        assert_eq!(app.state().state().message.unwrap(), format!("{name} was drawn by DPAR and says how"));
        app.get_by_label(if again { "Draw it again" } else { "Look at it as a picture" }).click();
        app.step();
        if again {
            let done = finish(&mut app);
            assert_eq!((done.ids.as_ref(), done.seed, done.message), (Some(&drawn), 5, None));
        } else {
            let own = until(&mut app, "the image is read", |s| s.source == "own");
            assert_eq!((own.tokens, own.message), (64, None));
        }
    }
    // Of a person's own image nothing is said, and other pictures are looked at without a question.
    assert_eq!(Provenance::read(&app.state().file(Export::Picture).unwrap().1), None);
    act(&mut app, Action::Image(Brought::File("mine.png".into(), png(50, 40))));
    until(&mut app, "it is read", |s| s.source == "own" && s.message.is_none());
}

#[test]
fn a_completed_picture_holds_what_it_kept_only_where_its_person_says_so() {
    let mut app = tiny();
    act(&mut app, Action::Image(Brought::File("mine.png".into(), png(50, 40))));
    until(&mut app, "it is read", |s| s.source == "own" && s.message.is_none());
    act(&mut app, Action::Complete);
    let drawn = finish(&mut app).ids.unwrap();
    let saved = |app: &super::Bench, export| app.state().file(export).unwrap().1;
    let (quiet, whole) = (saved(&app, Export::Picture), saved(&app, Export::WholePicture));
    let said = [&quiet, &whole].map(|file| Provenance::read(file).unwrap());
    assert_eq!((said[0].left_out, said[1].left_out), (32, 0), "half of 64 tokens are kept");
    assert!(!said[0].links[0].contains("given=") && said[1].links[0].contains("&given=0:"), "{said:?}");
    // Brought back, the one says that another picture comes of it, and the other is drawn again as it was.
    for (file, same) in [(quiet, false), (whole, true)] {
        act(&mut app, Action::Image(Brought::File("c.png".into(), file)));
        app.step();
        let message = app.state().state().message.unwrap();
        assert_eq!(!message.contains("not the 32 tokens that it kept of an image"), same, "{message}");
        app.get_by_label("Draw it again").click();
        app.step();
        assert_eq!(finish(&mut app).ids.as_ref() == Some(&drawn), same);
    }
}

#[test]
fn a_pasted_link_is_followed_also_without_a_seed_and_other_text_is_left_alone() {
    let mut app = tiny();
    draw(&mut app, 1, 5);
    let paste = |app: &mut super::Bench, text: &str| {
        app.event(egui::Event::Paste(text.into()));
        app.step();
        app.step();
    };
    for text in ["a shopping list: eggs & milk", "x = 3", "https://example.org/?q=owl", ""] {
        paste(&mut app, text);
        let state = app.state().state();
        assert_eq!((state.message, state.phase), (None, "done"), "{text}");
    }
    paste(&mut app, "(https://example.org/%23CLASS=2&amp;t=1.5).");
    let done = finish(&mut app);
    assert_eq!((done.class.as_str(), done.controls.threshold, done.source), ("2", 1.5, "run"));
    paste(&mut app, "#class=zebra");
    assert!(app.state().state().message.unwrap().contains("zebra"));
}
