//! What people bring: a driver that says in the middle of a wait that its device is lost. A real one with a layer before it
//! (`vulkan_layer/lost.rs`), as wgpu then panics where other losses are answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod cli_common;
mod vulkan_layer;

use cli_common::{TINY, devices, dpar, text};
use tempfile::TempDir;

#[test]
fn a_driver_that_loses_its_device_in_a_wait_is_one_sentence() {
    if devices().len() == 1 {
        println!("DPAR_NO_GPU=1: not run");
        return;
    }
    let (layer, dir) = (vulkan_layer::manifest(), TempDir::new().unwrap());
    // Later and later, until all pictures are drawn before: while the engine is built, tried out, and while it draws. Several, one
    // after the other: one alone takes two or three waits.
    for (losses, after) in (0..16).map(|power| (1_usize << power) - 1).enumerate() {
        let mut command = dpar(&dir);
        command.envs(vulkan_layer::env(layer.path(), after));
        let drawing =
            ["generate", "--model", TINY, "--device", "gpu", "--count", "8", "--batch", "1", "--out", "a.png"];
        let run = command.args(drawing).output().unwrap();
        let said = text(&run.stderr);
        if run.status.success() {
            assert!(losses >= 3, "{losses} losses before the pictures were drawn");
            return;
        }
        assert_eq!(run.status.code(), Some(1), "after {after} waits: {said}");
        assert_eq!(said.lines().count(), 1, "after {after} waits: {said}");
        assert!(said.starts_with("error: the GPU device was lost: "), "after {after} waits: {said}");
        assert!(said.trim_end().ends_with("; run again, or use --device cpu"), "after {after} waits: {said}");
        assert!(!dir.path().join("a.png").exists(), "after {after} waits");
    }
    panic!("the pictures are never drawn");
}
