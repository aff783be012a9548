//! What a fresh machine needs before the checks can run: toolchain parts, some Vulkan driver, a virtual screen, a browser.

mod consent;
mod system;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub use consent::take_flag;

use super::{WASM, output, root, status};
use system::{Command as Words, System};

/// The version of cargo-fuzz that is installed where there is none.
const FUZZER: &str = "0.13.2";

/// Something that a part of the checks needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// rustfmt, clippy and the wasm target of the pinned toolchain.
    Toolchain,
    /// A driver that wgpu can open.
    Vulkan,
    /// A virtual screen, a window manager, real keys and mouse, screenshots, and what winit loads of X11 while it runs.
    Screen,
    /// Chromium.
    Browser,
    /// Firefox, and a virtual screen with OpenGL: without one it has no WebGL.
    Firefox,
    /// Node.js with npm.
    Node,
    /// Python with `venv` and `pip`.
    Python,
    /// A C++ compiler.
    Compiler,
    /// cargo-fuzz.
    Fuzzer,
}

impl Need {
    /// What it is for, and whether the checks go on without it.
    fn about(self) -> (&'static str, bool) {
        match self {
            Self::Toolchain => ("format, lints and the page's program", false),
            Self::Vulkan => ("the GPU tests", true),
            Self::Screen => ("the window tests", true),
            Self::Browser => ("the page's tests: a page that no browser has opened is not checked", false),
            Self::Firefox => ("the page's test in a second engine", false),
            Self::Node => ("the page's tests and tools", false),
            Self::Python => ("the training package's tests", false),
            Self::Compiler => ("the fuzzer, which is C++", false),
            Self::Fuzzer => ("fuzzing", false),
        }
    }

    fn is_there(self) -> bool {
        let on_path = |program: &str| output("sh", &["-c", &format!("command -v {program}")]).is_some();
        match self {
            Self::Toolchain => toolchain().is_empty(),
            // Windows and macOS bring what these two are about.
            Self::Vulkan => !cfg!(target_os = "linux") || has_vulkan_driver(),
            Self::Screen => {
                !cfg!(target_os = "linux") || ["Xvfb", "xdotool", "openbox", "import"].into_iter().all(on_path)
            }
            // `DPAR_CHROMIUM` names a browser that is not on the path.
            Self::Browser => std::env::var_os("DPAR_CHROMIUM").is_some() || runs("chromium"),
            Self::Firefox => {
                let named = std::env::var_os("DPAR_FIREFOX").is_some();
                (named || ["firefox-esr", "firefox"].into_iter().any(on_path))
                    && (!cfg!(target_os = "linux") || on_path("Xvfb"))
            }
            Self::Node => runs("node") && runs("npm"),
            Self::Compiler => on_path("c++"),
            Self::Fuzzer => output("cargo", &["fuzz", "--version"]).is_some(),
            Self::Python => {
                std::env::var_os("DPAR_PYTHON").is_some() || output("python3", &["-c", "import ensurepip"]).is_some()
            }
        }
    }
}

/// Makes sure that these are there: says what is missing, what for and which commands install it, and runs them where that
/// may be done without asking (`consent.rs`) or a person says so. What is still missing afterwards and can be done without.
///
/// # Errors
/// Where something is missing that cannot be done without, with the commands to install it by hand.
pub fn ensure(needs: &[Need]) -> Result<Vec<Need>> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let system = System::here();
    let commands = plan(&missing, system);
    for need in &missing {
        println!("   missing: {} ({})", system::shown(*need, system), need.about().0);
    }
    for words in &commands {
        println!("   installed by: {}", words.join(" "));
    }
    if !commands.is_empty() && consent::now().given()? {
        for words in &commands {
            println!("   {}", words.join(" "));
            // What then is still missing is said below.
            if let Err(e) = system::run(words) {
                println!("   {e:#}");
            }
        }
    }
    let (without, needed): (Vec<Need>, Vec<Need>) =
        missing.into_iter().filter(|need| !need.is_there()).partition(|need| need.about().1);
    for need in &without {
        println!("   without {}: {} skip", system::shown(*need, system), need.about().0);
    }
    if needed.is_empty() {
        return Ok(without);
    }
    let what: Vec<String> = needed.iter().map(|need| system::shown(*need, system)).collect();
    let by_hand: Vec<String> = plan(&needed, system).iter().map(|words| words.join(" ")).collect();
    let how = if by_hand.is_empty() { "install them".to_owned() } else { format!("run: {}", by_hand.join(" && ")) };
    bail!("{} missing; {how} (or let xtask do it: --install)", what.join(", "))
}

/// The commands that install what is missing.
fn plan(missing: &[Need], system: System) -> Vec<Words> {
    let mut commands: Vec<Words> = Vec::new();
    if missing.contains(&Need::Toolchain) {
        commands.extend(toolchain());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| system::packages(*need, system)).copied().collect();
    commands.extend(system::install(&packages, system));
    if missing.contains(&Need::Fuzzer) {
        let words = ["cargo", "install", "cargo-fuzz", "--version", FUZZER, "--locked"];
        commands.push(words.map(str::to_owned).to_vec());
    }
    commands
}

/// The rustup commands for what is missing of the toolchain (rust-toolchain.toml names it all, so rustup usually has
/// installed it already).
fn toolchain() -> Vec<Words> {
    let has = |list: Option<String>, wanted: &str| list.is_some_and(|l| l.lines().any(|n| n.starts_with(wanted)));
    let mut missing: Vec<[&str; 4]> = Vec::new();
    for (tool, command) in [("rustfmt", "rustfmt"), ("clippy", "clippy-driver")] {
        if output(command, &["--version"]).is_none() {
            missing.push(["rustup", "component", "add", tool]);
        }
    }
    if !has(output("rustup", &["target", "list", "--installed"]), WASM) && !target_in_sysroot(WASM) {
        missing.push(["rustup", "target", "add", WASM]);
    }
    missing.into_iter().map(|words| words.map(str::to_owned).to_vec()).collect()
}

/// Adds a target to the toolchain, for checks of other systems.
///
/// # Errors
/// Where rustup cannot.
pub fn target(name: &str) -> Result<()> {
    let listed = output("rustup", &["target", "list", "--installed"]);
    if listed.is_some_and(|list| list.lines().any(|line| line == name)) || target_in_sysroot(name) {
        return Ok(());
    }
    println!("   rustup target add {name}");
    status(Command::new("rustup").args(["target", "add", name]).current_dir(root()), "rustup target add")
}

/// For toolchains that do not come from rustup.
fn target_in_sysroot(name: &str) -> bool {
    output("rustc", &["--print", "sysroot"])
        .is_some_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib").join(name).join("lib").is_dir())
}

/// Node.js with npm, and the packages that `web/package-lock.json` names (in `web/node_modules`).
///
/// # Errors
/// Where one is missing and cannot be installed.
pub fn node() -> Result<()> {
    ensure(&[Need::Node])?;
    let web = root().join("web");
    let lock = std::fs::read(web.join("package-lock.json")).context("cannot read web/package-lock.json")?;
    // npm writes what it has installed beside it; `ci` takes seconds and the network, so only when it must.
    let stamp = web.join("node_modules/.dpar-lock");
    if std::fs::read(&stamp).is_ok_and(|done| done == lock) {
        return Ok(());
    }
    println!("   npm ci (in web/)");
    status(Command::new("npm").arg("ci").current_dir(&web), "npm ci")?;
    std::fs::write(&stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))
}

fn runs(program: &str) -> bool {
    output(program, &["--version"]).is_some()
}

fn has_vulkan_driver() -> bool {
    ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some())
        || ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].iter().any(|dir| has_json(Path::new(dir)))
}

fn has_json(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.map(|f| f.path()).any(|p: PathBuf| p.extension().is_some_and(|e| e == "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_folder_counts_only_with_a_driver_file() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!has_json(here), "xtask/ holds no .json");
        assert!(has_json(&here.join("../assets/model")), "assets/model/config.json is one");
        assert!(!has_json(Path::new("/no/such/folder")));
    }

    #[test]
    fn what_is_installed_is_named_for_each_system() {
        let of = |system| plan(&[Need::Vulkan, Need::Browser, Need::Node], system);
        let said = |system| of(system).iter().map(|words| words.join(" ")).collect::<Vec<_>>();
        assert_eq!(
            said(System::Debian { sudo: true }),
            ["sudo apt-get -qq install -y --no-install-recommends mesa-vulkan-drivers libvulkan1 chromium nodejs npm"]
        );
        assert_eq!(
            said(System::Fedora { sudo: false }),
            ["dnf install -y mesa-vulkan-drivers vulkan-loader chromium nodejs nodejs-npm"]
        );
        assert!(of(System::Other).is_empty(), "elsewhere nothing is installed");
        let fuzzer = plan(&[Need::Compiler, Need::Fuzzer], System::Debian { sudo: true });
        let fuzzer: Vec<String> = fuzzer.iter().map(|words| words.join(" ")).collect();
        assert!(fuzzer[0].ends_with(" g++") && fuzzer[1] == "cargo install cargo-fuzz --version 0.13.2 --locked");
        assert!(plan(&[], System::Debian { sudo: true }).is_empty());
    }
}
