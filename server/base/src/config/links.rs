//! Recognises environment variables that begin like ours but are not settings: those of other
//! programs, and those of Kubernetes service links.

use crate::config::table::PREFIX;

/// Variables that our own clients and tests read.
const OURS: [&str; 4] = ["BIN", "URL", "OUTBOX", "TEST_DATABASE_URL"];

/// Tells whether a variable belongs to another program. It is then ignored, while any other unknown
/// name counts as a misspelt setting.
///
/// Kubernetes gives every container variables for each service of its namespace ("Service",
/// "Environment variables"). For a service named `countersign` or `countersign-web`, they begin
/// like our settings.
pub(super) fn is_foreign(key: &str, text: &str) -> bool {
    let Some(name) = key.strip_prefix(PREFIX) else {
        return false;
    };
    if OURS.contains(&name) {
        return true;
    }
    // If the service has a longer name, the rest of its name comes first.
    let ends = |end: &str| {
        name.strip_suffix(end)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    };
    ends("SERVICE_HOST")
        || ends("SERVICE_PORT")
        || is_named_port(name)
        || (ends("PORT") && is_address(text))
        || is_port(name)
}

/// Matches `SERVICE_PORT_HTTP`: the number of a named port.
fn is_named_port(name: &str) -> bool {
    let named = |at: usize| at == 0 || name.get(..at).is_some_and(|rest| rest.ends_with('_'));
    let mut found = name.match_indices("SERVICE_PORT_");
    found.any(|(at, part)| named(at) && name.len() > at + part.len())
}

/// Matches `PORT_8080_TCP`, also with `_PROTO`, `_PORT` or `_ADDR`.
fn is_port(name: &str) -> bool {
    let ends = ["_PROTO", "_PORT", "_ADDR"];
    let name = ends
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let protocols = ["_TCP", "_UDP", "_SCTP"];
    let Some(name) = protocols.iter().find_map(|end| name.strip_suffix(end)) else {
        return false;
    };
    let Some((before, number)) = name.rsplit_once('_') else {
        return false;
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && (before == "PORT" || before.ends_with("_PORT"))
}

/// Matches `tcp://10.0.0.1:8080`.
fn is_address(text: &str) -> bool {
    ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}
