//! Reads the operations of a document into the form that the SDK's code needs.

use anyhow::{Context, Result, bail};
use heck::{ToPascalCase, ToSnakeCase};
use serde_json::Value;

use super::lists::ONE_TIME;
use crate::openapi::{self, SCHEMAS, entries, error_schemas, flat, is_error, resolve};

/// The operation that ends the caller's session, in each document that has one.
const LOGOUT: &str = "logout";

/// One operation.
pub struct Operation {
    /// The name in the document: `verifyMfaLogin`.
    pub id: String,
    /// `POST`.
    pub method: String,
    /// `/identity/mfa/login/verify`.
    pub path: String,
    /// The document's summary, in one line.
    pub summary: String,
    /// The document's description.
    pub description: String,
    /// The parameters in the path, in order.
    pub path_parameters: Vec<Parameter>,
    /// The query parameters, all of which are optional.
    pub query: Vec<Parameter>,
    /// The request's body.
    pub body: Option<Body>,
    /// The status of the success.
    pub success: u16,
    /// The schema of the success, if it has a body.
    pub answer: Option<String>,
    /// The reasons for refusals.
    pub errors: Vec<Refusal>,
    /// How the list is paged, if it is.
    pub page: Option<Page>,
    /// The credentials that it accepts, in the document's order: variants of the SDK's
    /// `Credential`.
    pub opened_by: Vec<&'static str>,
    /// Whether its request contains something that works once.
    pub one_time: bool,
    /// Whether it ends the caller's session.
    pub ends_session: bool,
}

/// A parameter in the path or the query.
pub struct Parameter {
    /// The name in the document.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its type in Rust; `None` for text.
    pub number: Option<&'static str>,
}

/// The body of a request.
pub struct Body {
    /// The schema.
    pub schema: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it is a form instead of JSON.
    pub form: bool,
}

/// One reason for an error.
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The code: `INVALID_MFA_CODE`.
    pub code: String,
    /// The schema.
    pub schema: String,
    /// The description.
    pub description: String,
}

/// How a list is paged.
pub struct Page {
    /// The query parameter with the number of entries to skip.
    pub offset: String,
    /// The property with the entries.
    pub entries: String,
    /// The property with their number over all pages.
    pub total: String,
    /// The schema of an entry.
    pub item: String,
}

impl Operation {
    /// Returns the name in Rust: `verify_mfa_login`.
    pub fn rust_name(&self) -> String {
        self.id.to_snake_case()
    }

    /// Returns the name of its type: `VerifyMfaLogin`.
    pub fn type_name(&self) -> String {
        self.id.to_pascal_case()
    }

    /// Returns the name of its error: `VerifyMfaLoginError`.
    pub fn error_name(&self) -> String {
        format!("{}Error", self.type_name())
    }
}

/// Returns all operations of a document, by name.
///
/// # Errors
///
/// Fails if one has something that the SDK has no code for.
pub fn collect(owner: &str, document: &Value) -> Result<Vec<Operation>> {
    let mut found = Vec::new();
    for operation in openapi::operations(document) {
        let one = one(owner, document, &operation).with_context(|| operation.name.clone())?;
        found.push(one);
    }
    found.sort_by_key(Operation::rust_name);
    Ok(found)
}

fn one(owner: &str, document: &Value, operation: &openapi::Operation<'_>) -> Result<Operation> {
    let object = operation.object;
    let id = object["operationId"].as_str().context("no operationId")?;
    let parameters: Vec<&Value> = [&operation.item["parameters"], &object["parameters"]]
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .map(|parameter| resolve(document, parameter))
        .collect();
    let (success, answer) = success(document, object)?;
    let query = query(&parameters)?;
    Ok(Operation {
        id: id.to_owned(),
        method: operation.method.to_uppercase(),
        path: operation.path.to_owned(),
        summary: text(&object["summary"]),
        description: text(&object["description"]),
        path_parameters: in_path(operation.path, &parameters)?,
        page: page(document, &query, answer.as_deref()),
        query,
        body: body(document, object)?,
        success,
        answer,
        errors: errors(document, object)?,
        opened_by: opened_by(document, object)?,
        one_time: one_time(owner, document, object),
        ends_session: id == LOGOUT,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

fn in_path(path: &str, parameters: &[&Value]) -> Result<Vec<Parameter>> {
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    names
        .map(|name| {
            let declared = parameters
                .iter()
                .find(|one| one["in"] == "path" && one["name"] == name);
            parameter(declared.with_context(|| format!("{{{name}}} is not described"))?)
        })
        .collect()
}

fn query(parameters: &[&Value]) -> Result<Vec<Parameter>> {
    let mut found = Vec::new();
    for one in parameters {
        match one["in"].as_str() {
            Some("path") => {}
            Some("query") if one["required"] != true => found.push(parameter(one)?),
            _other => bail!("the SDK has no code for the parameter {}", one["name"]),
        }
    }
    Ok(found)
}

fn parameter(parameter: &Value) -> Result<Parameter> {
    let schema = &parameter["schema"];
    let unsigned = schema["minimum"].as_i64().is_some_and(|least| least >= 0);
    let number = match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), _) => None,
        (Some("integer"), Some("int32")) => Some(if unsigned { "u32" } else { "i32" }),
        (Some("integer"), _) => Some(if unsigned { "u64" } else { "i64" }),
        _other => bail!("the SDK has no code for values like {}", parameter["name"]),
    };
    Ok(Parameter {
        name: text(&parameter["name"]),
        description: text(&parameter["description"]),
        number,
    })
}

fn body(document: &Value, object: &Value) -> Result<Option<Body>> {
    let body = resolve(document, &object["requestBody"]);
    let Some((media, content)) = entries(&body["content"]).next() else {
        return Ok(None);
    };
    Ok(Some(Body {
        schema: schema_name(&content["schema"])?,
        optional: body["required"] != true,
        form: media == "application/x-www-form-urlencoded",
    }))
}

fn success(document: &Value, object: &Value) -> Result<(u16, Option<String>)> {
    let wanted: Vec<_> = entries(&object["responses"])
        .filter(|(status, _)| !is_error(status))
        .collect();
    let [(status, answer)] = wanted.as_slice() else {
        bail!("{} answers that are no errors", wanted.len())
    };
    let media = &resolve(document, answer)["content"]["application/json"];
    let schema = match media.get("schema") {
        Some(schema) => Some(schema_name(schema)?),
        None => None,
    };
    Ok((status.parse()?, schema))
}

fn schema_name(schema: &Value) -> Result<String> {
    let target = schema["$ref"].as_str().context("a nameless schema")?;
    Ok(target.trim_start_matches(SCHEMAS).to_owned())
}

/// Returns the reasons with a code of their own. The first status of a code counts.
fn errors(document: &Value, object: &Value) -> Result<Vec<Refusal>> {
    let mut found: Vec<Refusal> = Vec::new();
    for (status, answer) in entries(&object["responses"]).filter(|(status, _)| is_error(status)) {
        for reference in error_schemas(document, resolve(document, answer)) {
            let schema = schema_name(&reference)?;
            let object = resolve(document, &reference);
            let Some([code]) = object["properties"]["code"]["enum"]
                .as_array()
                .map(Vec::as_slice)
            else {
                continue;
            };
            let code = text(code);
            match found.iter().find(|known| known.code == code) {
                Some(known) if known.schema != schema => {
                    bail!("{code} has two schemas, {} and {schema}", known.schema)
                }
                Some(_) => {}
                None => found.push(Refusal {
                    status: status.parse()?,
                    code,
                    schema,
                    description: text(&object["description"]),
                }),
            }
        }
    }
    Ok(found)
}

/// Recognises a paged list: it has an offset, one list, and `totalCount`.
fn page(document: &Value, query: &[Parameter], answer: Option<&str>) -> Option<Page> {
    let offset = query
        .iter()
        .find(|one| one.name.eq_ignore_ascii_case("offset"))?;
    let answer = &document["components"]["schemas"][answer?];
    let (properties, _) = flat(document, answer);
    let (total, _) = properties.iter().find(|(name, _)| name == "totalCount")?;
    let mut lists = properties
        .iter()
        .filter(|(_, property)| property["type"] == "array");
    let (Some((entries, list)), None) = (lists.next(), lists.next()) else {
        return None;
    };
    Some(Page {
        offset: offset.name.clone(),
        entries: entries.clone(),
        total: total.clone(),
        item: schema_name(&list["items"]).ok()?,
    })
}

/// Returns `Bearer`, `ApiKey` or `Nothing` for each alternative that the operation names.
fn opened_by(document: &Value, operation: &Value) -> Result<Vec<&'static str>> {
    let requirements = operation["security"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if requirements.is_empty() {
        return Ok(vec!["Nothing"]);
    }
    let mut found = Vec::new();
    for requirement in requirements {
        let schemes: Vec<&Value> = entries(requirement)
            .map(|(scheme, _)| &document["components"]["securitySchemes"][scheme])
            .collect();
        found.push(match schemes.as_slice() {
            [] => "Nothing",
            [scheme] if scheme["type"] == "http" && scheme["scheme"] == "bearer" => "Bearer",
            [scheme] if scheme["type"] == "apiKey" => "ApiKey",
            _others => bail!("the SDK has no code for {requirement}"),
        });
    }
    Ok(found)
}

fn one_time(owner: &str, document: &Value, operation: &Value) -> bool {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let name = format!("{owner} {id}");
    entries(&resolve(document, &operation["requestBody"])["content"])
        .flat_map(|(_, media)| flat(document, &media["schema"]).0)
        .any(|(field, _)| {
            let works_once = |(place, one): &&(&str, &str)| {
                ["", owner, name.as_str()].contains(place) && *one == field
            };
            ONE_TIME.iter().find(works_once).is_some()
        })
}

/// Removes error answers: progenitor has no code for them that the SDK could use.
pub fn forget_errors(document: &mut Value) {
    let folded = document.clone();
    for operation in openapi::operations(&folded) {
        let answers = &mut document["paths"][operation.path][operation.method]["responses"];
        if let Some(answers) = answers.as_object_mut() {
            answers.retain(|status, _| !is_error(status));
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|_, schema| schema["discriminator"]["propertyName"] != "code");
    }
}
