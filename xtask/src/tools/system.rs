//! The package managers that are known here, and what things are called in them.

use std::path::Path;

use anyhow::Result;

use super::super::{output, status};
use super::Need;

/// The words of a command.
pub type Command = Vec<String>;

/// A system whose packages are known. `sudo`: not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum System {
    /// Debian, Ubuntu and what is made of them.
    Debian { sudo: bool },
    /// Fedora and what is made of it.
    Fedora { sudo: bool },
    /// Another.
    Other,
}

impl System {
    /// This one.
    pub fn here() -> Self {
        let sudo = output("id", &["-u"]).is_none_or(|id| id.trim() != "0");
        if Path::new("/etc/debian_version").exists() {
            Self::Debian { sudo }
        } else if Path::new("/etc/fedora-release").exists() {
            Self::Fedora { sudo }
        } else {
            Self::Other
        }
    }
}

/// The packages that bring something.
pub fn packages(need: Need, system: System) -> &'static [&'static str] {
    match (need, system) {
        (Need::Toolchain | Need::Fuzzer, _) | (_, System::Other) => &[],
        (Need::Vulkan, System::Debian { .. }) => &["mesa-vulkan-drivers", "libvulkan1"],
        (Need::Vulkan, System::Fedora { .. }) => &["mesa-vulkan-drivers", "vulkan-loader"],
        (Need::Screen, System::Debian { .. }) => &[
            "xvfb",
            "xdotool",
            "openbox",
            "imagemagick",
            "libxkbcommon-x11-0",
            "libx11-xcb1",
            "libxcursor1",
            "libxi6",
            "libxrandr2",
            "libgl1-mesa-dri",
        ],
        (Need::Screen, System::Fedora { .. }) => &[
            "xorg-x11-server-Xvfb",
            "xdotool",
            "openbox",
            "ImageMagick",
            "libxkbcommon-x11",
            "libX11-xcb",
            "libXcursor",
            "libXi",
            "libXrandr",
            "mesa-dri-drivers",
        ],
        (Need::Browser, _) => &["chromium"],
        (Need::Firefox, System::Debian { .. }) => &["firefox-esr", "xvfb", "libegl1", "libgl1-mesa-dri"],
        (Need::Firefox, System::Fedora { .. }) => {
            &["firefox", "xorg-x11-server-Xvfb", "libglvnd-egl", "mesa-dri-drivers"]
        }
        (Need::Node, System::Debian { .. }) => &["nodejs", "npm"],
        (Need::Node, System::Fedora { .. }) => &["nodejs", "nodejs-npm"],
        (Need::Python, System::Debian { .. }) => &["python3", "python3-venv"],
        (Need::Python, System::Fedora { .. }) => &["python3", "python3-pip"],
        (Need::Compiler, System::Debian { .. }) => &["g++"],
        (Need::Compiler, System::Fedora { .. }) => &["gcc-c++"],
    }
}

/// How something is named to a person: its packages, or what it is.
pub fn shown(need: Need, system: System) -> String {
    match (need, packages(need, system)) {
        (Need::Toolchain, _) => "rustfmt, clippy or the wasm target".into(),
        (Need::Vulkan, []) => "a Vulkan driver".into(),
        (Need::Screen, []) => "Xvfb, xdotool, openbox and ImageMagick".into(),
        (Need::Browser, []) => "Chromium".into(),
        (Need::Firefox, []) => "Firefox and Xvfb".into(),
        (Need::Node, []) => "Node.js with npm".into(),
        (Need::Python, []) => "Python 3 with venv and pip".into(),
        (Need::Compiler, []) => "a C++ compiler".into(),
        (Need::Fuzzer, _) => "cargo-fuzz".into(),
        (_, packages) => packages.join(" "),
    }
}

/// The command that installs packages, where one is known.
pub fn install(packages: &[&str], system: System) -> Option<Command> {
    let (sudo, words): (bool, &[&str]) = match system {
        System::Debian { sudo } => (sudo, &["apt-get", "-qq", "install", "-y", "--no-install-recommends"]),
        System::Fedora { sudo } => (sudo, &["dnf", "install", "-y"]),
        System::Other => return None,
    };
    if packages.is_empty() {
        return None;
    }
    let sudo: &[&str] = if sudo { &["sudo"] } else { &[] };
    Some(sudo.iter().chain(words).chain(packages).map(|word| (*word).to_owned()).collect())
}

/// Runs a command of [`install`] or of rustup.
///
/// # Errors
/// Where it fails.
pub fn run(words: &Command) -> Result<()> {
    let shown = words.join(" ");
    let once = |words: &[String]| {
        let mut command = std::process::Command::new(&words[0]); // a command has a first word
        status(command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").current_dir(super::root()), &shown)
    };
    // Debian's lists may be old or absent (containers): they are refreshed when the first try fails.
    let Some(at) = words.iter().position(|word| word == "apt-get") else { return once(words) };
    let update: Command = words[..=at].iter().cloned().chain(["-qq".into(), "update".into()]).collect();
    once(words).or_else(|_| once(&update).and_then(|()| once(words)))
}
