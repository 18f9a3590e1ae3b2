//! `cargo xtask compat`: checks that clients of the last release keep working with the current
//! documents.

mod answer;
mod changelog;
mod limits;
#[cfg(test)]
mod mutations;
mod operation;
mod place;
pub mod release;
mod schema;
mod served;
mod shape;

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::openapi::operations;
use crate::sdk::{read_documents, read_folder};
use crate::workspace;
use operation::Contracts;
use release::Version;

/// The differences between two versions of a document, one sentence each.
#[derive(Default)]
pub struct Report {
    /// Differences that break an old client.
    pub breaks: Vec<String>,
    /// Differences that break nothing but may be of interest.
    pub told: Vec<String>,
}

impl Report {
    /// Adds what was found at one place.
    fn add(&mut self, place: &str, found: Self) {
        for (all, sentences) in [
            (&mut self.breaks, found.breaks),
            (&mut self.told, found.told),
        ] {
            for sentence in sentences {
                let sentence = format!("{place}: {sentence}");
                if !all.contains(&sentence) {
                    all.push(sentence);
                }
            }
        }
    }
}

/// Compares every document of the newest release with the current one, and prints one sentence for
/// each break.
///
/// # Errors
///
/// Fails if there is a break that neither the document's version nor the changelog allows, or if
/// the changelog names a break that does not exist.
pub fn run() -> Result<()> {
    let (release, folder) = release::newest(&workspace::root().join("openapi/released"))?;
    let path = workspace::root().join("CHANGELOG.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let listed = changelog::broken(&text, release);
    let current = read_documents()?;
    let mut compared = Vec::new();
    for (name, old) in read_folder(&folder)? {
        let new = current.iter().find(|(other, _)| *other == name);
        let (report, announced) = document(&name, &old, new.map(|(_, new)| new), release)?;
        for sentence in &report.told {
            println!("told: {sentence}");
        }
        for sentence in report.breaks.iter().filter(|_| announced) {
            println!("announced by the version: {sentence}");
        }
        println!(
            "{name}: {} operations of {release}; breaks: {}, told: {}",
            operations(&old).len(),
            report.breaks.len(),
            report.told.len()
        );
        compared.push((report, announced));
    }
    let wrong = findings(&compared, &listed);
    for sentence in &wrong {
        println!("{sentence}");
    }
    let breaks = compared.iter().map(|(report, _)| report.breaks.len()).sum();
    verdict(wrong.len(), breaks, release)
}

/// Returns the breaks that neither a version nor the changelog announces, and the changelog's
/// entries that are not breaks.
fn findings(compared: &[(Report, bool)], listed: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (report, announced) in compared {
        let open = report
            .breaks
            .iter()
            .filter(|one| !announced && !listed.contains(one));
        found.extend(open.cloned());
    }
    for sentence in listed {
        if !compared
            .iter()
            .any(|(report, _)| report.breaks.contains(sentence))
        {
            found.push(format!("CHANGELOG.md names what is no break: {sentence}"));
        }
    }
    found
}

/// Returns the differences of one document, with its name in front, and whether its version
/// announces them.
fn document(
    name: &str,
    old: &Value,
    new: Option<&Value>,
    release: Version,
) -> Result<(Report, bool)> {
    let mut report = Report::default();
    let announced = match new {
        Some(new) => {
            report.add(name, compare(old, new, release));
            may_break(name, old, new, release)?
        }
        None => {
            report.breaks.push(format!(
                "{name}: the document is gone, which clients of {release} were made from"
            ));
            false
        }
    };
    Ok((report, announced))
}

fn verdict(wrong: usize, breaks: usize, release: Version) -> Result<()> {
    match (wrong, breaks) {
        (0, 0) => println!("compat: clients of {release} go on working"),
        (0, 1) => println!(
            "compat: clients of {release} go on working but for 1 break that was announced"
        ),
        (0, _) => println!(
            "compat: clients of {release} go on working but for {breaks} breaks that were announced"
        ),
        (1, _) => bail!("compat: 1 finding"),
        (_, _) => bail!("compat: {wrong} findings"),
    }
    Ok(())
}

/// Tells whether the document's version allows breaks.
fn may_break(name: &str, old: &Value, new: &Value, release: Version) -> Result<bool> {
    let version = |document: &Value| {
        document["info"]["version"]
            .as_str()
            .and_then(Version::parse)
    };
    if version(old) != Some(release) {
        bail!("openapi/released/{release}/{name}.yaml is of another version");
    }
    let new = version(new)
        .with_context(|| format!("openapi/{name}.yaml has no version of three numbers"))?;
    if new < release {
        bail!("openapi/{name}.yaml is {new}, older than the released {release}");
    }
    Ok(new.breaks_from(release))
}

/// Returns the differences that matter to a client of the released document.
pub fn compare(old: &Value, new: &Value, release: Version) -> Report {
    let mut report = Report::default();
    let clients = format!("clients of {release}");
    let contracts = Contracts { old, new, clients };
    operation::compare(&contracts, &mut report);
    served::compare(&contracts, &mut report);
    report
}
