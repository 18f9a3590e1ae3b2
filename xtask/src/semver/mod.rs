//! `cargo xtask semver`: checks that the version of the Rust SDK allows the changes to its public
//! API since the last release.

mod compare;
mod listing;
#[cfg(test)]
mod tests;

use std::fs;

use anyhow::{Context, Result, bail};

use self::compare::{Difference, compare};
use crate::compat::release::{self, Version};
use crate::workspace;

/// How many differences are printed. The file has all of them.
const SHOWN: usize = 40;

/// Compares the SDK of the last release with the current one.
///
/// # Errors
///
/// Fails if there is no archive of the last release, rustdoc cannot read one of the two, or the
/// version does not allow what is gone, changed or new.
pub fn run() -> Result<()> {
    let (old, _) = release::newest(&workspace::root().join("openapi/released"))?;
    let new = Version::parse(env!("CARGO_PKG_VERSION")).context("the version is three numbers")?;
    let before = listing::released(old)?;
    let now = listing::current()?;
    let difference = compare(&before, &now);
    let path = workspace::target().join("semver/differences.txt");
    fs::write(&path, difference.lines().join("\n") + "\n")
        .with_context(|| format!("writing {}", path.display()))?;
    println!(
        "semver: the SDK of {old} has {} public items, {new} has {}; gone: {}, changed: {}, added so that programs no longer compile: {}, \
         added: {} (target/semver/differences.txt)",
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
