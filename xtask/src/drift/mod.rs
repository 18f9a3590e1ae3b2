//! `cargo xtask drift`: checks that the hand-written documents and the server's code agree.

mod canon;
mod count;
mod deprecated;
mod diff;
mod distinct;
mod errors;
mod lint;
#[cfg(test)]
mod mutations;
mod names;
mod served;
mod shape;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::documents::{Document, documents};
use crate::openapi::reachable_schemas;
use crate::sdk::read_documents;

/// Compares and lints every document. Prints one sentence for each finding, and the counts.
///
/// # Errors
///
/// Fails if there is any difference or broken house rule.
pub fn run() -> Result<()> {
    let mut wrong = 0;
    let served = documents()?;
    for (name, spec) in read_documents()? {
        if served.iter().any(|document| document.name == name) {
            continue;
        }
        let mut found = lint::findings(&spec);
        found.push("the server does not serve this document".to_owned());
        for sentence in &found {
            println!("{name}: {sentence}");
        }
        wrong += found.len();
    }
    for Document { name, spec, code } in served {
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

/// Returns the differences between spec and code, in both directions, one sentence each.
pub fn differences(spec: &Value, code: &Value) -> Vec<String> {
    let mut found: Vec<String> = reachable_schemas(code, &code["paths"])
        .into_iter()
        .filter(|name| code["components"]["schemas"].get(name).is_none())
        .map(|name| {
            format!("schema {name} is referred to in code, but not registered as a component")
        })
        .collect();
    found.extend(diff::sentences(
        &canon::canonical(spec),
        &canon::canonical(code),
    ));
    found
}
