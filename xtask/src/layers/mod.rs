//! `cargo xtask layers`: checks that the server's code follows the table of who may import whom.

mod scan;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;
use scan::{Named, Scan};
use table::{EXCEPTIONS, Layer};

/// Checks every file of `server/src` and prints one sentence for each breach.
///
/// # Errors
///
/// Fails if a file breaks the table, is in no layer or cannot be read.
pub fn run() -> Result<()> {
    let source = workspace::root().join("server/src");
    let mut files = Vec::new();
    for path in rust_files(&source)? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let relative = path
            .strip_prefix(&source)?
            .to_string_lossy()
            .replace('\\', "/");
        files.push((relative, text));
    }
    let checked = files.len();
    let found = breaches(&files)?;
    for sentence in &found {
        println!("{sentence}");
    }
    if !found.is_empty() {
        bail!(
            "layers: {} of the table of layers",
            plural(found.len(), "breach", "breaches")
        );
    }
    println!(
        "layers: {} keep to the table",
        plural(checked, "file", "files")
    );
    Ok(())
}

/// Returns all breaches in files given as (path from `server/src`, text).
fn breaches(files: &[(String, String)]) -> Result<Vec<String>> {
    let mut scans = Vec::new();
    let mut tests = BTreeSet::new();
    for (path, text) in files {
        let parsed = syn::parse_file(text).with_context(|| format!("parsing server/src/{path}"))?;
        let scan = scan::scan(&parsed, module_of(path));
        let module = module_of(path).join("/");
        tests.extend(scan.test_modules.iter().map(|name| {
            format!("{module}/{name}")
                .trim_start_matches('/')
                .to_owned()
        }));
        scans.push((path, scan));
    }
    let mut found = Vec::new();
    for (path, Scan { named, .. }) in scans {
        let module = module_of(path).join("/");
        let is_test = tests
            .iter()
            .any(|test| module == *test || module.starts_with(&format!("{test}/")));
        if !is_test {
            found.extend(breaches_of(path, &named));
        }
    }
    Ok(found)
}

fn breaches_of(path: &str, named: &[Named]) -> Vec<String> {
    let own = path
        .split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    let Some(layer) = table::layer(own) else {
        return vec![format!(
            "server/src/{path}:1: {own} is in no layer (see xtask/src/layers/table.rs)"
        )];
    };
    let mut found = Vec::new();
    for one in named {
        let breach = if one.own {
            own_breach(path, layer, &one.path)
        } else {
            foreign_breach(layer, &one.path)
        };
        if let Some(what) = breach {
            let sentence = format!("server/src/{path}:{}: {what}", one.line);
            if !found.contains(&sentence) {
                found.push(sentence);
            }
        }
    }
    found
}

/// Describes a path from the crate's root that this layer must not use.
fn own_breach(path: &str, layer: &Layer, used: &[String]) -> Option<String> {
    let target = used.first()?;
    let said = used.join("::");
    if layer.name == "lib" {
        return None;
    }
    if target == layer.name {
        return other_api(path, layer, used)
            .then(|| format!("one API must not use another ({said})"));
    }
    let exceptions = EXCEPTIONS
        .iter()
        .filter(|one| one.file == path)
        .map(|one| one.may);
    let mut allowed = layer.may.iter().copied().chain(exceptions);
    if allowed.any(|allowed| within(used, allowed) || is_its_layer(used, allowed)) {
        return None;
    }
    Some(format!("{} must not use {target} ({said})", layer.name))
}

/// Tells whether a path lies within an allowed one.
fn within(used: &[String], allowed: &str) -> bool {
    let words: Vec<&str> = allowed.split("::").collect();
    used.len() >= words.len()
        && words
            .iter()
            .zip(used)
            .all(|(word, segment)| word == segment)
}

/// Tells whether a path is only the layer of which a part is allowed. Other paths in the file show
/// which part it uses.
fn is_its_layer(used: &[String], allowed: &str) -> bool {
    used.len() == 1 && allowed.split("::").next() == used.first().map(String::as_str)
}

/// Tells whether `api/x/…` uses `api::y` where y is another API's folder.
fn other_api(path: &str, layer: &Layer, used: &[String]) -> bool {
    const APIS: [&str; 5] = ["identity", "netevia", "flashback", "veeam", "sandbox"];
    let mut parts = path.split('/').skip(1);
    let (Some(folder), Some(other)) = (parts.next(), used.get(1)) else {
        return false;
    };
    layer.name == "api"
        && APIS.contains(&folder)
        && APIS.contains(&other.as_str())
        && folder != other
}

/// Describes a crate that this layer must not use.
fn foreign_breach(layer: &Layer, used: &[String]) -> Option<String> {
    let first = used.first()?;
    let banned = layer
        .never
        .iter()
        .any(|beginning| first.starts_with(beginning));
    banned.then(|| format!("{} must not name {first} ({})", layer.name, used.join("::")))
}

/// Converts `flow/login.rs` to `[flow, login]`, `flow/mod.rs` to `[flow]` and `lib.rs` to `[]`.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod")) || matches!(stem, "lib" | "main") {
        module.pop();
    }
    module
}

/// Returns all `.rs` files below a folder, sorted.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
