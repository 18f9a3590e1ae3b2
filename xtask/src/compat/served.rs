//! Compares the path prefixes that are served as others (`x-also-served`): clients keep calling the
//! paths below them.

use super::Report;
use super::operation::Contracts;
use crate::openapi::entries;

/// Finds prefixes that are gone or lead elsewhere.
pub fn compare(contracts: &Contracts<'_>, report: &mut Report) {
    let Contracts { old, new, clients } = contracts;
    for (asked, served) in entries(&old["x-also-served"]) {
        if new["x-also-served"].get(asked) != Some(served) {
            report.breaks.push(format!(
                "{asked}/…: no longer served as {}/…, which {clients} rely on",
                served.as_str().unwrap_or_default()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Contracts, Report, compare};

    fn breaks(new: &Value) -> Vec<String> {
        let old = json!({ "x-also-served": { "/api/v2": "/api/v1" } });
        let clients = "clients of 0.1.0".to_owned();
        let mut report = Report::default();
        let (old, new) = (&old, new);
        compare(&Contracts { old, new, clients }, &mut report);
        report.breaks
    }

    #[test]
    fn what_is_also_served_stays_so() {
        let kept = json!({ "x-also-served": { "/api/v2": "/api/v1", "/api/v3": "/api/v1" } });
        assert_eq!(breaks(&kept), Vec::<String>::new());
        let sentence =
            "/api/v2/…: no longer served as /api/v1/…, which clients of 0.1.0 rely on".to_owned();
        let elsewhere = json!({ "x-also-served": { "/api/v2": "/api/v8.1" } });
        assert_eq!(breaks(&elsewhere), std::slice::from_ref(&sentence));
        assert_eq!(breaks(&json!({})), [sentence]);
    }
}
