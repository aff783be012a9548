//! What an app may hand to another thread (on a computer; a browser has one).

use dpar::checkpoint::ModelFiles;
use dpar::engine::backend::Backend;
use dpar::engine::device::Gpu;
use dpar::engine::merger::Merger;
use dpar::engine::{CpuExecutor, Engine, GpuExecutor};
use dpar::model::{Dpar, TokenModel, Tokenizer};
use dpar::run::Event;

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
