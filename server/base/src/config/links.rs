//! Environment variables that begin as ours do and are no settings: those of other programs, and those that service links make.

use crate::config::table::PREFIX;

/// What our own clients and tests read.
const OURS: [&str; 3] = ["URL", "OUTBOX", "TEST_DATABASE_URL"];

/// Whether a variable is another program's: it is passed over, while any other unknown name is taken for
/// a setting that is misspelt.
///
/// Kubernetes gives every container variables of every service of its namespace ("Service", "Environment
/// variables"). For a service named `countersign`, or `countersign-web`, they begin as our settings do.
pub(super) fn is_foreign(key: &str, text: &str) -> bool {
    let Some(name) = key.strip_prefix(PREFIX) else {
        return false;
    };
    if OURS.contains(&name) {
        return true;
    }
    // Of a service with a longer name, the rest of the name comes first.
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

/// `SERVICE_PORT_HTTP`: the number of a port with a name.
fn is_named_port(name: &str) -> bool {
    let named = |at: usize| at == 0 || name.get(..at).is_some_and(|rest| rest.ends_with('_'));
    let mut found = name.match_indices("SERVICE_PORT_");
    found.any(|(at, part)| named(at) && name.len() > at + part.len())
}

/// `PORT_8080_TCP`, and the same with `_PROTO`, `_PORT` or `_ADDR`.
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

/// `tcp://10.0.0.1:8080`.
fn is_address(text: &str) -> bool {
    ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}
