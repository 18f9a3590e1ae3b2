//! The errors in the document that the code yields: components, and the answers of each operation.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::PartialSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{
    KnownFormat, Object, ObjectBuilder, OneOfBuilder, SchemaFormat, Type,
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

/// Declares which errors an operation can answer, in the wording of its API: a ground, and what is its own.
///
/// The type stands among the `responses(…)` of the operation's `#[utoipa::path]`.
macro_rules! refuses {
    ($wording:ty; $name:ident: $ground:ident, $($problem:ident),* $(,)?) => {
        #[doc = concat!("The errors of ", stringify!($name), ".")]
        pub enum $name {}

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                use $crate::http::problem::{self, grounds};
                problem::answers::<$wording>(&[grounds::$ground, &[$(problem::Problem::$problem),*]])
            }
        }
    };
}
pub(crate) use refuses;

/// The answers of an operation: one for each status, with one schema or a `oneOf`.
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
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            for (status, answer) in &mut operation.responses.responses {
                if let RefOr::T(answer) = answer {
                    headers(status, answer);
                    names(answer, &mut named);
                }
            }
        }
    }
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert("ErrorResponse".to_owned(), W::Common::schema());
    for problem in Problem::ALL {
        if named.contains(problem.name()) {
            schemas.insert(problem.name().to_owned(), schema::<W>(*problem));
        }
    }
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

fn headers(status: &str, answer: &mut Response) {
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
}
