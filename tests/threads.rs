//! Threads: what an app may hand to another one (on a computer; a browser has one), and what the twins' own change: nothing.
#![allow(clippy::unwrap_used)] // tests

mod common;

use dpar::checkpoint::ModelFiles;
use dpar::checkpoint::config::Generator;
use dpar::engine::backend::Backend;
use dpar::engine::device::Gpu;
use dpar::engine::merger::Merger;
use dpar::engine::{CpuExecutor, Engine, GpuExecutor, Layout, build};
use dpar::model::{Dpar, TokenModel, Tokenizer};
use dpar::run::request::Request;
use dpar::run::{Event, Session};

const fn send<T: Send>() {}
const fn share<T: Send + Sync>() {}

#[test]
fn engines_and_models_may_change_threads() {
    // Checked by the compiler: this test fails to build, or passes.
    send::<Engine>();
    send::<GpuExecutor>();
    send::<CpuExecutor>();
    send::<Merger>();
    send::<Event>();
    share::<Backend>();
    share::<Gpu>();
    share::<ModelFiles>();
    share::<Tokenizer>();
    share::<TokenModel>();
    share::<Dpar>();
    share::<dpar::Error>();
}

#[test]
fn tokens_and_their_figures_are_the_same_for_any_number_of_threads() {
    for (name, generator) in [("tiny", Generator::Dpar), ("odd", Generator::Dpar), ("odd", Generator::Baseline)] {
        let files = common::Fixture::load(name).files;
        let drawn = [1, 2, 3, 7].map(|threads| {
            let program = build(&files, generator, Layout::CPU).unwrap();
            let engine = Engine::Cpu(Box::new(CpuExecutor::with_threads(program, threads)));
            let request = Request::new(&files.config, generator, 1, 5);
            let mut session = Session::new(engine, &files.config, request).unwrap();
            while !session.is_done() {
                session.step_blocking().unwrap();
            }
            session.tokens().to_vec()
        });
        assert_eq!(drawn[0].len(), files.config.tokens());
        for (more, threads) in drawn[1..].iter().zip([2, 3, 7]) {
            assert!(*more == drawn[0], "{name} {generator:?}: {threads} threads draw something else than one");
        }
    }
}
