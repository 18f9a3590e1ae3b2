//! Finds keywords by which one shape allows what another does not accept.

use serde_json::Value;

use super::shape::Shape;

/// Upper bounds.
const MOST: [&str; 4] = ["maxLength", "maximum", "maxItems", "maxProperties"];

/// Lower bounds.
const LEAST: [&str; 4] = ["minLength", "minimum", "minItems", "minProperties"];

/// Keywords that narrow a schema when they are true.
const FLAGS: [&str; 3] = ["exclusiveMinimum", "exclusiveMaximum", "uniqueItems"];

/// Keywords whose values cannot be compared: each change counts.
const RULES: [&str; 3] = ["pattern", "multipleOf", "not"];

/// Pairs of formats in which the second accepts all values of the first.
const WIDER_FORMATS: [(&str, &str); 2] = [("int32", "int64"), ("float", "double")];

/// Returns the keywords by which the taker does not accept all that the giver allows. Enums are not
/// compared here.
pub fn unfit(giver: &Shape, taker: &Shape) -> Vec<&'static str> {
    if !kind_fits(giver.kind(), taker.kind()) {
        return vec!["type"];
    }
    let mut found = Vec::new();
    if is_true(giver, "nullable") && !is_true(taker, "nullable") {
        found.push("nullable");
    }
    if giver.get("enum").is_some() {
        return found; // Its few values are judged one by one, and bounds beside an enum say nothing.
    }
    if !format_fits(text(giver, "format"), text(taker, "format")) {
        found.push("format");
    }
    found.extend(MOST.iter().filter(|key| {
        let given = number(giver, key).unwrap_or(f64::INFINITY);
        number(taker, key).is_some_and(|bound| bound < given)
    }));
    found.extend(LEAST.iter().filter(|key| {
        let lowest = if **key == "minimum" {
            f64::NEG_INFINITY
        } else {
            0.0
        };
        let given = number(giver, key).unwrap_or(lowest);
        number(taker, key).is_some_and(|bound| bound > given)
    }));
    found.extend(
        FLAGS
            .iter()
            .filter(|key| is_true(taker, key) && !is_true(giver, key)),
    );
    found.extend(
        RULES
            .iter()
            .filter(|key| taker.get(key).is_some() && taker.get(key) != giver.get(key)),
    );
    found
}

fn kind_fits(giver: Option<&str>, taker: Option<&str>) -> bool {
    taker.is_none() || giver == taker || (giver, taker) == (Some("integer"), Some("number"))
}

fn format_fits(giver: Option<&str>, taker: Option<&str>) -> bool {
    taker.is_none()
        || giver == taker
        || WIDER_FORMATS
            .iter()
            .any(|(narrow, wide)| (giver, taker) == (Some(narrow), Some(wide)))
}

fn text<'a>(shape: &Shape<'a>, key: &str) -> Option<&'a str> {
    shape.get(key).and_then(Value::as_str)
}

fn number(shape: &Shape, key: &str) -> Option<f64> {
    shape.get(key).and_then(Value::as_f64)
}

fn is_true(shape: &Shape, key: &str) -> bool {
    shape.get(key).and_then(Value::as_bool) == Some(true)
}
