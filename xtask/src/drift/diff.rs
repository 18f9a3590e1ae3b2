//! Compares two canonical documents and describes each difference in a sentence that names the
//! place.

use std::collections::BTreeSet;

use serde_json::Value;

/// A place where the two documents differ.
#[derive(Debug, PartialEq)]
struct Difference {
    /// Keys from the canonical document's root to the place.
    place: Vec<String>,
    /// The spec's value; `None` if it has none.
    spec: Option<Value>,
    /// The code's value; `None` if it has none.
    code: Option<Value>,
    /// Whether the values are members of an unordered list at the place.
    member: bool,
}

/// Returns all differences as sentences without the document's name.
pub fn sentences(spec: &Value, code: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), spec, code, &mut found);
    found.iter().map(sentence).collect()
}

fn compare(place: &mut Vec<String>, spec: &Value, code: &Value, found: &mut Vec<Difference>) {
    match (spec, code) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                place.push(key.clone());
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => compare(place, left, right, found),
                    (left, right) => found.push(Difference {
                        place: place.clone(),
                        spec: left.cloned(),
                        code: right.cloned(),
                        member: false,
                    }),
                }
                place.pop();
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for (only_spec, only_code) in unpaired(left, right) {
                found.push(Difference {
                    place: place.clone(),
                    spec: only_spec,
                    code: only_code,
                    member: true,
                });
            }
        }
        (left, right) if left != right => found.push(Difference {
            place: place.clone(),
            spec: Some(left.clone()),
            code: Some(right.clone()),
            member: false,
        }),
        _equal => {}
    }
}

/// Returns the members that only one of two lists has, with their side. A repeated value counts
/// each time.
fn unpaired(left: &[Value], right: &[Value]) -> Vec<(Option<Value>, Option<Value>)> {
    let mut rest: Vec<&Value> = right.iter().collect();
    let mut result = Vec::new();
    for value in left {
        match rest.iter().position(|other| *other == value) {
            Some(index) => {
                rest.remove(index);
            }
            None => result.push((Some(value.clone()), None)),
        }
    }
    result.extend(rest.into_iter().map(|value| (None, Some(value.clone()))));
    result
}

fn sentence(difference: &Difference) -> String {
    let place = words(&difference.place);
    match (&difference.spec, &difference.code) {
        (Some(spec), Some(code)) => {
            format!(
                "{place} is {} in the spec, {} in code",
                brief(spec),
                brief(code)
            )
        }
        (Some(value), None) => one_sided(difference, &place, value, "in the spec, not in code"),
        (None, Some(value)) => one_sided(difference, &place, value, "in code, not in the spec"),
        (None, None) => format!("{place} differs"),
    }
}

fn one_sided(difference: &Difference, place: &str, value: &Value, side: &str) -> String {
    if difference.member {
        return format!("{place} has {} {side}", brief(value));
    }
    if let [root, operation, kind, status] = difference.place.as_slice()
        && root == "operations"
        && kind == "answers"
    {
        return format!("{operation} answers {status} {side}");
    }
    if value.is_object() {
        format!("{place} is {side}")
    } else {
        format!("{place} ({}) is {side}", brief(value))
    }
}

/// Formats `operations / POST /x / answers / 200 / headers / retry-after` as
/// `POST /x, answer 200, header retry-after`.
fn words(place: &[String]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut keys = place.iter().peekable();
    while let Some(key) = keys.next() {
        let noun = match key.as_str() {
            "operations" | "content" => "",
            "schemas" => "schema ",
            "securitySchemes" => "security scheme ",
            "answers" => "answer ",
            "headers" => "header ",
            "parameters" => "parameter ",
            "properties" => "property ",
            plain => {
                words.push(plain.to_owned());
                continue;
            }
        };
        if let Some(name) = keys.next() {
            words.push(format!("{noun}{name}"));
        } else {
            words.push(key.clone());
        }
    }
    words.join(", ")
}

/// Formats a value for a sentence: a schema by its name, anything else as JSON, cut if long.
fn brief(value: &Value) -> String {
    if let Some(map) = value.as_object()
        && map.len() == 1
        && let Some(Value::String(name)) = map.get("$ref")
    {
        return name.clone();
    }
    let text = value.to_string();
    if text.chars().count() <= 120 {
        return text;
    }
    let cut: String = text.chars().take(117).collect();
    format!("{cut}...")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sentences;

    #[test]
    fn each_kind_of_difference_is_one_sentence_with_its_place() {
        let spec = json!({ "operations": { "POST /a": { "answers": { "200": {}, "400": {
            "content": { "application/json": { "oneOf": [{ "$ref": "A" }, { "$ref": "B" }] } } } } } },
            "schemas": { "A": { "required": ["x"], "properties": { "x": { "maxLength": 3 } } } } });
        let code = json!({ "operations": { "POST /a": { "answers": { "400": {
            "content": { "application/json": { "oneOf": [{ "$ref": "A" }, { "$ref": "C" }] } } }, "429": {} } } },
            "schemas": { "A": { "required": [], "properties": { "x": { "maxLength": 4 } } } } });
        assert_eq!(
            sentences(&spec, &code),
            [
                "POST /a answers 200 in the spec, not in code",
                "POST /a, answer 400, application/json, oneOf has B in the spec, not in code",
                "POST /a, answer 400, application/json, oneOf has C in code, not in the spec",
                "POST /a answers 429 in code, not in the spec",
                "schema A, property x, maxLength is 3 in the spec, 4 in code",
                "schema A, required has \"x\" in the spec, not in code",
            ]
        );
    }
}
