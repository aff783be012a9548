//! `cargo xtask dist`: the folder that any static host serves, from any sub-path. Names carry the hash of what is
//! inside, so that a host may keep files for ever and a visitor never mixes two builds; only `index.html` and `sw.js`
//! keep their names. `web/loader.js` and `web/sw.js` say what is done with the hashes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::wasm;
use super::{browser, plain_text, root, sizes};

/// Largest piece of a weight file, in bytes: what is interrupted starts again at the piece.
const SHARD: usize = 4_000_000;
/// Scripts in an order in which each imports only earlier ones.
const SCRIPTS: [&str; 6] = ["sha256.js", "loader.js", "mirror.js", "models.js", "probe.js", "boot.js"];
/// The weight files: the four whose hash names the model (`ModelFiles::hash`), and what comes later.
const MODEL: [&str; 4] = ["config.json", "vq.safetensors", "entropy.safetensors", "dpar.safetensors"];
const LATER: [&str; 2] = ["vq_encoder.safetensors", "baseline.safetensors"];

/// Builds everything into `dist/`, prints the sizes and holds them against the recorded ones, opens it in a browser.
///
/// # Errors
/// What failed, with the file or command; growth of more than 5% counts.
pub fn dist(args: &[String]) -> Result<()> {
    let record = match args {
        [] => false,
        [flag] if flag == "--record" => true,
        _ => anyhow::bail!("dist takes `--record` (write the sizes down as the new measure) or nothing"),
    };
    let (folder, plain) = build(Optimised::Yes)?;
    sizes::check(&folder, plain, record)?;
    browser::smoke(&folder)?;
    println!("\n{} is ready: copy the folder to any static host, at any path.", folder.display());
    println!("Serve it over https (browsers give the GPU and offline use to nothing else, localhost excepted), with");
    println!(
        "`application/wasm` for .wasm, and compressed where the host can (brotli or gzip, at least .wasm and .js)."
    );
    println!("Files in page/ and data/ never change under their name and may be cached for ever; index.html and sw.js");
    println!("should be revalidated (Cache-Control: no-cache).");
    Ok(())
}

/// Whether `wasm-opt` runs over the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimised {
    /// It does: for a host.
    Yes,
    /// It does not: for this computer.
    No,
}

/// Builds everything into `dist/`; that folder, and the bytes of the program before `wasm-opt`.
///
/// # Errors
/// As [`dist`].
pub fn build(optimised: Optimised) -> Result<(PathBuf, u64)> {
    let (glue, mut program) = wasm::build()?;
    let plain = program.len() as u64;
    if optimised == Optimised::Yes {
        program = wasm::optimise(&program)?;
    }
    let folder = root().join("dist");
    // Whole or not at all: an old folder with new files in it would be neither.
    let fresh = root().join("dist.new");
    remove(&fresh)?;
    assemble(&fresh, &glue, &program)?;
    remove(&folder)?;
    fs::rename(&fresh, &folder).with_context(|| format!("cannot move {} into place", fresh.display()))?;
    Ok((folder, plain))
}

/// Writes the page's folder.
fn assemble(to: &Path, glue: &str, program: &[u8]) -> Result<()> {
    let mut site = Site { to: to.to_owned(), shell: Vec::new() };
    let source = root().join("web");
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));

    // Scripts name each other by their hashed names.
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for script in SCRIPTS {
        let mut text = read(&source.join(script))?;
        for (plain, hashed) in &names {
            text = text.replace(&format!("\"./{plain}\""), &format!("\"./{}\"", in_page(hashed)));
        }
        names.insert(script, site.add(&format!("page/{script}"), text.as_bytes(), Kept::Offline)?);
    }
    let style = site.add("page/style.css", read(&source.join("style.css"))?.as_bytes(), Kept::Offline)?;
    let icon = site.add("page/icon.svg", read(&source.join("icon.svg"))?.as_bytes(), Kept::Offline)?;
    let glue = site.add("page/dpar.js", glue.as_bytes(), Kept::Offline)?;

    let manifest = manifest(&mut site, &glue, program)?;
    let manifest = site.add("page/manifest.json", manifest.to_string().as_bytes(), Kept::Offline)?;

    let mut html = read(&root().join("index.html"))?;
    for (plain, hashed) in names.iter().chain([(&"style.css", &style), (&"icon.svg", &icon)]) {
        html = replace(&html, &format!("\"./web/{plain}\""), &format!("\"./{hashed}\""))?;
    }
    html = replace(&html, "\"./manifest.json\"", &format!("\"./{manifest}\""))?;
    for picture in pictures(&html) {
        let bytes = fs::read(root().join(&picture)).with_context(|| format!("index.html shows {picture}"))?;
        let name = Path::new(&picture).file_name().and_then(|n| n.to_str()).unwrap_or("picture");
        let hashed = site.add(&format!("page/{name}"), &bytes, Kept::Online)?;
        html = replace(&html, &format!("\"./{picture}\""), &format!("\"./{hashed}\""))?;
    }
    // The build's name covers all of it: the shell's files by their hashes, and the HTML that names them.
    let worker = read(&source.join("sw.js"))?;
    let build = short(&hash(format!("{html}{worker}{:?}", site.shell).as_bytes()));
    html = replace(&html, "content=\"dev\"", &format!("content=\"{build}\""))?;
    site.write("index.html", html.as_bytes())?;

    site.shell.push((String::new(), hash(html.as_bytes())));
    let worker = replace(&worker, "const BUILD = \"dev\";", &format!("const BUILD = \"{build}\";"))?;
    let worker = replace(&worker, "const SHELL = [];", &format!("const SHELL = {};", json!(site.shell)))?;
    site.write("sw.js", worker.as_bytes())?;
    site.write("NOTICE.txt", read(&root().join("NOTICE"))?.as_bytes())
}

/// The list of what the loader fetches. Paths are relative to the page.
fn manifest(site: &mut Site, glue: &str, program: &[u8]) -> Result<Value> {
    // Whole: hosts compress .wasm files, but not pieces of one.
    let mut files = vec![site.shards("dpar_bg.wasm", program, usize::MAX)?];
    let folder = root().join("assets/model");
    let mut named = Sha256::new();
    for name in MODEL.into_iter().chain(LATER) {
        let bytes = fs::read(folder.join(name)).with_context(|| format!("cannot read assets/model/{name}"))?;
        if MODEL.contains(&name) {
            // As `ModelFiles::hash` does it; weights are no text.
            let text = name.ends_with(".json");
            named.update(if text { plain_text::plain(&bytes) } else { Cow::Borrowed(&bytes[..]) });
        }
        files.push(site.shards(name, &bytes, SHARD)?);
    }
    for (name, bytes) in extras()? {
        files.push(site.shards(&name, &bytes, SHARD)?);
    }
    let config: Value =
        serde_json::from_slice(&fs::read(folder.join("config.json"))?).context("assets/model/config.json")?;
    Ok(json!({
        "glue": glue,
        "modelHash": short(&hex(&named.finalize())),
        "classes": config["classes"],
        "vocabSize": config["dpar"]["vocab_size"],
        "files": files,
    }))
}

/// What the app fetches besides the weights (a recorded run, pictures of classes and codes): the other files of every
/// folder in `assets/` but the README's.
fn extras() -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for inner in folder(&root().join("assets"))?.into_iter().filter(|f| f.is_dir()) {
        if inner.ends_with("readme") {
            continue;
        }
        for file in folder(&inner)?.into_iter().filter(|f| f.is_file()) {
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if MODEL.iter().chain(&LATER).any(|known| *known == name) {
                continue;
            }
            let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            ensure!(found.insert(name.clone(), bytes).is_none(), "two files in assets/ are called {name}");
        }
    }
    Ok(found)
}

/// What is in a folder.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Whether the service worker fetches a file for offline use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// With the first visit.
    Offline,
    /// Only when a page asks for it.
    Online,
}

/// The folder while it is being filled.
struct Site {
    to: PathBuf,
    /// What the service worker keeps: path and SHA-256.
    shell: Vec<(String, String)>,
}

impl Site {
    /// Writes a file under a name with its hash, which is returned.
    fn add(&mut self, path: &str, bytes: &[u8], kept: Kept) -> Result<String> {
        let sha256 = hash(bytes);
        let hashed = with_hash(path, &sha256);
        self.write(&hashed, bytes)?;
        if kept == Kept::Offline {
            self.shell.push((hashed.clone(), sha256));
        }
        Ok(hashed)
    }

    /// Writes a file in pieces of at most `most` bytes; its entry in the manifest.
    fn shards(&mut self, name: &str, bytes: &[u8], most: usize) -> Result<Value> {
        ensure!(!bytes.is_empty(), "{name} is empty");
        let pieces: Vec<&[u8]> = bytes.chunks(most.min(bytes.len())).collect();
        let mut shards = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let plain = match name.rsplit_once('.') {
                Some((stem, end)) if pieces.len() > 1 => format!("data/{stem}.{i}.{end}"),
                _ => format!("data/{name}"),
            };
            let path = self.add(&plain, piece, Kept::Online)?;
            shards.push(json!({ "path": path, "bytes": piece.len(), "sha256": hash(piece) }));
        }
        Ok(json!({ "name": name, "bytes": bytes.len(), "shards": shards }))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.to.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Replaces what must be there: a page that names no hashed file would load nothing.
fn replace(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.contains(from), "{from} is not in the page any more; dist writes {to} in its place");
    Ok(text.replace(from, to))
}

/// The pictures that the HTML shows: `src="./assets/..."`, each once.
fn pictures(html: &str) -> Vec<String> {
    let mut found: Vec<String> =
        html.split("src=\"./").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
    found.retain(|path| path.starts_with("assets/"));
    found.sort();
    found.dedup();
    found
}

fn in_page(path: &str) -> &str {
    path.strip_prefix("page/").unwrap_or(path)
}

/// `page/boot.js` as `page/boot.0123456789abcdef.js`.
fn with_hash(path: &str, sha256: &str) -> String {
    let tag = short(sha256);
    match path.rsplit_once('.') {
        Some((stem, end)) => format!("{stem}.{tag}.{end}"),
        None => format!("{path}.{tag}"),
    }
}

fn short(sha256: &str) -> String {
    sha256.chars().take(16).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_hashes_and_pictures_are_found_once() {
        assert_eq!(with_hash("page/a.b.js", &"0123456789abcdef".repeat(4)), "page/a.b.0123456789abcdef.js");
        let html = r#"<img src="./assets/b.png"><img src="./assets/a.png"><img src="./assets/b.png"><script src="./web/x.js">"#;
        assert_eq!(pictures(html), ["assets/a.png", "assets/b.png"]);
        assert!(replace("abc", "d", "e").is_err());
    }

    #[test]
    fn large_files_come_in_pieces_that_add_up() {
        let to = std::env::temp_dir().join(format!("dpar-dist-{}", std::process::id()));
        let mut site = Site { to: to.clone(), shell: Vec::new() };
        let bytes: Vec<u8> = (0..25).collect();
        let entry = site.shards("w.safetensors", &bytes, 10).unwrap();
        let shards = entry["shards"].as_array().unwrap();
        assert_eq!(shards.iter().map(|s| s["bytes"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 10, 5]);
        let mut joined = Vec::new();
        for shard in shards {
            let piece = fs::read(to.join(shard["path"].as_str().unwrap())).unwrap();
            assert_eq!(hash(&piece), shard["sha256"].as_str().unwrap());
            joined.extend(piece);
        }
        assert_eq!(joined, bytes);
        assert!(site.shell.is_empty(), "weights are the loader's, not the service worker's");
        remove(&to).unwrap();
    }
}
