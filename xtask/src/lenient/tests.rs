//! Tests the twin of a small document.

use super::twin;

const STRICT: &str = r##"
openapi: "3.0.3"
paths:
  /a:
    post:
      requestBody:
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Request" }
      responses:
        "200":
          description: x
          content:
            application/json:
              schema: { $ref: "#/components/schemas/Answer" }
        "400":
          description: x
          content:
            application/json:
              schema: { $ref: "#/components/schemas/AError400" }
        "429": { $ref: "#/components/responses/Busy" }
components:
  responses:
    Busy:
      description: x
      content:
        application/json:
          schema: { $ref: "#/components/schemas/BusyErrorResponse" }
  schemas:
    Request:
      type: object
      anyOf: [{ required: [scope] }, { required: [other] }]
      properties: { scope: { type: string, enum: [read, write] }, methods: { type: array, items: { $ref: "#/components/schemas/Method" } } }
    Answer:
      type: object
      required: [status]
      properties:
        status: { type: string, enum: [done] }
        kind: { type: string, enum: [only] }
        state: { type: string, enum: [ready, "on"], description: Which. }
        method: { $ref: "#/components/schemas/Method" }
        methods: { type: array, items: { $ref: "#/components/schemas/Method" } }
        described: { allOf: [{ $ref: "#/components/schemas/Method" }], description: How. }
    Method: { type: string, enum: [email, sms] }
    Union:
      oneOf: [{ $ref: "#/components/schemas/Answer" }]
      discriminator: { propertyName: status, mapping: { done: "#/components/schemas/Answer" } }
    AError400:
      oneOf: [{ $ref: "#/components/schemas/BusyErrorResponse" }]
      discriminator: { propertyName: code, mapping: { BUSY: "#/components/schemas/BusyErrorResponse" } }
    BusyErrorResponse: { type: object, required: [code], properties: { code: { type: string, enum: [BUSY] } } }
    ErrorResponse: { type: object, required: [code], properties: { code: { type: string } } }
"##;

fn schemas() -> serde_json::Value {
    let text = twin("x", STRICT).expect("a twin");
    let twin: serde_json::Value = yaml_serde::from_str(&text).expect("YAML");
    twin["components"]["schemas"].clone()
}

#[test]
fn enums_of_answers_take_any_string_and_constants_stay() {
    let schemas = schemas();
    assert_eq!(schemas["Method"]["enum"][0], "email");
    let answer = &schemas["Answer"];
    assert_eq!(answer["additionalProperties"], true);
    let properties = &answer["properties"];
    assert_eq!(properties["status"]["enum"][0], "done");
    assert_eq!(properties["kind"]["anyOf"][0]["enum"][0], "only");
    let state = &properties["state"];
    assert_eq!(state["anyOf"][0]["enum"][1], "on");
    assert_eq!(state["anyOf"][1]["type"], "string");
    assert_eq!(state["description"], "Which.");
    for name in ["method", "described"] {
        let members = &properties[name]["anyOf"];
        assert_eq!(members[0]["$ref"], "#/components/schemas/Method");
        assert_eq!(members[1]["type"], "string");
    }
}

#[test]
fn a_list_names_its_members() {
    let items = &schemas()["Answer"]["properties"]["methods"]["items"];
    assert_eq!(items["title"], "MethodOrOther");
    assert_eq!(items["anyOf"][1]["type"], "string");
}

#[test]
fn what_is_asked_for_stays_strict() {
    let request = &schemas()["Request"];
    assert!(request["properties"]["scope"]["enum"].is_array());
    assert!(request["properties"]["methods"]["items"]["$ref"].is_string());
    assert!(request.get("anyOf").is_none(), "generators stumble over it");
    assert!(request.get("additionalProperties").is_none());
}

#[test]
fn every_error_can_be_read_by_its_status() {
    let schemas = schemas();
    for name in ["AError400", "BusyErrorResponseOrOther"] {
        let union = &schemas[name];
        assert_eq!(
            union["anyOf"][0]["$ref"],
            "#/components/schemas/BusyErrorResponse"
        );
        assert_eq!(
            union["anyOf"][1]["$ref"],
            "#/components/schemas/ErrorResponse"
        );
        assert_eq!(union["discriminator"]["propertyName"], "code");
    }
    assert_eq!(schemas["BusyErrorResponseCode"]["enum"][0], "BUSY");
    // A later error has fields of its own.
    assert_eq!(schemas["ErrorResponse"]["additionalProperties"], true);
}

#[test]
fn nothing_is_reordered_and_the_text_says_where_it_comes_from() {
    let text = twin("x", STRICT).expect("a twin");
    assert!(text.starts_with("# Made by `cargo xtask openapi` from ../x.yaml; do not edit."));
    let places: Vec<_> = [
        "openapi:",
        "paths:",
        "    Request:",
        "    Answer:",
        "    Method:",
    ]
    .iter()
    .map(|key| text.find(key).expect(key))
    .collect();
    assert!(places.is_sorted(), "{places:?}");
}
