//! The errors in the document that the code yields: components, and the answers of each operation.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::PartialSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{
    Discriminator, KnownFormat, Object, ObjectBuilder, OneOf, OneOfBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::{Problem, Wording};

/// What operations of a kind can all answer, for `refuses!`.
pub mod grounds {
    use super::Problem;

    /// What every operation with a body and the database can answer.
    pub const WITH_BODY: &[Problem] = &[
        Problem::RequestTimeout,
        Problem::PayloadTooLarge,
        Problem::UnsupportedMediaType,
        Problem::Internal,
        Problem::ServiceUnavailable,
    ];

    /// What every operation with the database and no body can answer.
    pub const WITHOUT_BODY: &[Problem] = &[Problem::Internal, Problem::ServiceUnavailable];

    /// What an operation can answer that needs nothing.
    pub const ALONE: &[Problem] = &[Problem::Internal];
}

/// What every API answers where none of its operations fits.
const NOWHERE: &[Problem] = &[Problem::NotFound, Problem::MethodNotAllowed];

/// The unions that stand at many operations have names of their own; every other one is named by its
/// operation and status. A client that reads them wants one type for one meaning.
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

/// Declares which errors an operation can answer, in the wording of its API: a ground, and what is its own.
///
/// The type stands among the `responses(…)` of the operation's `#[utoipa::path]`.
#[macro_export]
macro_rules! refuses {
    ($wording:ty; $name:ident: $ground:ident, $($problem:ident),* $(,)?) => {
        #[doc = concat!("The errors of ", stringify!($name), ".")]
        pub enum $name {}

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                use $crate::problem::{self, grounds};
                problem::answers::<$wording>(&[grounds::$ground, &[$(problem::Problem::$problem),*]])
            }
        }
    };
}

/// The answers of an operation: one for each status, with one schema or a `oneOf`, which [`describe`] names.
pub fn answers<W: Wording>(problems: &[&[Problem]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for problem in problems.iter().copied().flatten() {
        let status = W::status(&problem.sample()).as_str().to_owned();
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
    let reference = |problem: &Problem| RefOr::Ref(Ref::from_schema_name(problem.name()));
    match problems {
        [only] => reference(only),
        several => {
            let members = several.iter().map(reference);
            let schema = members.fold(OneOfBuilder::new(), |all, one| all.item(one));
            RefOr::T(Schema::OneOf(schema.build()))
        }
    }
}

/// Registers the schemas of the errors that operations name, and the headers that the outer
/// middleware and `Rejected::answer` give to every answer of a status.
pub fn describe<W: Wording>(document: &mut OpenApi) {
    let mut named: BTreeSet<String> = NOWHERE
        .iter()
        .map(|problem| problem.name().to_owned())
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
    for problem in Problem::ALL {
        if named.contains(problem.name()) {
            schemas.insert(problem.name().to_owned(), schema::<W>(*problem));
        }
    }
}

/// Puts a reference where an answer has several errors; the name and the union that it leads to.
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
            RefOr::Ref(target) => Problem::ALL.iter().find(|one| leads_to(target, **one)),
            RefOr::T(_) => None,
        })
        .copied()
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
    target.ref_location == Ref::from_schema_name(problem.name()).ref_location
}

/// The union with `code` as what tells its members apart.
fn told_apart(mut union: OneOf, problems: &BTreeSet<Problem>) -> RefOr<Schema> {
    let mapping = problems.iter().map(|problem| {
        let target = Ref::from_schema_name(problem.name()).ref_location;
        (problem.sample().code(), target)
    });
    union.discriminator = Some(Discriminator::with_mapping("code", mapping));
    Schema::OneOf(union).into()
}

/// The components that the bodies of an answer are.
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

/// The common fields with this error's code, and its extras.
fn schema<W: Wording>(problem: Problem) -> RefOr<Schema> {
    let mut schema = object(W::Common::schema());
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([problem.sample().code()]));
    schema
        .properties
        .insert("code".to_owned(), Schema::Object(code.build()).into());
    let extras = object(problem.extras());
    schema.properties.extend(extras.properties);
    schema.required.extend(extras.required);
    if problem == Problem::Validation {
        schema
            .properties
            .insert("errors".to_owned(), W::Flaws::schema());
        schema.required.push("errors".to_owned());
    }
    W::amend(problem, &mut schema);
    Schema::Object(schema).into()
}

fn object(schema: RefOr<Schema>) -> Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        // Seen by the drift check at once: the schema has no fields.
        _no_object => Object::default(),
    }
}

/// Whether an operation counts its calls, and refuses when there were too many.
fn is_limited(answer: &RefOr<Response>) -> bool {
    let RefOr::T(answer) = answer else {
        return false;
    };
    let mut named = BTreeSet::new();
    names(answer, &mut named);
    [Problem::TooManyRequests, Problem::TooManyMfaEmails]
        .iter()
        .any(|problem| named.contains(problem.name()))
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
