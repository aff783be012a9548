//! The real thing: the program in a real window on a virtual screen, driven by real keys and a real mouse (xdotool).
//!
//! `DPAR_STATE` names the file into which the app writes what it shows. Screenshots of every stage lie in
//! target/tmp/screens afterwards; people look at them, the test does not.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod vulkan_layer;
mod window_harness;

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use window_harness::{Window, decoded, no_gpu, number, phase, start};

#[test]
fn a_person_uses_it_with_keys_and_mouse() {
    let args: &[&str] = if no_gpu() { &["--device", "cpu"] } else { &["--device", "gpu"] };
    let Some(mut w) = Window::open(args, &[]) else { return };
    w.until("something is shown", |_| true);
    w.shot("01-first");
    w.until("the model is there", |s| !s["model"].is_null());
    w.resize(1280, 860);
    w.focus();
    w.shot("02-ready");

    // Idle: nothing is painted. The state is only written when something changed.
    let begun = Instant::now();
    loop {
        let idle = w.state().unwrap();
        sleep(Duration::from_secs(2));
        if w.state().unwrap()["frames"] == idle["frames"] {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing moves, yet it paints");
    }

    w.key("g");
    w.until("half of it is drawn", |s| number(s, "tokens") > 120);
    w.shot("03-drawing");
    let done = w.until("it is drawn", decoded);
    w.settle();
    w.shot("04-done");
    let ids = done["ids"].clone();
    assert_eq!(ids.as_array().unwrap().len(), 256);

    // The slider, by mouse: its widget lies in the left column, and its rows are where they were in the screenshot.
    let (from, y) = slider(&done);
    let to = from - 60;
    w.point(from, y);
    w.xdotool(&["mousedown", "1"]);
    for x in (to..from).rev().step_by(6) {
        w.point(x, y);
        sleep(Duration::from_millis(40));
    }
    w.shot("05-slider");
    w.xdotool(&["mouseup", "1"]);
    let (t, patches) = (done["threshold"].as_f64().unwrap(), number(&done, "patches"));
    let moved = w.until("the grid follows the slider", |s| {
        s["threshold"].as_f64().unwrap() < t - 0.3 && number(s, "patches") > patches
    });
    assert_eq!(moved["ids"], ids, "the picture stays");
    w.point(640, 850);
    w.key("Escape");
    w.key("r");
    w.until("it is drawn again", |s| decoded(s) && s["ids"] != ids);
    w.shot("06-redrawn");

    // Keys to scrub.
    for (key, token) in [("Home", 0), ("Right", 1), ("Down", 17), ("Left", 16), ("End", 256)] {
        w.key(key);
        w.until(key, |s| number(s, "token") == token);
        if token == 17 {
            w.shot("07-scrubbed");
        }
    }

    // The mouse over the picture: the inspector.
    w.point(660, 300);
    let hovered = w.until("a token is under the mouse", |s| !s["inspected"].is_null());
    w.xdotool(&["click", "1"]);
    w.settle();
    w.point(640, 850);
    w.settle();
    w.until("the clicked token stays", |s| s["inspected"] == hovered["inspected"]);
    w.settle();
    w.shot("08-inspector");
    w.key("e");
    w.until("entropies are shown", |s| s["view"]["heat"] == true);
    w.settle();
    w.shot("09-entropy");
    w.key("e");

    w.key("question");
    w.settle();
    w.shot("10-keys");
    w.key("Escape");
    w.key("h");
    w.until("the tour begins", |s| s["tour"] == 0);
    w.settle();
    w.shot("11-tour");
    w.key("h");
    w.until("the tour is over", |s| s["tour"].is_null());

    w.key("c");
    let both = w.until("both are drawn", |s| decoded(s) && s["compare"]["tokens"] == 256);
    assert_eq!(both["view"]["compare"], true);
    w.settle();
    w.shot("12-compare");
    w.key("c");
    w.until("one is left", |s| s["compare"].is_null());

    w.key("n");
    w.key("n");
    w.until("it is dark", |s| s["view"]["theme"] == "dark");
    w.settle();
    w.shot("13-dark");
    w.resize(1000, 700);
    w.shot("14-dark-1000");
    w.resize(380, 800);
    w.shot("15-dark-phone");
    w.key("n");
    w.key("n");
    w.until("it is light", |s| s["view"]["theme"] == "light");
    w.settle();
    w.shot("16-phone");
    w.key("h");
    w.until("the tour begins", |s| s["tour"] == 0);
    w.settle();
    w.shot("17-phone-tour");
    w.key("h");
    w.until("the tour is over", |s| s["tour"].is_null());
    w.resize(1000, 700);
    w.shot("18-light-1000");

    // Closed, it ends well, and remembers.
    w.key("b");
    let before = w.until("no grid", |s| s["view"]["grid"] == false);
    assert!(w.close().success(), "{}", fs::read_to_string(w.home.path().join("stderr")).unwrap());
    w.app = start(&w.screen, &w.home, args, &[]);
    let again = w.until("the model is there again", |s| !s["model"].is_null() && s["view"]["theme"] == "light");
    assert_eq!(again["view"]["grid"], false);
    assert_eq!(again["threshold"], before["threshold"]);
    assert_eq!(again["seed"], before["seed"]);
    assert!(w.close().success());
}

/// Where the threshold's handle lies at a window size of 1280 x 860: the histogram in the left column.
fn slider(state: &Value) -> (u32, u32) {
    let share = state["threshold"].as_f64().unwrap() / 1024f64.ln();
    (15 + (share * 282.0) as u32, 255)
}

#[test]
fn without_a_gpu_it_opens_with_opengl_and_draws() {
    let Some(mut w) = Window::open(&["--device", "cpu"], &[]) else { return };
    let state = w.until("the model is there", |s| !s["model"].is_null());
    assert_eq!(
        (&state["renderer"], &state["device"]),
        (&"OpenGL".into(), &format!("CPU twins ({})", dpar_simd::instructions()).into())
    );
    w.focus();
    w.key("g");
    w.until("it is drawn", decoded);
    w.settle();
    w.shot("20-opengl");
    assert!(w.close().success());
}

#[test]
fn a_bad_link_is_said_and_a_good_one_followed() {
    let Some(mut w) = Window::open(&["--device", "cpu", "#class=zorse&seed=1"], &[]) else { return };
    let state = w.until("it complains", |s| s["message"].is_string());
    assert!(state["message"].as_str().unwrap().contains("zorse"), "{}", state["message"]);
    w.until("the model is there nevertheless", |s| !s["model"].is_null());
    w.settle();
    w.shot("21-bad-link");
    assert!(w.close().success());
    w.app = start(&w.screen, &w.home, &["--device", "cpu", "#class=8&seed=1"], &[]);
    let done = w.until("the link's picture is drawn", decoded);
    assert_eq!(number(&done, "seed"), 1);
    assert!(w.close().success());
}

#[test]
fn without_a_display_it_says_so_in_one_sentence() {
    let mut app = Command::new(env!("CARGO_BIN_EXE_dpar"));
    app.arg("app").env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    let done = app.env("NODEVICE_SELECT", "1").output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains("the window cannot be opened") && said.contains("dpar generate"), "{said}");
}

/// Draws the same picture with and without a loss of the device on the way; seconds from the loss to the next token.
fn loses(how: &str) -> Option<f64> {
    if no_gpu() {
        println!("DPAR_NO_GPU=1: not run");
        return None;
    }
    let args = ["--device", "gpu", "#class=8&seed=3"];
    let mut w = Window::open(&args, &[])?;
    let whole = w.until("it is drawn", |s| phase(s, "done"));
    assert!(w.close().success());

    w.app = start(&w.screen, &w.home, &args, &[("DPAR_LOSE_DEVICE_AT", how)]);
    let lost = w.until("the device is lost", |s| number(s, "tokens") >= 100);
    let (at, first) = (Instant::now(), number(&lost, "tokens"));
    let frames = number(&lost, "frames");
    w.until("another window draws", |s| number(s, "frames") < frames);
    let opened = at.elapsed().as_secs_f64();
    w.until("it goes on", |s| number(s, "tokens") > first);
    let seconds = at.elapsed().as_secs_f64();
    w.shot("30-after-loss");
    let done = w.until("it is drawn", |s| phase(s, "done"));
    assert_eq!(done["ids"], whole["ids"], "the same picture");
    assert_eq!(done["patches"], whole["patches"]);
    // What was there before is no wish of anybody's: the picture is linked, and drawn again, as it was asked for.
    assert_eq!(done["link"], whole["link"]);
    println!("device lost ({how}): another window after {opened:.1} s, the next token after {seconds:.1} s");
    assert!(w.close().success(), "{}", fs::read_to_string(w.home.path().join("stderr")).unwrap());
    Some(seconds)
}

#[test]
fn a_lost_device_opens_the_window_again_and_the_picture_goes_on() {
    loses("100");
}

#[test]
fn a_device_lost_while_painting_starts_the_program_again_and_the_picture_goes_on() {
    loses("100,paint");
}

#[test]
fn a_device_that_its_driver_loses_in_a_wait_opens_the_window_again() {
    if no_gpu() {
        println!("DPAR_NO_GPU=1: not run");
        return;
    }
    let layer = vulkan_layer::manifest();
    // As late as there are waits: how many a picture takes is the machine's business.
    for after in [10, 5, 2] {
        let env = vulkan_layer::env(layer.path(), after);
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        let args = ["--device", "gpu", "#class=8&seed=3"];
        let Some(mut w) = Window::open(&args, &env) else { return };
        let done = w.until("it is drawn", |s| phase(s, "done"));
        assert_eq!(done["ids"].as_array().unwrap().len(), 256);
        let message = done["message"].as_str().unwrap_or_default();
        if message.is_empty() {
            continue; // ended by force: what its driver would say while it closes is another matter
        }
        assert!(message.starts_with("The window was opened again: the GPU device was lost: "), "{message}");
        assert!(w.close().success(), "{}", fs::read_to_string(w.home.path().join("stderr")).unwrap());
        return;
    }
    panic!("the picture was drawn with less than three waits");
}
