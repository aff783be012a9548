//! `cargo xtask test`: what CI checks, whole or in parts, and long checks of their own.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::dist::{self, Optimised};
use super::tools::{self, Need};
use super::{Steps, browser, fuzz, sizes, systems, training, wasm};

/// A part of the checks.
struct Part {
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    run: fn(&mut Steps, Options) -> Result<()>,
    /// Belongs to `cargo xtask test` without a name.
    always: bool,
}

/// Our own packages are compiled by clippy for the tests: their lints are errors of that build. (`cargo clippy` would read all
/// 530 dependencies once more for their metadata alone, five minutes of a cold run.) Not incrementally, which costs
/// a cold run another half minute. What else the tests want built must be asked for with the same, or it is compiled twice.
pub const LINTED: [(&str, &str); 3] =
    [("RUSTC_WORKSPACE_WRAPPER", "clippy-driver"), ("CLIPPY_ARGS", "-Dwarnings"), ("CARGO_INCREMENTAL", "0")];

/// How long a fuzz target runs where nobody says.
const SECONDS: u32 = 60;

const PARTS: &[Part] = &[
    Part {
        name: "rust",
        about: "format, lints, tests, shaders, GPU tests, the app in a window",
        needs: &[Need::Toolchain, Need::Vulkan, Need::Screen],
        run: rust,
        always: true,
    },
    Part {
        name: "training",
        about: "the training package's tests, and what it trains in the Rust engine",
        needs: &[Need::Vulkan, Need::Node, Need::Python],
        run: trained,
        always: true,
    },
    Part {
        name: "web",
        about: "the page, its size, and all it does in Chromium",
        needs: &[Need::Toolchain, Need::Browser, Need::Node],
        run: web,
        always: true,
    },
    Part {
        name: "systems",
        about: "the program type-checks for Windows and macOS",
        needs: &[],
        run: systems::check,
        always: false,
    },
    Part {
        name: "firefox",
        about: "the page in Firefox: one visit",
        needs: &[Need::Toolchain, Need::Firefox, Need::Node],
        run: firefox,
        always: false,
    },
    Part {
        name: "fuzz",
        about: "made-up input for all that reads bytes or text from outside [--seconds N a target; 60]",
        needs: &[Need::Toolchain, Need::Compiler, Need::Fuzzer],
        run: fuzz::check,
        always: false,
    },
];

/// Lists the parts for `cargo xtask help`.
pub fn help() {
    for always in [true, false] {
        println!("{:11}{}", "", if always { "a part of it:" } else { "long checks, only by name:" });
        for part in PARTS.iter().filter(|part| part.always == always) {
            println!("{:13}{:<8}  {}", "", part.name, part.about);
        }
    }
}

/// How the parts are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// There is no adapter: the GPU tests would fail; so they skip, and say so.
    no_gpu: bool,
    /// The page comes later.
    page: bool,
    /// How long each fuzz target runs (`--seconds N`).
    pub seconds: u32,
}

impl Options {
    fn env(self) -> Vec<(&'static str, &'static str)> {
        let no_gpu = self.no_gpu.then_some(("DPAR_NO_GPU", "1"));
        LINTED.into_iter().chain(no_gpu).collect()
    }
}

/// Runs the parts that are asked for, or all that CI runs, stopping at the first failure.
///
/// # Errors
/// What failed; a part that there is none of.
pub fn test(args: &[String]) -> Result<()> {
    let (parts, seconds) = asked(args)?;
    let mut steps = Steps::default();
    let mut options = Options {
        no_gpu: std::env::var_os("DPAR_NO_GPU").is_some(),
        page: parts.iter().any(|part| part.name == "web"),
        seconds,
    };
    steps.run("tools", || {
        let mut needs: Vec<Need> = Vec::new();
        for need in parts.iter().flat_map(|part| part.needs).filter(|need| **need != Need::Vulkan || !options.no_gpu) {
            if !needs.contains(need) {
                needs.push(*need);
            }
        }
        options.no_gpu |= tools::ensure(&needs)?.contains(&Need::Vulkan);
        Ok(())
    })?;
    if parts.iter().any(|part| part.needs.contains(&Need::Python)) {
        training::begin();
    }
    let passed = parts.iter().try_for_each(|part| (part.run)(&mut steps, options));
    if passed.is_err() {
        wasm::abandon();
    }
    passed?;
    let gpu = parts.iter().any(|part| part.needs.contains(&Need::Vulkan));
    steps.summary(match (gpu, options.no_gpu) {
        (false, _) => "",
        (true, true) => "; GPU tests SKIPPED, no adapter",
        (true, false) => "; GPU tests included",
    });
    Ok(())
}

/// The parts that are asked for, or those of CI, and the seconds of a fuzz target.
fn asked(args: &[String]) -> Result<(Vec<&'static Part>, u32)> {
    let (mut parts, mut seconds) = (Vec::new(), None);
    let mut args = args.iter();
    while let Some(name) = args.next() {
        if name == "--seconds" {
            let value = args.next().context("`--seconds` needs a value")?;
            let number = value.parse().ok().filter(|number| *number > 0);
            seconds = Some(number.with_context(|| format!("`{value}` is no number of seconds"))?);
            continue;
        }
        let Some(part) = PARTS.iter().find(|part| part.name == name) else {
            let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
            bail!("`{name}` is no part of the tests: there are {}", names.join(", "));
        };
        parts.push(part);
    }
    if parts.is_empty() {
        parts = PARTS.iter().filter(|part| part.always).collect();
    }
    if seconds.is_some() && !parts.iter().any(|part| part.name == "fuzz") {
        bail!("`--seconds` is how long each target of `fuzz` runs, and that is not asked for");
    }
    Ok((parts, seconds.unwrap_or(SECONDS)))
}

fn rust(steps: &mut Steps, options: Options) -> Result<()> {
    steps.cargo("format", &["fmt", "--all", "--check"], &[])?;
    steps.cargo("lints", &["test", "--workspace", "--no-run"], &LINTED)?;
    if options.page {
        wasm::begin();
    }
    steps.cargo("tests", &["test", "--workspace"], &options.env())
}

fn trained(steps: &mut Steps, options: Options) -> Result<()> {
    let (mut smoke, mut public) = (String::new(), String::new());
    steps.run("training", || {
        let made = training::test()?;
        (smoke, public) = (made.smoke.to_string_lossy().into_owned(), made.public.to_string_lossy().into_owned());
        Ok(())
    })?;
    // What was trained a minute ago, in the Rust engine: logits and whole runs against what PyTorch computes.
    let args = ["test", "--workspace", "--test", "parity_model", "--test", "parity_loop", "smoke"];
    steps.cargo("trained", &args, &[vec![("DPAR_SMOKE", smoke.as_str())], options.env()].concat())?;
    let args = ["test", "--workspace", "--test", "parity_model", "public_on_flex", "--", "--ignored"];
    steps.cargo("public", &args, &[vec![("DPAR_PUBLIC", public.as_str())], options.env()].concat())
}

fn web(steps: &mut Steps, _: Options) -> Result<()> {
    let page = page(steps)?;
    steps.run("browser", || browser::all(&page))
}

fn firefox(steps: &mut Steps, _: Options) -> Result<()> {
    let page = page(steps)?;
    steps.run("firefox", || browser::firefox(&page))
}

/// Builds the page, without the two minutes of `wasm-opt`: `dist` runs it, and a browser test over its result.
fn page(steps: &mut Steps) -> Result<PathBuf> {
    let mut page = PathBuf::new();
    steps.run("page", || {
        let (folder, plain) = dist::build(Optimised::No)?;
        page = folder;
        sizes::check_plain(plain)
    })?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<(Vec<&'static str>, u32)> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (parts, seconds) = asked(&args)?;
        Ok((parts.into_iter().map(|part| part.name).collect(), seconds))
    }

    #[test]
    fn without_a_name_it_is_what_ci_checks() {
        assert_eq!(read(&[]).unwrap().0, ["rust", "training", "web"]);
        assert_eq!(read(&["web", "systems"]).unwrap().0, ["web", "systems"]);
        let said = read(&["rust", "all"]).unwrap_err().to_string();
        assert_eq!(said, "`all` is no part of the tests: there are rust, training, web, systems, firefox, fuzz");
    }

    #[test]
    fn only_fuzzing_takes_a_time() {
        assert_eq!(read(&["fuzz"]).unwrap(), (vec!["fuzz"], SECONDS));
        assert_eq!(read(&["fuzz", "--seconds", "5"]).unwrap(), (vec!["fuzz"], 5));
        for args in
            [&["--seconds", "5"][..], &["web", "--seconds", "5"], &["fuzz", "--seconds"], &["fuzz", "--seconds", "0"]]
        {
            assert!(read(args).is_err(), "{args:?}");
        }
    }
}
