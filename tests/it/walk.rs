//! Builds calls of any operation from its document.

use std::collections::BTreeMap;

use contract_tests::call::Method;
use contract_tests::contract::Operation;
use contract_tests::{Call, Server, Value, json};

/// Returns an assertion of the right form that no authenticator made.
pub fn credential() -> Value {
    json!({
        "id": "AAAAAAAAAAAAAAAAAAAAAA", "rawId": "AAAAAAAAAAAAAAAAAAAAAA", "type": "public-key",
        "response": { "clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA",
            "attestationObject": "AAAA" },
    })
}

/// Returns the values to try for a field of a request, if there are several.
fn variants(field: &str) -> &'static [&'static str] {
    match field {
        "grant_type" => &["Password", "Mfa", "Refresh_token"],
        "method" | "mfaMethod" => &["authenticator", "email"],
        "mfaType" => &["GOOGLE_AUTH", "MAGIC_LINK", "PASSKEY"],
        "shortMessageType" => &["AttemptLogin", "ContactInfoUpdateRequest", "UNKNOWN"],
        _ => &[],
    }
}

/// Returns the names of an operation's fields.
pub fn fields(operation: &Operation) -> Vec<String> {
    let body = operation.body.as_ref();
    let properties = body.and_then(|body| body["properties"].as_object());
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// Returns the bodies to try: every field with a known value, once for each variant of one of them.
pub fn bodies(operation: &Operation, known: &BTreeMap<&str, Value>) -> Vec<Value> {
    let fields = fields(operation);
    let mut base = json!({});
    for name in &fields {
        if let Some(value) = known.get(name.as_str()) {
            base[name] = value.clone();
        }
    }
    let Some(choice) = fields.iter().find(|name| !variants(name).is_empty()) else {
        return vec![base];
    };
    let chosen = variants(choice).iter().map(|value| {
        let mut body = base.clone();
        body[choice] = json!(value);
        body
    });
    chosen.collect()
}

/// Makes a call of an operation with a body, as JSON or as a form, about something that does not
/// exist.
pub fn call(server: &Server, operation: &Operation, body: &Value) -> Call {
    call_at(server, operation, &operation.sample_path(), body)
}

/// Makes the same call for a given path.
pub fn call_at(server: &Server, operation: &Operation, path: &str, body: &Value) -> Call {
    let method: Method = operation.method.parse().expect("a method");
    let call = server.call(method, path);
    match &operation.body {
        None => call,
        Some(_) if operation.body_is_form => {
            let members = body.as_object().into_iter().flatten();
            let pairs: Vec<(&str, &str)> = members
                .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
                .collect();
            call.form(&pairs)
        }
        Some(_) => call.json(body),
    }
}
