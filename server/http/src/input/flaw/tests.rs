//! Tests what a client is told about inputs that cannot be read.

use std::borrow::Cow;

use serde::Deserialize;
use validator::Validate;

use super::super::{SecretText, present};
use super::*;

#[derive(Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Example {
    #[validate(length(min = 1, max = 9))]
    first_name: String,
    #[validate(length(min = 1, max = 9))]
    code: SecretText,
    #[serde(default, deserialize_with = "present")]
    #[validate(range(min = 1, max = 365))]
    expires_in_days: Option<i64>,
    #[serde(default)]
    #[validate(length(min = 1))]
    scopes: Option<Vec<Word>>,
    #[serde(default)]
    wanted: bool,
}

#[derive(Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    One,
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Paging {
    #[validate(range(min = 1, max = 100))]
    limit: Option<i64>,
}

const SHORT_CODES: &str = "This field must have between 1 and 9 characters.";
const HUNDRED: &str = "This number must be between 1 and 100.";

fn told<T>(read: Result<T, Refusal>) -> Vec<(String, Cow<'static, str>)> {
    match read.map(|_| ()) {
        Err(Refusal::Validation { errors }) => errors
            .into_iter()
            .map(|error| (error.field, error.message))
            .collect(),
        other => panic!("not a refused field: {other:?}"),
    }
}

fn json(text: &str) -> Vec<(String, Cow<'static, str>)> {
    told(decode::<Example>(text.as_bytes()))
}

fn one(field: &str, message: &'static str) -> Vec<(String, Cow<'static, str>)> {
    vec![(field.to_owned(), Cow::Borrowed(message))]
}

#[test]
fn what_is_no_json_object_is_told_of_the_body() {
    let deep = format!("{{\"code\": {}", "[".repeat(5_000));
    let surrogate = r#"{"firstName": "\ud800"}"#;
    for text in [
        "",
        " ",
        "null",
        r#"["a", "b"]"#,
        r#"{"firstName""#,
        "\u{feff}\u{feff}{}",
        "'",
        surrogate,
    ] {
        assert_eq!(json(text), one("body", NO_JSON), "{text}");
    }
    assert_eq!(json(&deep), one("code", NO_STRING));
    assert_eq!(
        told(decode::<Example>(b"{\"firstName\": \"\xff\"}")),
        one("body", NO_JSON)
    );
    for end in [" x", "\u{feff}"] {
        let trailing = format!(r#"{{"firstName": "a", "code": "1"}}{end}"#);
        assert_eq!(json(&trailing), one("body", NO_JSON));
    }
}

#[test]
fn fields_are_named_as_in_json_and_values_are_not_repeated() {
    assert_eq!(json("{}"), one("firstName", MISSING));
    assert_eq!(json(r#"{"firstName": "a"}"#), one("code", MISSING));
    assert_eq!(
        json(r#"{"firstName": "a", "role": "administrator"}"#),
        one("role", UNKNOWN)
    );
    assert_eq!(
        json(r#"{"firstName": "a", "firstName": "b"}"#),
        one("firstName", TWICE)
    );
    assert_eq!(json(r#"{"first_name": "a"}"#), one("first_name", UNKNOWN));
    assert_eq!(json(r#"{"firstName": 5}"#), one("firstName", NO_STRING));
    assert_eq!(json(r#"{"firstName": null}"#), one("firstName", NO_STRING));
    assert_eq!(json(r#"{"code": {"a": 1}}"#), one("code", NO_STRING));
    assert_eq!(
        json(r#"{"expiresInDays": null}"#),
        one("expiresInDays", NO_INTEGER)
    );
    assert_eq!(
        json(r#"{"expiresInDays": 1.5}"#),
        one("expiresInDays", NO_INTEGER)
    );
    assert_eq!(
        json(r#"{"expiresInDays": ", expected a string"}"#),
        one("expiresInDays", NO_INTEGER)
    );
    assert_eq!(
        json(r#"{"expiresInDays": 99999999999999999999}"#),
        one("expiresInDays", NO_INTEGER)
    );
    assert_eq!(
        json(r#"{"expiresInDays": 18446744073709551615}"#),
        one("expiresInDays", OUTSIDE)
    );
    assert_eq!(json(r#"{"wanted": "yes"}"#), one("wanted", NO_BOOLEAN));
    assert_eq!(json(r#"{"scopes": "one"}"#), one("scopes", NO_LIST));
    assert_eq!(
        json(r#"{"scopes": ["one", "two"]}"#),
        one("scopes[1]", NO_WORD)
    );
    assert_eq!(
        json(&format!("{{\"{}\": 1}}", "x".repeat(500))),
        one(&"x".repeat(64), UNKNOWN)
    );
}

#[test]
fn all_bounds_are_told_at_once() {
    let found =
        json(r#"{"firstName": "", "code": "1234567890", "expiresInDays": 0, "scopes": []}"#);
    let expected = [
        ("code", SHORT_CODES),
        ("expiresInDays", "This number must be between 1 and 365."),
        ("firstName", EMPTY),
        ("scopes", EMPTY_LIST),
    ];
    let expected: Vec<_> = expected
        .map(|(field, message)| (field.to_owned(), Cow::Borrowed(message)))
        .into();
    assert_eq!(found, expected);
    assert_eq!(
        json(r#"{"firstName": "a", "code": ""}"#),
        one("code", EMPTY)
    );
    let fits = decode::<Example>(br#"{"firstName": "123456789", "code": "1", "wanted": true}"#);
    assert!(fits.is_ok_and(|example| example.wanted));
    let marked = decode::<Example>("\u{feff}{\"firstName\": \"a\", \"code\": \"1\"}".as_bytes());
    assert!(marked.is_ok(), "a byte-order mark");
}

#[test]
fn queries_are_read_as_strictly() {
    let query = |text| told(decode_query::<Paging>(text));
    assert_eq!(query("limit=x"), one("limit", NO_INTEGER));
    assert_eq!(query("limit="), one("limit", NO_INTEGER));
    assert_eq!(query("limit=1.5"), one("limit", NO_INTEGER));
    assert_eq!(query("limit=0"), one("limit", HUNDRED));
    assert_eq!(query("limit=-1"), one("limit", HUNDRED));
    assert_eq!(query("limit=99999999999999999999"), one("limit", OUTSIDE));
    assert_eq!(query("limit=1&limit=2"), one("limit", TWICE));
    assert_eq!(query("page=1"), one("page", UNKNOWN));
    assert!(decode_query::<Paging>("").is_ok_and(|paging| paging.limit.is_none()));
    assert!(decode_query::<Paging>("limit=100").is_ok_and(|paging| paging.limit == Some(100)));
}

#[test]
fn forms_are_read_in_any_case() {
    #[derive(Deserialize, Validate)]
    struct Grant {
        grant_type: String,
        #[validate(length(max = 3))]
        mfa_code: Option<String>,
    }
    let form = |text: &str| decode_form::<Grant>(text.as_bytes());
    let read = form("\u{feff}Grant_Type=a%20b+c&MFA_CODE=&unknown=1").expect("a form");
    assert_eq!((read.grant_type.as_str(), read.mfa_code), ("a b c", None));
    assert_eq!(told(form("mfa_code=1")), one("grant_type", MISSING));
    assert_eq!(told(form("")), one("grant_type", MISSING));
    assert_eq!(
        told(form("grant_type=a&GRANT_TYPE=b")),
        one("grant_type", TWICE)
    );
    assert_eq!(
        told(form("grant_type=a&mfa_code=1234")),
        one("mfa_code", "This field must have at most 3 characters.")
    );
}

#[test]
fn names_have_their_own_sentences() {
    assert!(name("Alice").is_ok() && name("").is_ok());
    for (text, sentence) in [
        ("Al\r\nice", CONTROL),
        ("\u{202e}ecilA", CONTROL),
        ("Al\u{200b}ice", CONTROL),
        (" ", BLANK),
        ("\u{3164}", BLANK),
    ] {
        let told = name(text).expect_err(text).message;
        assert_eq!(told.as_deref(), Some(sentence), "{text:?}");
    }
}
