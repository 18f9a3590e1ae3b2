//! Compares each operation of a released document with its current form.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::place::Place;
use super::schema::{Check, Side};
use super::{Report, answer};
use crate::openapi::{Operation, entries, operations, resolve};

/// Two versions of one document.
pub struct Contracts<'a> {
    /// The released version.
    pub old: &'a Value,
    /// The current version.
    pub new: &'a Value,
    /// What sentences call the clients: `clients of 0.1.0`.
    pub clients: String,
}

impl<'a> Contracts<'a> {
    /// Starts a comparison of schemas.
    pub fn check(&self, side: Side) -> Check<'a> {
        Check::new(self.old, self.new, side, &self.clients)
    }
}

/// Compares all operations of the released document. New operations do not matter.
pub fn compare(contracts: &Contracts, report: &mut Report) {
    let now: BTreeMap<String, Operation> = operations(contracts.new)
        .into_iter()
        .map(|operation| (address(&operation), operation))
        .collect();
    schemes(contracts, report);
    for old in operations(contracts.old) {
        let name = &old.name;
        let Some(new) = now.get(&address(&old)) else {
            let clients = &contracts.clients;
            report.breaks.push(format!(
                "{name}: the operation is gone, which {clients} call"
            ));
            continue;
        };
        let mut found = Report::default();
        security(contracts, &old, new, &mut found.breaks);
        parameters(contracts, &old, new, &mut found.breaks);
        body(contracts, &old, new, &mut found.breaks);
        answer::compare(contracts, &old, new, &mut found);
        report.add(name, found);
    }
}

/// Returns method and path, ignoring the names of the path's parameters.
fn address(operation: &Operation) -> String {
    let parts = operation
        .path
        .split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part });
    let parts: Vec<&str> = parts.collect();
    format!("{} {}", operation.method, parts.join("/"))
}

/// Checks how credentials are sent: a scheme that stays must not change.
fn schemes(contracts: &Contracts, report: &mut Report) {
    let now = &contracts.new["components"]["securitySchemes"];
    for (name, old) in entries(&contracts.old["components"]["securitySchemes"]) {
        let old = resolve(contracts.old, old);
        let Some(new) = now.get(name).map(|new| resolve(contracts.new, new)) else {
            continue; // Whoever asked for it asks for something else now, which is judged there.
        };
        for key in ["type", "scheme", "in", "name", "flows", "openIdConnectUrl"] {
            if old.get(key) != new.get(key) {
                report.breaks.push(format!(
                    "security scheme {name}: {key} is {} instead of {}, and refuses what {} send",
                    new[key], old[key], contracts.clients
                ));
            }
        }
    }
}

/// Checks that credentials that were accepted still are: some alternative asks for no others.
fn security(contracts: &Contracts, old: &Operation, new: &Operation, found: &mut Vec<String>) {
    let open = vec![json!({})];
    let ways = |document: &Value, operation: &Operation| {
        let own = operation
            .object
            .get("security")
            .or(document.get("security"));
        let list = own.and_then(Value::as_array).cloned().unwrap_or_default();
        if list.is_empty() { open.clone() } else { list }
    };
    let now = ways(contracts.new, new);
    for before in ways(contracts.old, old) {
        let enough = now
            .iter()
            .any(|way| entries(way).all(|(scheme, scopes)| has(&before, scheme, scopes)));
        if enough {
            continue;
        }
        let names: Vec<&str> = entries(&before).map(|(name, _)| name.as_str()).collect();
        let with = if names.is_empty() {
            "without credentials".to_owned()
        } else {
            format!("with `{}` alone", names.join("` and `"))
        };
        found.push(format!(
            "no longer lets in who comes {with}, as {} do",
            contracts.clients
        ));
    }
}

/// Tells whether the credentials contain this scheme with these scopes.
fn has(credentials: &Value, scheme: &str, scopes: &Value) -> bool {
    let Some(held) = credentials.get(scheme).and_then(Value::as_array) else {
        return false;
    };
    scopes
        .as_array()
        .into_iter()
        .flatten()
        .all(|scope| held.contains(scope))
}

/// Returns parameters by their place. Those of the path are named by their order.
fn parameters_of<'a>(
    document: &'a Value,
    operation: &Operation<'a>,
) -> BTreeMap<(String, String), &'a Value> {
    let mut found = BTreeMap::new();
    for list in [
        &operation.item["parameters"],
        &operation.object["parameters"],
    ] {
        for parameter in list.as_array().into_iter().flatten() {
            let parameter = resolve(document, parameter);
            let place = parameter["in"].as_str().unwrap_or_default();
            let name = parameter["name"].as_str().unwrap_or_default();
            let key = match place {
                "path" => operation
                    .path
                    .find(&format!("{{{name}}}"))
                    .map(|end| operation.path[..end].matches('{').count().to_string()),
                "header" => Some(name.to_lowercase()),
                _ => None,
            };
            found.insert(
                (place.to_owned(), key.unwrap_or_else(|| name.to_owned())),
                parameter,
            );
        }
    }
    found
}

fn parameters<'a>(
    contracts: &Contracts<'a>,
    old: &Operation<'a>,
    new: &Operation<'a>,
    found: &mut Vec<String>,
) {
    let clients = &contracts.clients;
    let (before, now) = (
        parameters_of(contracts.old, old),
        parameters_of(contracts.new, new),
    );
    let title = |place: &str, one: &Value| {
        format!(
            "the {place} parameter `{}`",
            one["name"].as_str().unwrap_or_default()
        )
    };
    let required = |one: &Value| one["required"] == json!(true);
    for (key, one) in &before {
        let title = title(&key.0, one);
        let Some(other) = now.get(key) else {
            found.push(format!("no longer takes {title}, which {clients} send"));
            continue;
        };
        if required(other) && !required(one) {
            found.push(format!("requires {title}, which {clients} may leave out"));
        }
        if style(&key.0, one) != style(&key.0, other) {
            found.push(format!(
                "takes {title} written in another style than {clients} write it"
            ));
        }
        let mut check = contracts.check(Side::Sends);
        found.extend(check.schema(&Place::new(title), &one["schema"], &other["schema"]));
    }
    for (key, one) in &now {
        if required(one) && !before.contains_key(key) {
            let title = title(&key.0, one);
            found.push(format!("requires {title}, which {clients} do not send"));
        }
    }
}

/// Returns how lists and objects are written in a parameter, explicitly or by default.
fn style(place: &str, parameter: &Value) -> (String, bool) {
    let usual = if matches!(place, "query" | "cookie") {
        "form"
    } else {
        "simple"
    };
    let style = parameter["style"].as_str().unwrap_or(usual);
    let explode = parameter["explode"].as_bool().unwrap_or(style == "form");
    (style.to_owned(), explode)
}

fn body<'a>(
    contracts: &Contracts<'a>,
    old: &Operation<'a>,
    new: &Operation<'a>,
    found: &mut Vec<String>,
) {
    let clients = &contracts.clients;
    let before = resolve(contracts.old, &old.object["requestBody"]);
    let now = resolve(contracts.new, &new.object["requestBody"]);
    if before.is_null() || now.is_null() {
        if !before.is_null() {
            found.push(format!("no longer takes a body, which {clients} send"));
        } else if now["required"] == json!(true) {
            found.push(format!("requires a body, which {clients} do not send"));
        }
        return;
    }
    if now["required"] == json!(true) && before["required"] != json!(true) {
        found.push(format!("requires a body, which {clients} may leave out"));
    }
    for (media, content) in entries(&before["content"]) {
        let Some(other) = now["content"].get(media) else {
            found.push(format!("no longer takes {media}, which {clients} send"));
            continue;
        };
        let mut check = contracts.check(Side::Sends);
        found.extend(check.schema(
            &Place::new("the body"),
            &content["schema"],
            &other["schema"],
        ));
    }
}
