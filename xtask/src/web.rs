//! `cargo xtask web`: builds the page and serves it on this computer.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tiny_http::{Header, Method, Request, Response, Server};

use super::dist::{self, Optimised};

/// First port that is tried.
const PORT: u16 = 8017;

/// What `cargo xtask web` was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// The port, or the first free one from [`PORT`].
    port: Option<u16>,
    /// The path the page is served at, with a slash on both ends.
    base: String,
}

/// Builds the page, serves it on loopback until Ctrl-C, prints the address.
///
/// # Errors
/// Where the build fails or the port cannot be had.
pub fn web(args: &[String]) -> Result<()> {
    let options = options(args)?;
    let (folder, _) = dist::build(Optimised::No)?;
    let (server, port) = listen(options.port)?;
    println!("\nDPAR is at http://localhost:{port}{} (Ctrl-C ends it)", options.base);
    println!("   with the model on the CPU: http://localhost:{port}{}?cpu", options.base);
    for request in server.incoming_requests() {
        // A visitor who leaves early is no reason to stop.
        if let Err(e) = answer(&folder, &options.base, request) {
            eprintln!("   {e:#}");
        }
    }
    Ok(())
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { port: None, base: "/".to_owned() };
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("`{flag}` needs a value"));
        match flag.as_str() {
            "--port" => {
                let value = value?;
                options.port = Some(value.parse().map_err(|_| anyhow!("`{value}` is not a port number"))?);
            }
            "--base" => {
                let inner = value?.trim_matches('/');
                options.base = if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") };
            }
            _ => bail!("web takes `--port N` and `--base /some/path/`; `{flag}` is neither"),
        }
    }
    Ok(options)
}

/// Loopback only: what is served here is nobody else's business.
fn listen(port: Option<u16>) -> Result<(Server, u16)> {
    let tried: Vec<u16> = port.map_or_else(|| (PORT..PORT + 20).collect(), |p| vec![p]);
    for &port in &tried {
        if let Ok(server) = Server::http((Ipv4Addr::LOCALHOST, port)) {
            return Ok((server, port));
        }
    }
    bail!("port {} is taken; choose another with `--port N`", tried[0])
}

fn answer(folder: &Path, base: &str, request: Request) -> Result<()> {
    let path = request.url().split(['?', '#']).next().unwrap_or_default().to_owned();
    // The page's own address ends in a slash, or its relative links would point beside it.
    if path.len() + 1 == base.len() && base.starts_with(&path) {
        let to = header("Location", base)?;
        return Ok(request.respond(Response::empty(308).with_header(to))?);
    }
    let found = path.strip_prefix(base).and_then(|inside| file(folder, inside));
    let head = *request.method() == Method::Head;
    if !head && *request.method() != Method::Get {
        return Ok(request.respond(Response::empty(405))?);
    }
    let Some(file) = found else {
        return Ok(request.respond(Response::from_string("not found\n").with_status_code(404))?);
    };
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let response = Response::from_data(bytes)
        .with_header(header("Content-Type", mime(&file))?)
        // The next build must show at the next reload.
        .with_header(header("Cache-Control", "no-cache")?);
    Ok(request.respond(response)?)
}

/// The file for a path inside the page: never one outside of `folder`.
fn file(folder: &Path, inside: &str) -> Option<PathBuf> {
    let inside = if inside.is_empty() { "index.html" } else { inside };
    let plain = inside.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'));
    let file = folder.join(inside);
    (plain && file.is_file()).then_some(file)
}

fn header(name: &str, value: &str) -> Result<Header> {
    Header::from_bytes(name, value).map_err(|()| anyhow!("`{name}: {value}` is no header"))
}

fn mime(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Options> {
        options(&args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_bad_ones_named() {
        assert_eq!(of(&[]).unwrap(), Options { port: None, base: "/".into() });
        assert_eq!(
            of(&["--port", "9000", "--base", "a/b"]).unwrap(),
            Options { port: Some(9000), base: "/a/b/".into() }
        );
        assert_eq!(of(&["--port", "x"]).unwrap_err().to_string(), "`x` is not a port number");
        assert_eq!(of(&["--port"]).unwrap_err().to_string(), "`--port` needs a value");
        assert!(of(&["--open", "1"]).unwrap_err().to_string().contains("`--open` is neither"));
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(file(here, "src/web.rs").is_some());
        for outside in ["../Cargo.toml", "src/../../Cargo.toml", "/etc/passwd", "src//web.rs", "./Cargo.toml", "src"] {
            assert_eq!(file(here, outside), None, "{outside}");
        }
    }
}
