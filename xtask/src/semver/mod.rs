//! `cargo xtask semver`: checks that the version of the Rust SDK and its test kit allows the changes
//! to their public APIs since the last release.

mod compare;
mod listing;
#[cfg(test)]
mod tests;

use std::fs;

use anyhow::{Context, Result, bail};

use self::compare::{Difference, compare};
use crate::compat::release::{self, Version};
use crate::workspace::{self, PUBLISHED, Published};

/// How many differences are printed. The file has all of them.
const SHOWN: usize = 40;

/// The crate that every release has had. Others may be newer than the last release.
const OLDEST: &str = "countersign-sdk";

/// Compares the crates of the last release with the current ones.
///
/// # Errors
///
/// Fails if there is no archive of the last SDK, rustdoc cannot read one of the two, or the version
/// does not allow what is gone, changed or new.
pub fn run() -> Result<()> {
    let (old, _) = release::newest(&workspace::root().join("openapi/released"))?;
    let new = Version::parse(env!("CARGO_PKG_VERSION")).context("the version is three numbers")?;
    for published in PUBLISHED {
        let Published { name, .. } = published;
        if name != OLDEST && !published.released(old).is_file() {
            println!("semver: {name} is not part of {old}, so {new} breaks no program");
            continue;
        }
        check(published, old, new)?;
    }
    Ok(())
}

/// Compares one crate with itself.
fn check(published: Published, old: Version, new: Version) -> Result<()> {
    let Published { name, .. } = published;
    let before = listing::released(published, old)?;
    let now = listing::current(published)?;
    let difference = compare(&before, &now);
    let path = workspace::target().join(format!("semver/{name}.txt"));
    fs::write(&path, difference.lines().join("\n") + "\n")
        .with_context(|| format!("writing {}", path.display()))?;
    println!(
        "semver: {name} {old} has {} public items, {new} has {}; gone: {}, changed: {}, added so that programs no longer compile: {}, \
         added: {} (target/semver/{name}.txt)",
        before.items.len(),
        now.items.len(),
        difference.gone.len(),
        difference.changed.len(),
        difference.breaking.len(),
        difference.added
    );
    match verdict(&difference, old, new) {
        Ok(sentence) => {
            println!("semver: {sentence}");
            Ok(())
        }
        Err(sentence) => {
            for line in difference.lines().iter().take(SHOWN) {
                println!("{line}");
            }
            bail!("semver: {sentence}")
        }
    }
}

/// Decides whether the step from `old` to `new` allows the difference. Returns a sentence either
/// way.
fn verdict(difference: &Difference, old: Version, new: Version) -> Result<String, String> {
    if difference.breaks() {
        return if new.breaks_from(old) {
            Ok(format!("{new} may break programs written for {old}"))
        } else {
            Err(format!(
                "{new} breaks programs written for {old}: Cargo.toml needs a version that may"
            ))
        };
    }
    if difference.added > 0 && !new.adds_to(old) {
        return Err(format!(
            "{new} has what {old} had not: Cargo.toml needs a version that says so"
        ));
    }
    if new < old {
        return Err(format!("{new} is older than {old}"));
    }
    Ok(format!("programs written for {old} compile with {new}"))
}
