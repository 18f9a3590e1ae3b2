//! `cargo xtask typescript`: builds the TypeScript SDK, lets it talk to the built server in Node and in Chromium, and measures it.

pub mod types;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{run, run_quietly};
use crate::{server, tools, workspace};

/// The oldest Node.js that the SDK promises to run on: major and minor version, as in its `package.json`.
const NODE: (u32, u32) = (20, 11);

/// Builds and tests the SDK, and holds its bundle to the promised size.
///
/// # Errors
///
/// Fails if a tool is missing, a test fails, or the bundle is too large.
pub fn check() -> Result<()> {
    let folder = folder()?;
    let chromium = tools::need("chromium", "chromium")?;
    let binary = server::build()?;
    let npm = |script: &str| {
        let mut command = Command::new("npm");
        command
            .current_dir(&folder)
            .args(["run", "--silent", script])
            .env("CHROMIUM", &chromium)
            .env("COUNTERSIGN_BINARY", &binary);
        run(&mut command)
    };
    npm("test").context("the tests of the TypeScript SDK")?;
    npm("size").context("the size of the TypeScript SDK")?;
    pages(&folder).context("the types in the scripts of the pages")
}

/// Holds the scripts of the server's pages to their types, with the SDK's compiler. They are served as they are.
fn pages(folder: &Path) -> Result<()> {
    let scripts = workspace::root().join("server/http/src/pages");
    let files = fs::read_dir(&scripts).with_context(|| format!("reading {}", scripts.display()))?;
    let paths = files.filter_map(|file| file.ok().map(|file| file.path()));
    let scripts = paths.filter(|path| path.extension().is_some_and(|kind| kind == "js"));
    run(Command::new(folder.join("node_modules/.bin/tsc"))
        .args(["--noEmit", "--allowJs", "--checkJs", "--strict"])
        .args(["--target", "es2022", "--lib", "es2024,dom,dom.iterable"])
        .args(["--module", "esnext", "--moduleResolution", "bundler"])
        .args(scripts))
}

/// The SDK's folder, with what its lock file names in `node_modules`.
///
/// # Errors
///
/// Fails if Node.js is missing or too old, or the packages cannot be installed.
fn folder() -> Result<PathBuf> {
    let folder = workspace::root().join("sdk/typescript");
    let lock = folder.join("package-lock.json");
    let wanted =
        fs::read_to_string(&lock).with_context(|| format!("reading {}", lock.display()))?;
    if let Some(line) = elsewhere(&wanted) {
        bail!(
            "sdk/typescript/package-lock.json names a registry; make it with --omit-lockfile-registry-resolved: {line}"
        );
    }
    need_node()?;
    // In node_modules itself, so that both go together.
    let stamp = folder.join("node_modules/.installed-by-xtask.json");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    tools::need("npm", "npm")?;
    println!("xtask: installing what sdk/typescript/package-lock.json names");
    run_quietly(Command::new("npm").current_dir(&folder).args([
        "ci",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]))
    .context("installing from npm")?;
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(folder)
}

/// The first line of a lock file that names a registry, since everybody has one of their own.
fn elsewhere(lock: &str) -> Option<&str> {
    let mut lines = lock.lines().map(str::trim);
    lines.find(|line| line.starts_with("\"resolved\":"))
}

fn need_node() -> Result<()> {
    let node = tools::need("node", "nodejs")?;
    let said = run_quietly(Command::new(node).arg("--version"))?;
    if version(&said).is_none_or(|version| version < NODE) {
        let (major, minor) = NODE;
        bail!(
            "Node.js {major}.{minor} or newer is needed, and this is {}",
            said.trim()
        );
    }
    Ok(())
}

/// Major and minor number of `v20.11.0`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix('v')?.split('.');
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{NODE, elsewhere, version};

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("v20.20.2\n").is_some_and(|version| version >= NODE));
        assert!(version("v9.11.0").is_some_and(|version| version < NODE));
        assert_eq!(version("20"), None);
    }

    #[test]
    fn a_registry_is_found() {
        let nobodys = r#"  "integrity": "sha512-AAAA","#;
        let somebodys = r#"  "resolved": "https://npm.example.com/a/-/a-1.0.0.tgz","#;
        assert_eq!(elsewhere(nobodys), None);
        assert_eq!(
            elsewhere(&format!("{nobodys}\n{somebodys}\n")),
            Some(somebodys.trim())
        );
    }
}
