//! Errors that are forced: the next call of an operation, or every call for an address, is answered with one.

use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{HttpResponse, delete, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::error::refuses;
use super::{Answer, Body, Box, Error};
use crate::Sandbox;
use crate::catalogue::{ErrorExample, Operation};
use crate::forced::{Calls, ForcedAnswer};
use crate::http::input::present;
use crate::model::user::address_as_typed;
use crate::model::{self, Refusal};

refuses!(ListOperations: ALONE, ForeignPage);

/// Lists all operations, with the errors that each documents.
#[utoipa::path(operation_id = "listOperations", tag = "Errors",
    responses((status = 200, body = ListOperationsAnswer), ListOperations))]
#[get("/sandbox/operations")]
pub async fn list_operations(sandbox: Box) -> Answer<ListOperationsAnswer> {
    let operations = sandbox.catalogue().operations()?;
    Ok(Json(ListOperationsAnswer {
        operations: operations.iter().map(OperationInfo::from).collect(),
    }))
}

refuses!(ForceError: WITH_BODY_ALONE, Validation, ForeignPage);

/// Has calls answered with an error.
#[utoipa::path(operation_id = "forceError", tag = "Errors", request_body = ForceErrorRequest,
    responses((status = 201, body = ForcedError), ForceError))]
#[post("/sandbox/errors")]
pub async fn force_error(
    sandbox: Box,
    body: Body<ForceErrorRequest>,
) -> Result<(Json<ForcedError>, StatusCode), Error> {
    let (calls, code, left) = body.into_inner().read(&sandbox)?;
    let forced = sandbox.forced().add(calls, code, left);
    Ok((Json(forced.into()), StatusCode::CREATED))
}

refuses!(ListForcedErrors: ALONE, ForeignPage);

/// Lists the errors that wait.
#[utoipa::path(operation_id = "listForcedErrors", tag = "Errors",
    responses((status = 200, body = ListForcedErrorsAnswer), ListForcedErrors))]
#[get("/sandbox/errors")]
pub async fn list_forced_errors(sandbox: Box) -> Json<ListForcedErrorsAnswer> {
    let errors = sandbox.forced().all().into_iter().map(ForcedError::from);
    Json(ListForcedErrorsAnswer {
        errors: errors.collect(),
    })
}

refuses!(ForgetForcedErrors: ALONE, ForeignPage);

/// Forgets the errors that wait.
#[utoipa::path(operation_id = "forgetForcedErrors", tag = "Errors",
    responses((status = 204), ForgetForcedErrors))]
#[delete("/sandbox/errors")]
pub async fn forget_forced_errors(sandbox: Box) -> HttpResponse {
    sandbox.forced().clear();
    HttpResponse::NoContent().finish()
}

/// A document.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentName {
    Identity,
    Netevia,
    Flashback,
    Veeam,
    Sandbox,
}

impl DocumentName {
    /// As the file is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Netevia => "netevia",
            Self::Flashback => "flashback",
            Self::Veeam => "veeam",
            Self::Sandbox => "sandbox",
        }
    }

    /// The document that is called so.
    pub fn of(name: &str) -> Self {
        match name {
            "netevia" => Self::Netevia,
            "flashback" => Self::Flashback,
            "veeam" => Self::Veeam,
            "sandbox" => Self::Sandbox,
            _first => Self::Identity,
        }
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForceErrorRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    api: Option<DocumentName>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 80))]
    #[schema(min_length = 1, max_length = 80, nullable = false)]
    operation_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254, nullable = false)]
    email: Option<String>,
    #[validate(length(min = 1, max = 80))]
    #[schema(min_length = 1, max_length = 80)]
    error_code: String,
    #[serde(default, deserialize_with = "present")]
    #[validate(range(min = 1, max = 1000))]
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    times: Option<i32>,
}

impl ForceErrorRequest {
    /// Which calls, with which code, and how many.
    fn read(self, sandbox: &Sandbox) -> model::Result<(Calls, String, Option<u32>)> {
        let api = self.api.map(DocumentName::as_str);
        let email = self.email.map(|email| address_as_typed(&email));
        let of = match self.operation_id {
            None if email.is_none() => {
                let sentence = "Send operationId, email or both.";
                return Err(Refusal::field("body", sentence).into());
            }
            None => None,
            Some(id) => Some(operation(sandbox, api, &id, "operationId")?),
        };
        let known = match of {
            Some(operation) => operation.error(&self.error_code).is_some(),
            None => {
                let all = sandbox.catalogue().operations()?;
                all.iter().any(|one| one.error(&self.error_code).is_some())
            }
        };
        if !known {
            let sentence =
                "This must be a code that the operation documents: see GET /sandbox/operations.";
            return Err(Refusal::field("errorCode", sentence).into());
        }
        let once = (of.is_some() && email.is_none()).then_some(1);
        let times = self.times.map(i32::unsigned_abs).or(once);
        let of = of.map(|operation| (operation.api, operation.id.clone()));
        Ok((Calls { of, email }, self.error_code, times))
    }
}

/// The operation of an id, in the document that is named or else in the first that has one.
///
/// # Errors
/// Refuses an id that there is not.
pub fn operation<'a>(
    sandbox: &'a Sandbox,
    api: Option<&str>,
    id: &str,
    field: &str,
) -> model::Result<&'a Operation> {
    let sentence = "No operation has this id: see GET /sandbox/operations.";
    let found = sandbox.catalogue().find(api, id)?;
    Ok(found.ok_or_else(|| Refusal::field(field, sentence))?)
}

/// Errors that calls are to be answered with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForcedError {
    #[schema(minimum = 1)]
    number: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    api: Option<DocumentName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    error_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    times_left: Option<u32>,
}

impl From<ForcedAnswer> for ForcedError {
    fn from(forced: ForcedAnswer) -> Self {
        let (api, operation_id) = forced.calls.of.unzip();
        Self {
            number: forced.number.cast_signed(),
            api: api.map(DocumentName::of),
            operation_id,
            email: forced.calls.email,
            error_code: forced.code,
            times_left: forced.left,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ListForcedErrorsAnswer {
    errors: Vec<ForcedError>,
}

#[derive(Serialize, ToSchema)]
pub struct ListOperationsAnswer {
    operations: Vec<OperationInfo>,
}

/// An operation, and the errors that it documents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationInfo {
    api: DocumentName,
    operation_id: String,
    method: String,
    path: String,
    summary: String,
    errors: Vec<DocumentedError>,
}

impl From<&Operation> for OperationInfo {
    fn from(operation: &Operation) -> Self {
        Self {
            api: DocumentName::of(operation.api),
            operation_id: operation.id.clone(),
            method: operation.method.clone(),
            path: operation.path.clone(),
            summary: operation.summary.clone(),
            errors: operation.errors.iter().map(DocumentedError::from).collect(),
        }
    }
}

/// An error that an operation documents.
#[derive(Serialize, ToSchema)]
pub struct DocumentedError {
    status: u16,
    code: String,
}

impl From<&ErrorExample> for DocumentedError {
    fn from(error: &ErrorExample) -> Self {
        Self {
            status: error.status,
            code: error.code().to_owned(),
        }
    }
}
