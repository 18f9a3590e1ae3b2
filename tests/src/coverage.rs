//! Records every (operation, status, code) that any test has seen, and compares them with what the
//! contract declares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::contract::Contract;
use crate::database;

/// An operation with its document (`identity login`), a status, and a code (`-` for answers without
/// one).
pub type Triple = (String, u16, String);

static SEEN: Mutex<BTreeSet<Triple>> = Mutex::new(BTreeSet::new());

/// Records an answer that was checked.
pub fn saw(operation: &str, status: u16, code: &str) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.insert((operation.to_owned(), status, code.to_owned()));
}

/// Compares what was seen with the contract and with the list of what cannot be seen. A sandbox is always on SQLite, so the
/// tests on PostgreSQL are not asked for its answers.
///
/// # Errors
/// Reports what is neither exercised nor listed, what is listed but was exercised, and what is
/// listed without a reason.
pub fn judge(golden: &str) -> Result<String, String> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let runs_here = |(operation, _, _): &Triple| {
        !(database::is_a_cluster() && operation.starts_with("sandbox "))
    };
    let mut declared = Contract::get().triples();
    let (mut listed, mut faults) = read(golden);
    declared.retain(runs_here);
    listed.retain(|triple, _| runs_here(triple));
    let print = |(operation, status, code): &Triple| format!("{operation} {status} {code}");
    for triple in &declared {
        match (seen.contains(triple), listed.contains_key(triple)) {
            (false, false) => faults.push(format!("never exercised: {}", print(triple))),
            (true, true) => faults.push(format!(
                "listed as unexercised, but exercised: {}",
                print(triple)
            )),
            (true, false) | (false, true) => {}
        }
    }
    for triple in listed.keys().filter(|triple| !declared.contains(*triple)) {
        faults.push(format!(
            "listed as unexercised, but not declared: {}",
            print(triple)
        ));
    }
    if faults.is_empty() {
        let exercised = declared.len() - listed.len();
        return Ok(format!(
            "{exercised} of {} exercised, {} listed",
            declared.len(),
            listed.len()
        ));
    }
    Err(faults.join("\n"))
}

/// Reads lines of `document operation status code: reason`. Ignores empty lines and those that
/// begin with `#`.
fn read(golden: &str) -> (BTreeMap<Triple, String>, Vec<String>) {
    let (mut listed, mut faults) = (BTreeMap::new(), Vec::new());
    let lines = golden.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (triple, reason) = line.split_once(": ").unwrap_or((line, ""));
        let mut words = triple.split_whitespace();
        let (api, operation) = (words.next(), words.next());
        let (status, code) = (words.next(), words.next());
        let status = status.and_then(|status| status.parse().ok());
        match (api, operation, status, code, words.next()) {
            (Some(api), Some(operation), Some(status), Some(code), None)
                if !reason.trim().is_empty() =>
            {
                listed.insert(
                    (format!("{api} {operation}"), status, code.to_owned()),
                    reason.to_owned(),
                );
            }
            _ => faults.push(format!(
                "not of the form `document operation status code: reason`: {line}"
            )),
        }
    }
    (listed, faults)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn an_entry_has_a_reason() {
        let (listed, faults) = read(
            "# for people\n\na login 500 INTERNAL: because\na logout 204 -: because: of this\n",
        );
        assert_eq!((listed.len(), faults.len()), (2, 0));
        for bad in [
            "a login 500 INTERNAL",
            "a login 500 INTERNAL:",
            "a login INTERNAL: because",
            "a login 500 A B: because",
            "login 500 INTERNAL: because",
        ] {
            assert_eq!(read(bad).1.len(), 1, "{bad}");
        }
    }
}
