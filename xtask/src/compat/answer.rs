//! Compares the answers of an operation: what an old client reads stays, while errors may be added
//! or go.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Report;
use super::operation::Contracts;
use super::place::Place;
use super::schema::Side;
use super::shape::{Shape, shapes};
use crate::openapi::{Operation, entries, is_error, resolve};

/// Compares the answers of an operation.
pub fn compare<'a>(
    contracts: &Contracts<'a>,
    old: &Operation<'a>,
    new: &Operation<'a>,
    report: &mut Report,
) {
    let clients = &contracts.clients;
    let (before, now) = (&old.object["responses"], &new.object["responses"]);
    for (status, answer) in entries(before) {
        let Some(other) = now.get(status) else {
            if is_error(status) {
                report.told.push(format!("no longer answers {status}"));
            } else {
                report
                    .breaks
                    .push(format!("no longer answers {status}, which {clients} read"));
            }
            continue;
        };
        let answer = resolve(contracts.old, answer);
        let other = resolve(contracts.new, other);
        headers(contracts, status, answer, other, &mut report.breaks);
        content(contracts, status, answer, other, report);
    }
    for (status, _) in entries(now) {
        if !is_error(status) && before.get(status).is_none() {
            report.breaks.push(format!(
                "answers {status} as a success, which {clients} do not know"
            ));
        }
    }
}

fn headers<'a>(
    contracts: &Contracts<'a>,
    status: &str,
    old: &'a Value,
    new: &'a Value,
    found: &mut Vec<String>,
) {
    let clients = &contracts.clients;
    for (name, header) in entries(&old["headers"]) {
        let title = format!("the header `{name}` of the answer {status}");
        let mut now = entries(&new["headers"]);
        let Some((_, other)) = now.find(|(other, _)| other.eq_ignore_ascii_case(name)) else {
            found.push(format!("{title} is gone, which {clients} read"));
            continue;
        };
        let header = resolve(contracts.old, header);
        let other = resolve(contracts.new, other);
        if header["required"] == json!(true) && other["required"] != json!(true) {
            found.push(format!("{title} may be missing, on which {clients} rely"));
        }
        let mut check = contracts.check(Side::Reads);
        found.extend(check.schema(&Place::new(title), &header["schema"], &other["schema"]));
    }
}

fn content<'a>(
    contracts: &Contracts<'a>,
    status: &str,
    old: &'a Value,
    new: &'a Value,
    report: &mut Report,
) {
    let place = Place::new(format!("the answer {status}"));
    for (media, content) in entries(&old["content"]) {
        let Some(other) = new["content"].get(media) else {
            let (words, clients) = (place.words(), &contracts.clients);
            report.breaks.push(format!(
                "{words} is no longer {media}, which {clients} read"
            ));
            continue;
        };
        let (before, now) = (&content["schema"], &other["schema"]);
        if is_error(status)
            && let Some(before) = by_code(contracts.old, before)
            && let Some(now) = by_code(contracts.new, now)
        {
            errors(contracts, status, &before, &now, report);
            continue;
        }
        let mut check = contracts.check(Side::Reads);
        report.breaks.extend(check.schema(&place, before, now));
    }
}

/// Returns the shapes of an error answer by their `code`, if each has one.
fn by_code<'a>(document: &'a Value, schema: &'a Value) -> Option<BTreeMap<&'a str, Shape<'a>>> {
    shapes(document, schema)
        .into_iter()
        .map(|shape| Some((shape.constants(document).get("code")?.as_str()?, shape)))
        .collect()
}

/// Checks that each code is read as before. A new code is read as `ErrorResponse`, and nobody
/// misses one that is gone.
fn errors<'a>(
    contracts: &Contracts<'a>,
    status: &str,
    old: &BTreeMap<&'a str, Shape<'a>>,
    new: &BTreeMap<&'a str, Shape<'a>>,
    report: &mut Report,
) {
    for (code, shape) in old {
        match new.get(code) {
            Some(now) => {
                let place = Place::new(format!("the answer {status} of code `{code}`"));
                let mut check = contracts.check(Side::Reads);
                report.breaks.extend(check.shape(&place, shape, now));
            }
            None => report
                .told
                .push(format!("no longer answers {status} with the code `{code}`")),
        }
    }
}
