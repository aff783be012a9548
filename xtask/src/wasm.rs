//! The program for the browser: one cargo build, then the JavaScript that loads it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

use super::{WASM, root, status, tools};

/// Builds the program; its JavaScript and its wasm. `DPAR_WASM` names a `dpar.wasm` of an earlier build, to be taken
/// instead: the build takes a quarter of an hour.
///
/// # Errors
/// What failed.
pub fn build() -> Result<(String, Vec<u8>)> {
    let program = match std::env::var_os("DPAR_WASM").map(PathBuf::from) {
        Some(built) => {
            println!("   the program is {}", built.display());
            built
        }
        None => cargo()?,
    };
    let bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    // What the linker calls its wrappers around exports.
    ensure!(
        !bytes.windows(15).any(|some| some == b".command_export"),
        "every call from the page would run all constructors again: `main` has to call __wasm_call_ctors (src/main.rs)"
    );
    let mut bindgen = Bindgen::new();
    // No names: they are 7 of 28 MB, and nobody sees a stack trace of a page that runs elsewhere.
    let bindgen = bindgen.input_path(&program).web(true)?.typescript(false).remove_name_section(true);
    let bindgen = bindgen.remove_producers_section(true).omit_default_module_path(true).out_name("dpar");
    let mut output =
        bindgen.generate_output().with_context(|| format!("wasm-bindgen cannot use {}", program.display()))?;
    let (glue, wasm) = (output.js().to_owned(), output.wasm_mut().emit_wasm());
    let snippets = output.snippets().values().all(Vec::is_empty);
    ensure!(
        snippets && output.local_modules().is_empty(),
        "the JavaScript comes in several files; dist copies only one"
    );
    Ok((glue, wasm))
}

/// Makes the program smaller with Binaryen's `wasm-opt` (npm, `web/package.json`): a seventh of its bytes for two
/// minutes of one core; compressed it stays as large. Levels below `-Oz` gain little (`-Os` half, `-O1` a fifth of it).
///
/// # Errors
/// What failed.
pub fn optimise(program: &[u8]) -> Result<Vec<u8>> {
    tools::node()?;
    let folder = root().join("target/wasm-opt");
    let (from, to) = (folder.join("in.wasm"), folder.join("out.wasm"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&from, program).with_context(|| format!("cannot write {}", from.display()))?;
    // Not `--all-features`: it writes what no browser reads yet.
    let features = ["bulk-memory", "nontrapping-float-to-int", "sign-ext", "mutable-globals", "reference-types"];
    let mut command = Command::new("node");
    command.arg(root().join("web/node_modules/binaryen/bin/wasm-opt")).args(["-Oz", "--strip-producers"]);
    command.args(features.iter().chain(&["multivalue", "simd"]).map(|f| format!("--enable-{f}")));
    println!("   wasm-opt -Oz");
    status(command.arg(&from).arg("-o").arg(&to), "wasm-opt")?;
    fs::read(&to).with_context(|| format!("wasm-opt wrote no {}", to.display()))
}

/// How the page's program is built.
const BUILD: [&str; 7] = ["build", "--bin", "dpar", "--target", WASM, "--profile", "web"];

/// The build that [`begin`] has begun.
static UNDER_WAY: Mutex<Option<Child>> = Mutex::new(None);

/// Builds the page's program beside what else is done, with what that leaves of the machine: most of a build is one core's work, and
/// tests wait a good deal. Says nothing: [`build`] does it again, and is done at once where this has been.
pub fn begin() {
    if std::env::var_os("DPAR_WASM").is_some() {
        return;
    }
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(cargo_program()).args(BUILD).arg("--quiet").current_dir(root());
    // A system without `nice` builds later.
    if let (Ok(child), Ok(mut under_way)) =
        (command.stdout(Stdio::null()).stderr(Stdio::null()).spawn(), UNDER_WAY.lock())
    {
        *under_way = Some(child);
    }
}

/// Ends what [`begin`] has begun, where nobody will want it.
pub fn abandon() {
    if let Some(mut child) = UNDER_WAY.lock().ok().and_then(|mut under_way| under_way.take()) {
        // It may be done by now.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Builds the page's program.
fn cargo() -> Result<PathBuf> {
    if let Some(mut child) = UNDER_WAY.lock().ok().and_then(|mut under_way| under_way.take()) {
        child.wait().context("the build beside the tests is lost")?; // what it says of its errors, the next line says again
    }
    built(&BUILD, &[])
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// Runs cargo with some more in its environment; where it put the program `dpar`.
///
/// # Errors
/// When it does not build.
pub fn built(args: &[&str], env: &[(&str, &str)]) -> Result<PathBuf> {
    println!("   cargo {}", args.join(" "));
    let mut command = Command::new(cargo_program());
    command.args(args).arg("--message-format=json-render-diagnostics").envs(env.iter().copied());
    command.current_dir(root()).stdout(Stdio::piped());
    let output = command.spawn().and_then(|child| child.wait_with_output()).context("cargo could not be started")?;
    if !output.status.success() {
        bail!("`cargo {}` failed ({})", args.join(" "), output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).rev();
    // `cargo test` names each test's program too, and the unit tests of `dpar` under its own name.
    let dpar = built.filter(|m| m["target"]["name"] == "dpar" && m["profile"]["test"] != true);
    let mut programs = dpar.filter_map(|m| m["executable"].as_str().map(PathBuf::from));
    programs.next().context("cargo named no program `dpar` among what it built")
}
