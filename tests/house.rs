//! The order of the house: imports point down the list of storeys, no files import each other in a circle, each type has a
//! name of its own, files stay short. ARCHITECTURE.md draws the same list.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// From the top floor down; what stands in one line may import each other (but not in a circle).
const STOREYS: &[&[&str]] = &[
    &["main"],
    &["cli", "shell"],
    &["app"],
    &["platform"],
    &["render", "bundled"],
    &["run", "analysis"],
    &["engine", "model"],
    &["checkpoint"],
    &["controls", "mix", "patching", "error"],
];

/// Files that only list what is beside them, for others to look up; their entries may look back at what they share.
const REGISTRIES: &[&str] = &["lib"];

/// Most lines of a file.
const LINES: usize = 400;

/// A file of `src/`, as the module it is: `engine::ops::attend`, `engine` for `engine/mod.rs`.
struct File {
    path: PathBuf,
    text: String,
}

fn files() -> BTreeMap<Vec<String>, File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inner = path.strip_prefix(&src).unwrap().with_extension("");
            let mut module: Vec<String> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            if module.last().is_some_and(|last| last == "tests") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert(module, File { path, text });
        }
    }
    found
}

/// The code of a file without what is only compiled for tests.
fn code(file: &File) -> Vec<TokenTree> {
    let tokens = TokenStream::from_str(&file.text).unwrap_or_else(|e| panic!("{}: {e}", file.path.display()));
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut skip = false;
    for token in tokens {
        if let TokenTree::Group(group) = &token
            && group.delimiter() == Delimiter::Bracket
            && group.stream().to_string().replace(' ', "") == "cfg(test)"
        {
            kept.pop(); // the '#'
            skip = true;
            continue;
        }
        // What follows `#[cfg(test)]` ends with a semicolon or a block.
        if skip {
            skip = !matches!(&token, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace)
                && !matches!(&token, TokenTree::Punct(p) if p.as_char() == ';');
            continue;
        }
        kept.push(token);
    }
    kept
}

/// Every path of some code, as its segments: `use a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<Vec<String>>) {
    let colons = |at: usize| {
        let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        colon(at) && colon(at + 1)
    };
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // `pub(in crate::app)` names whom something is shown to, not what is used.
            TokenTree::Ident(ident) if ident == "pub" => {
                let limited =
                    matches!(tokens.get(at + 1), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis);
                at += if limited { 2 } else { 1 };
            }
            TokenTree::Ident(ident) => {
                let mut path: Vec<String> = prefix.to_vec();
                path.push(ident.to_string());
                at += 1;
                while colons(at) {
                    match tokens.get(at + 2) {
                        Some(TokenTree::Ident(next)) => {
                            path.push(next.to_string());
                            at += 3;
                        }
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                            paths(&inner, &path, found);
                            at += 3;
                        }
                        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                            path.push("*".to_owned());
                            at += 3;
                        }
                        _ => at += 2, // `::<`
                    }
                }
                if path.len() > 1 {
                    found.push(path); // `pub(super)` names nothing
                }
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                paths(&inner, &[], found);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// The module that a path of `from` leads into, and what it names there: `None` for what is outside of this crate.
fn target(from: &[String], path: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut place: Vec<String>;
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" | "dpar" => {
            place = Vec::new();
            rest = &rest[1..];
        }
        "self" => {
            place = from.to_vec();
            rest = &rest[1..];
        }
        "super" => {
            place = from.to_vec();
            while rest.first().is_some_and(|s| s == "super") {
                place.pop();
                rest = &rest[1..];
            }
        }
        // A child of this module, by its name.
        child => {
            let mut inner = from.to_vec();
            inner.push(child.to_owned());
            if path.len() < 2 || !modules.contains(&inner) {
                return None;
            }
            place = inner;
            rest = &rest[1..];
        }
    }
    for segment in rest {
        let mut inner = place.clone();
        inner.push(segment.clone());
        if !modules.contains(&inner) {
            break;
        }
        place = inner;
    }
    (place != from).then_some(place)
}

/// Every import of `src/`: from which file, into which file.
fn imports(files: &BTreeMap<Vec<String>, File>) -> BTreeSet<(Vec<String>, Vec<String>)> {
    let modules: BTreeSet<Vec<String>> = files.keys().cloned().collect();
    let mut all = BTreeSet::new();
    for (module, file) in files {
        let mut found = Vec::new();
        paths(&code(file), &[], &mut found);
        // lib.rs and main.rs are modules without a name: what a path names there is in lib.rs.
        let from =
            if module.len() == 1 && (module[0] == "lib" || module[0] == "main") { Vec::new() } else { module.clone() };
        for path in found {
            if let Some(to) = target(&from, &path, &modules) {
                let to = if to.is_empty() { vec!["lib".to_owned()] } else { to };
                if to != *module {
                    all.insert((module.clone(), to));
                }
            }
        }
    }
    all
}

fn storey(module: &[String]) -> Option<usize> {
    STOREYS.iter().position(|line| line.contains(&module[0].as_str()))
}

fn shown(module: &[String]) -> String {
    module.join("::")
}

#[test]
fn imports_point_down() {
    let files = files();
    let mut up: Vec<String> = Vec::new();
    for (from, to) in imports(&files) {
        if REGISTRIES.contains(&shown(&from).as_str()) || REGISTRIES.contains(&shown(&to).as_str()) {
            continue; // lib.rs lists the storeys, and what it re-exports (Error, Result) is the ground's
        }
        match (storey(&from), storey(&to)) {
            (Some(a), Some(b)) if b >= a => {}
            (Some(_), Some(_)) => up.push(format!("{} imports {}", shown(&from), shown(&to))),
            (a, _) => up.push(format!("{} is on no storey", shown(if a.is_none() { &from } else { &to }))),
        }
    }
    up.dedup();
    assert!(up.is_empty(), "imports that point up:\n  {}", up.join("\n  "));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let files = files();
    let mut to: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (a, b) in imports(&files) {
        if !REGISTRIES.contains(&shown(&a).as_str()) && !REGISTRIES.contains(&shown(&b).as_str()) {
            to.entry(shown(&a)).or_default().insert(shown(&b));
        }
    }
    // Whoever reaches itself is in a circle.
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = to.get(from).into_iter().flatten().collect();
        while let Some(at) = next.pop() {
            if seen.insert(at.clone()) {
                next.extend(to.get(at).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = to.keys().map(|from| (from, reach(from))).collect();
    let mut circles: BTreeSet<Vec<&String>> = BTreeSet::new();
    for (from, seen) in reached.iter().filter(|(from, seen)| seen.contains(**from)) {
        let circle = reached.keys().copied().filter(|other| seen.contains(*other) && reached[*other].contains(*from));
        circles.insert(circle.collect());
    }
    let said: Vec<String> = circles
        .iter()
        .map(|circle| {
            let edge = |a: &&String| {
                let inner = to[*a].iter().filter(|b| circle.contains(b)).cloned().collect::<Vec<_>>();
                format!("    {a} -> {}", inner.join(", "))
            };
            circle.iter().map(edge).collect::<Vec<_>>().join("\n")
        })
        .collect();
    assert!(said.is_empty(), "{} circles:\n{}", said.len(), said.join("\n\n"));
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, file) in &files() {
        names(&code(file), &shown(module), &mut places);
    }
    let twice: Vec<String> = places
        .into_iter()
        .filter(|(name, places)| {
            // Every op has its own Params and Args; what a computer and a browser offer is spelled alike.
            let platform = places.iter().all(|place| place.starts_with("platform"));
            places.len() > 1 && !["Params", "Args"].contains(&name.as_str()) && !platform
        })
        .map(|(name, places)| format!("{name}: {}", places.into_iter().collect::<Vec<_>>().join(", ")))
        .collect();
    assert!(twice.is_empty(), "names of several types:\n  {}", twice.join("\n  "));
}

/// Collects what is called by `struct`, `enum`, `union`, `trait` and `type` outside of traits and functions.
fn names(tokens: &[TokenTree], place: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Ident(word) = token else { continue };
        if ["struct", "enum", "union", "trait", "type"].contains(&word.to_string().as_str())
            && let Some(TokenTree::Ident(name)) = tokens.get(at + 1)
        {
            found.entry(name.to_string()).or_default().insert(place.to_owned());
        }
    }
}

#[test]
fn files_are_short() {
    let long: Vec<String> = files()
        .values()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > LINES)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "longer than {LINES} lines:\n  {}", long.join("\n  "));
}
