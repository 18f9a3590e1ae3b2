//! Describes errors in the document made from the code: their components, and the error answers of
//! each operation.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{
    Discriminator, KnownFormat, Object, ObjectBuilder, OneOf, OneOfBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::flaws::FieldFlaw;
use super::{FlawList, FlawMap, Problem, Wording};
use crate::model::refusal::extra::Shape;

/// Errors that all operations of a kind can answer, for `refuses!`.
pub mod grounds {
    use super::Problem;

    /// For operations with a body that use the database.
    pub const WITH_BODY: &[Problem] = &[
        Problem::RequestTimeout,
        Problem::PayloadTooLarge,
        Problem::UnsupportedMediaType,
        Problem::Internal,
        Problem::Busy,
    ];

    /// For operations without a body that use the database.
    pub const WITHOUT_BODY: &[Problem] = &[Problem::Internal, Problem::Busy];

    /// For operations with a body that do not use the database.
    pub const WITH_BODY_ALONE: &[Problem] = &[
        Problem::RequestTimeout,
        Problem::PayloadTooLarge,
        Problem::UnsupportedMediaType,
        Problem::Internal,
    ];

    /// For operations that depend on nothing.
    pub const ALONE: &[Problem] = &[Problem::Internal];
}

/// What every API answers if none of its operations matches.
const NOWHERE: &[Problem] = &[Problem::NotFound, Problem::MethodNotAllowed];

/// Unions that many operations share have names of their own. Every other union is named after its
/// operation and status. A client wants one type for one meaning.
const SHARED: &[(&str, &[Problem])] = &[
    (
        "UnauthorizedError",
        &[Problem::TokenInvalid, Problem::TokenExpired],
    ),
    (
        "UnauthorizedOrStaleError",
        &[
            Problem::TokenInvalid,
            Problem::TokenExpired,
            Problem::InsufficientUserAuthentication,
        ],
    ),
    (
        "UnauthorizedOrKeyError",
        &[
            Problem::TokenInvalid,
            Problem::TokenExpired,
            Problem::ApiKeyInvalid,
        ],
    ),
    (
        "ForbiddenOrScopeError",
        &[Problem::Forbidden, Problem::InsufficientScope],
    ),
    (
        "MethodLockedOrTooNewError",
        &[Problem::MfaMethodLocked, Problem::MfaMethodTooNew],
    ),
    (
        "LockedOrEnforcedError",
        &[Problem::MfaMethodLocked, Problem::MfaEnforced],
    ),
];

/// Describes the errors of an API in its document.
pub trait DescribesErrors: Wording<Common: ToSchema, Flaws: PartialSchema> {
    /// Changes the schema of an error that has more fields than its extras.
    fn amend(_problem: Problem, _schema: &mut Object) {}
}

impl PartialSchema for FlawList {
    fn schema() -> RefOr<Schema> {
        Vec::<FieldFlaw>::schema()
    }
}

impl PartialSchema for FlawMap {
    fn schema() -> RefOr<Schema> {
        BTreeMap::<String, Vec<String>>::schema()
    }
}

/// Returns the error answers of an operation, one for each status. Each has one schema, or a
/// `oneOf` that [`describe`] names.
pub fn answers<W: Wording>(problems: &[&[Problem]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for problem in problems.iter().copied().flatten() {
        let status = W::status(*problem).as_str().to_owned();
        by_status.entry(status).or_default().push(*problem);
    }
    by_status
        .into_iter()
        .map(|(status, problems)| {
            let content = Content::new(Some(one_of(&problems)));
            let answer = ResponseBuilder::new().content(W::MEDIA, content);
            (status, answer.build().into())
        })
        .collect()
}

fn one_of(problems: &[Problem]) -> RefOr<Schema> {
    let reference = |problem: &Problem| RefOr::Ref(Ref::from_schema_name(problem.schema_name()));
    match problems {
        [only] => reference(only),
        several => {
            let members = several.iter().map(reference);
            let schema = members.fold(OneOfBuilder::new(), |all, one| all.item(one));
            RefOr::T(Schema::OneOf(schema.build()))
        }
    }
}

/// Registers the schemas of the errors that operations name. Adds the headers that the outer
/// middleware and `Rejection::answer` set on every answer of a status.
pub fn describe<W: DescribesErrors>(document: &mut OpenApi) {
    let mut named: BTreeSet<String> = NOWHERE
        .iter()
        .map(|problem| problem.schema_name())
        .collect();
    let mut unions = Vec::new();
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let id = operation.operation_id.as_deref().unwrap_or_default();
            let limited = operation.responses.responses.values().any(is_limited);
            for (status, answer) in &mut operation.responses.responses {
                if let RefOr::T(answer) = answer {
                    headers(status, answer, limited);
                    names(answer, &mut named);
                    unions.extend(name_union(id, status, answer));
                }
            }
        }
    }
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.extend(unions);
    schemas.insert("ErrorResponse".to_owned(), W::Common::schema());
    for problem in Problem::codes() {
        if named.contains(&problem.schema_name()) {
            schemas.insert(problem.schema_name(), schema::<W>(problem));
        }
    }
}

/// Replaces the union of an answer with several errors by a reference. Returns the union's name and
/// schema.
fn name_union(id: &str, status: &str, answer: &mut Response) -> Option<(String, RefOr<Schema>)> {
    let (_, RefOr::T(content)) = answer.content.iter_mut().next()? else {
        return None;
    };
    let Some(RefOr::T(Schema::OneOf(union))) = &content.schema else {
        return None;
    };
    let problems: BTreeSet<Problem> = union
        .items
        .iter()
        .filter_map(|item| match item {
            RefOr::Ref(target) => Problem::codes().find(|one| leads_to(target, *one)),
            RefOr::T(_) => None,
        })
        .collect();
    let shared = SHARED
        .iter()
        .find(|(_, members)| members.iter().copied().collect::<BTreeSet<_>>() == problems);
    let name = shared.map_or_else(|| union_name(id, status), |(name, _)| (*name).to_owned());
    let reference = RefOr::Ref(Ref::from_schema_name(&name));
    let schema = told_apart(union.clone(), &problems);
    content.schema = Some(reference);
    Some((name, schema))
}

/// `verifyMfaLogin` at 400 → `VerifyMfaLoginError400`.
fn union_name(id: &str, status: &str) -> String {
    let mut letters = id.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    format!("{name}Error{status}")
}

fn leads_to(target: &Ref, problem: Problem) -> bool {
    target.ref_location == Ref::from_schema_name(problem.schema_name()).ref_location
}

/// Makes `code` the discriminator of a union.
fn told_apart(mut union: OneOf, problems: &BTreeSet<Problem>) -> RefOr<Schema> {
    let mapping = problems.iter().map(|problem| {
        let target = Ref::from_schema_name(problem.schema_name()).ref_location;
        (problem.code(), target)
    });
    union.discriminator = Some(Discriminator::with_mapping("code", mapping));
    Schema::OneOf(union).into()
}

/// Collects the names of the components in an answer's bodies.
fn names(answer: &Response, into: &mut BTreeSet<String>) {
    for content in answer.content.values() {
        let RefOr::T(content) = content else { continue };
        let members = match &content.schema {
            Some(RefOr::T(Schema::OneOf(one_of))) => &one_of.items[..],
            other => other.as_slice(),
        };
        for member in members {
            if let RefOr::Ref(target) = member {
                into.extend(target.ref_location.rsplit('/').next().map(str::to_owned));
            }
        }
    }
}

/// Builds the schema of an error: the common fields with its code, and its extras.
fn schema<W: DescribesErrors>(problem: Problem) -> RefOr<Schema> {
    let mut schema = object(W::Common::schema());
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([problem.code()]));
    schema
        .properties
        .insert("code".to_owned(), Schema::Object(code.build()).into());
    for field in problem.same().flat_map(Problem::fields) {
        let name = field.wire_name();
        if problem
            .same()
            .all(|row| row.fields().any(|one| one == field))
        {
            schema.required.push(name.clone());
        }
        schema.properties.insert(name, shape(field.shape));
    }
    schema.required.sort();
    schema.required.dedup();
    if problem == Problem::Validation {
        schema
            .properties
            .insert("errors".to_owned(), W::Flaws::schema());
        schema.required.push("errors".to_owned());
    }
    W::amend(problem, &mut schema);
    Schema::Object(schema).into()
}

fn shape(shape: Shape) -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let schema = match shape {
        Shape::Count => return u32::schema(),
        Shape::Number => return i32::schema(),
        Shape::Text | Shape::Hidden => text(),
        Shape::Word(words) => text().enum_values(Some(words.iter().copied())),
        Shape::Texts(names) => names.iter().fold(ObjectBuilder::new(), |object, name| {
            object.property(*name, text()).required(*name)
        }),
    };
    Schema::Object(schema.build()).into()
}

fn object(schema: RefOr<Schema>) -> Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        // The drift check notices this at once: the schema has no fields.
        _no_object => Object::default(),
    }
}

/// Tells whether an operation counts its calls and refuses when there are too many.
fn is_limited(answer: &RefOr<Response>) -> bool {
    let RefOr::T(answer) = answer else {
        return false;
    };
    let mut named = BTreeSet::new();
    names(answer, &mut named);
    [Problem::TooManyRequests, Problem::TooManyMfaEmails]
        .iter()
        .any(|problem| named.contains(&problem.schema_name()))
}

fn headers(status: &str, answer: &mut Response, limited: bool) {
    let text = |format| {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        schema.format(format).build()
    };
    let mut add = |name: &str, schema: Object| {
        let header = HeaderBuilder::new().schema(Some(schema)).build();
        answer.headers.insert(name.to_owned(), header.into());
    };
    add(
        "X-Request-Id",
        text(Some(SchemaFormat::Custom("uuid".to_owned()))),
    );
    match status {
        "401" => add("WWW-Authenticate", text(None)),
        "429" | "503" => {
            let seconds = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
                .minimum(Some(0));
            add("Retry-After", seconds.build());
        }
        _other => {}
    }
    if limited && (status.starts_with('2') || status == "429") {
        add("RateLimit", text(None));
        add("RateLimit-Policy", text(None));
    }
}
