//! What a fresh machine needs before the checks can run: toolchain parts, some Vulkan driver, a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{WASM, output, status};

/// Whether GPU tests can run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpu {
    /// Not looked for yet.
    Unknown,
    /// There is a driver.
    Some,
    /// There is none, and none could be installed.
    None,
}

/// Installs what is missing where that is possible, says what to install where it is not.
///
/// # Errors
/// When a toolchain part is missing and cannot be added. A missing GPU driver is no error: the GPU tests skip.
pub fn ensure() -> Result<Gpu> {
    toolchain()?;
    window();
    if std::env::var_os("DPAR_NO_GPU").is_some() {
        println!("   DPAR_NO_GPU is set: no adapter will be looked for, the GPU tests skip");
        return Ok(Gpu::None);
    }
    Ok(gpu())
}

/// rustfmt, clippy and the wasm target of the pinned toolchain (rust-toolchain.toml names them, so rustup usually has
/// installed them already).
fn toolchain() -> Result<()> {
    let has = |list: Option<String>, wanted: &str| list.is_some_and(|l| l.lines().any(|n| n.starts_with(wanted)));
    let mut missing: Vec<[&str; 3]> = Vec::new();
    for tool in ["rustfmt", "clippy"] {
        let command = if tool == "clippy" { "clippy-driver" } else { "rustfmt" };
        if output(command, &["--version"]).is_none() {
            missing.push(["component", "add", tool]);
        }
    }
    if !has(output("rustup", &["target", "list", "--installed"]), WASM) && !wasm_in_sysroot() {
        missing.push(["target", "add", WASM]);
    }
    for args in missing {
        println!("   rustup {}", args.join(" "));
        status(Command::new("rustup").args(args).current_dir(super::root()), &format!("rustup {}", args.join(" ")))?;
    }
    Ok(())
}

/// For toolchains that do not come from rustup.
fn wasm_in_sysroot() -> bool {
    output("rustc", &["--print", "sysroot"])
        .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib").join(WASM).join("lib").is_dir())
}

/// A driver that wgpu can open. Windows and macOS bring one (Direct3D 12, Metal).
fn gpu() -> Gpu {
    if !cfg!(target_os = "linux") || has_vulkan_driver() {
        return Gpu::Some;
    }
    const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];
    let by_hand = format!("install a Vulkan driver (on Debian or Ubuntu: {})", PACKAGES.join(" "));
    match install(&PACKAGES) {
        Ok(()) if has_vulkan_driver() => Gpu::Some,
        Ok(()) => {
            println!("   the packages brought no Vulkan driver, so the GPU tests skip");
            Gpu::None
        }
        Err(e) => {
            println!("   {e:#}; the GPU tests skip; to run them, {by_hand}");
            Gpu::None
        }
    }
}

/// What the window tests need: a virtual screen, a window manager, real keys and mouse, screenshots, and what winit loads
/// of X11 while it runs. Without them those tests skip and say so.
fn window() {
    const PROGRAMS: [(&str, &str); 4] =
        [("Xvfb", "xvfb"), ("xdotool", "xdotool"), ("openbox", "openbox"), ("import", "imagemagick")];
    const LIBRARIES: [&str; 6] =
        ["libxkbcommon-x11-0", "libx11-xcb1", "libxcursor1", "libxi6", "libxrandr2", "libgl1-mesa-dri"];
    let there = |program: &str| output("sh", &["-c", &format!("command -v {program}")]).is_some();
    if !cfg!(target_os = "linux") || PROGRAMS.iter().all(|(program, _)| there(program)) {
        return;
    }
    let packages: Vec<&str> = PROGRAMS.iter().map(|(_, package)| *package).chain(LIBRARIES).collect();
    if let Err(e) = install(&packages) {
        println!("   {e:#}; the window tests skip; to run them, install {}", packages.join(" "));
    }
}

/// What the browser tests need: Chromium, Node.js with npm, and the packages that `web/package-lock.json` names.
///
/// # Errors
/// Where one is missing and cannot be installed: a page that no browser has opened is not checked.
pub fn browser() -> Result<()> {
    // `DPAR_CHROMIUM` names a browser that is not on the path.
    if std::env::var_os("DPAR_CHROMIUM").is_none() {
        need(&[("chromium", "chromium")])?;
    }
    node()
}

/// Node.js with npm, and the packages that `web/package-lock.json` names.
///
/// # Errors
/// As [`browser`].
pub fn node() -> Result<()> {
    need(&[("node", "nodejs"), ("npm", "npm")])?;
    let web = super::root().join("web");
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

/// Python with `venv` and `pip`, for `training/`.
///
/// # Errors
/// As [`browser`].
pub fn python() -> Result<()> {
    if output("python3", &["-c", "import ensurepip"]).is_some() {
        return Ok(());
    }
    install(&["python3-venv"]).context("the training package's tests need python3 with venv and pip: install them")
}

/// Installs the packages of those programs (program, package) that are not there.
fn need(programs: &[(&str, &str)]) -> Result<()> {
    let runs = |program: &str| output(program, &["--version"]).is_some();
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !runs(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    install(&missing).with_context(|| format!("the page's tests and tools need {names}: install what is missing"))
}

/// Installs Debian packages.
fn install(packages: &[&str]) -> Result<()> {
    let prefix = root_prefix().filter(|_| Path::new("/etc/debian_version").exists());
    let prefix = prefix.context("only Debian and Ubuntu, as root or with sudo, are known here")?;
    let apt = |args: &[&str]| {
        let words: Vec<&str> = prefix.iter().copied().chain(["apt-get", "-qq"]).chain(args.iter().copied()).collect();
        println!("   {}", words.join(" "));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        status(&mut command, &words.join(" "))
    };
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The lists may be old or absent (containers): refresh them only when the first try fails.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

fn has_vulkan_driver() -> bool {
    ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some())
        || ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].iter().any(|dir| has_json(Path::new(dir)))
}

fn has_json(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.map(|f| f.path()).any(|p: PathBuf| p.extension().is_some_and(|e| e == "json"))
}

/// What to put before a command to run it as root: nothing, `sudo`, or `None` where neither works without a password.
fn root_prefix() -> Option<&'static [&'static str]> {
    if output("id", &["-u"]).is_some_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    output("sudo", &["-n", "true"]).map(|_| &["sudo", "-n"][..])
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
}
