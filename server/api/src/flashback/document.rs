//! The document that is made from the code of this API, for `cargo xtask drift`.

use utoipa::openapi::OpenApi;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};

use super::error::{Flashback, INVALID_PASSWORD};
use super::routes;
use crate::http::operations::{bearer, described};
use crate::http::problem::{DescribesErrors, Problem, describe};

impl DescribesErrors for Flashback {
    fn amend(problem: Problem, schema: &mut Object) {
        if problem != Problem::InvalidCredentials {
            return;
        }
        let word = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some([INVALID_PASSWORD]))
            .build();
        let name = "error_code".to_owned();
        schema
            .properties
            .insert(name.clone(), Schema::Object(word).into());
        schema.required.push(name);
    }
}

/// Builds the document from the mounted handlers, in an application of its own.
pub(super) fn document() -> OpenApi {
    let mut document = described(|config| routes(config));
    describe::<Flashback>(&mut document);
    let components = document.components.get_or_insert_default();
    for (name, format) in [("bearerAuth", "JWT"), ("pendingAuth", "Reference")] {
        components.add_security_scheme(name, bearer(format));
    }
    document
}
