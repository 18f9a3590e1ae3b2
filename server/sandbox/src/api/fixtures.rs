//! Fixtures: what the example of an operation needs to succeed.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::about::SandboxPerson;
use super::error::refuses;
use super::errors::{DocumentName, operation};
use super::{Answer, Box, Error, Query};
use crate::http::input::Path;

refuses!(MakeFixture: WITHOUT_BODY, Validation, ForeignPage);

/// Makes what the example of an operation needs to succeed.
#[utoipa::path(operation_id = "makeFixture", tag = "Fixtures",
    params(("operationId" = String, Path, max_length = 80, pattern = "^[A-Za-z][A-Za-z0-9]*$"), FixtureChoice),
    responses((status = 200, body = MakeFixtureAnswer), MakeFixture))]
#[post("/sandbox/fixtures/{operationId}")]
pub async fn make_fixture(
    sandbox: Box,
    id: Path<String, Error>,
    choice: Query<FixtureChoice>,
) -> Answer<MakeFixtureAnswer> {
    let api = choice.into_inner().api.map(DocumentName::as_str);
    let operation = operation(&sandbox, api, &id.into_inner(), "operationId")?;
    let fixture = sandbox.fixture(operation).await?;
    Ok(Json(MakeFixtureAnswer {
        api: DocumentName::of(operation.api),
        operation_id: operation.id.clone(),
        variables: fixture.variables,
        bearer: fixture.bearer,
        person: fixture.person.map(SandboxPerson::from),
    }))
}

/// Which document's operation.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FixtureChoice {
    #[param(inline)]
    api: Option<DocumentName>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MakeFixtureAnswer {
    api: DocumentName,
    operation_id: String,
    variables: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    bearer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    person: Option<SandboxPerson>,
}
