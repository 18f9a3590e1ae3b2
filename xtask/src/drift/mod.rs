//! `cargo xtask drift`: do the hand-written documents and the server's code say the same?

mod canon;
mod count;
mod diff;
mod distinct;
mod errors;
mod lint;
#[cfg(test)]
mod mutations;
mod shape;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::documents::{Document, documents};

/// Compares and lints every document, prints one sentence per finding and the counts.
///
/// # Errors
///
/// When there is any difference or any broken house rule.
pub fn run() -> Result<()> {
    let mut wrong = 0;
    for Document { name, spec, code } in documents()? {
        let found: Vec<String> = differences(&spec, &code)
            .into_iter()
            .chain(lint::findings(&spec))
            .collect();
        for sentence in &found {
            println!("{name}: {sentence}");
        }
        println!("{name}: {}", count::counts(&spec));
        wrong += found.len();
    }
    match wrong {
        0 => {
            println!("drift: the documents and the code say the same");
            Ok(())
        }
        1 => bail!("drift: 1 finding"),
        many => bail!("drift: {many} findings"),
    }
}

/// What the spec says and the code does not, or the other way round, one sentence each.
pub fn differences(spec: &Value, code: &Value) -> Vec<String> {
    let spec = canon::canonical(spec);
    let code = canon::canonical(code);
    let reached = canon::reachable(&code);
    let mut found: Vec<String> = reached
        .iter()
        .filter(|name| code["schemas"].get(name.as_str()).is_none())
        .map(|name| {
            format!("schema {name} is referred to in code, but not registered as a component")
        })
        .collect();
    found.extend(diff::sentences(&spec, &code));
    found
}
