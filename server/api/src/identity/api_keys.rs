//! API keys for services. Administrators create them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, get, post};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::dto::{Paging, total};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, Query};
use crate::flow;
use crate::http::input::{Then, name, present};
use crate::http::limits::Client;
use crate::http::output::exposed;
use crate::model::kinds::Scope;
use crate::model::session;
use crate::model::source::Source;
use crate::model::{ApiKeyId, Refusal, Secret};
use crate::outcome::{KeyView, NewKey, Page};

refuses!(CreateApiKey: WITH_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, ApiKeyLimit);

/// Creates a key.
#[utoipa::path(operation_id = "createApiKey", tag = "API Keys", request_body = CreateApiKeyRequest,
    security(("bearerAuth" = [])), responses((status = 201, body = CreateApiKeyAnswer), CreateApiKey))]
#[post("/identity/api-keys")]
pub async fn create_api_key(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<CreateApiKeyRequest>>,
) -> Result<(Json<CreateApiKeyAnswer>, StatusCode), Error> {
    let command = body.into_inner().command(caller.into_inner(), source);
    let made = app.run(flow::api_keys::make, command).await?;
    Ok((Json(made.into()), StatusCode::CREATED))
}

refuses!(ListApiKeys: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden);

/// Lists keys without their secrets.
#[utoipa::path(operation_id = "listApiKeys", tag = "API Keys", params(Paging),
    security(("bearerAuth" = [])), responses((status = 200, body = ListApiKeysAnswer), ListApiKeys))]
#[get("/identity/api-keys")]
pub async fn list_api_keys(
    app: App,
    Then(caller, paging): Then<Caller, Query<Paging>>,
) -> Answer<ListApiKeysAnswer> {
    let command = paging.into_inner().command(caller.into_inner());
    let page = app.run(flow::api_keys::list, command).await?;
    Ok(Json(page.into()))
}

refuses!(DeleteApiKey: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, ApiKeyNotFound);

/// Revokes a key at once.
#[utoipa::path(operation_id = "deleteApiKey", tag = "API Keys", params(("id" = String, Path, max_length = 64,
        pattern = "^api-key-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    security(("bearerAuth" = [])), responses((status = 204), DeleteApiKey))]
#[delete("/identity/api-keys/{id}")]
pub async fn delete_api_key(
    app: App,
    Client(source): Client,
    Then(caller, id): Then<Caller, KeyId>,
) -> Result<HttpResponse, Error> {
    let (caller, KeyId(id)) = (caller.into_inner(), id);
    app.call(async |ctx| flow::api_keys::delete(ctx, caller, id, source).await)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The id in the path.
pub struct KeyId(ApiKeyId);

impl FromRequest for KeyId {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let written = request
            .match_info()
            .get("id")
            .and_then(|id| id.strip_prefix("api-key-"));
        let hyphenated = written.filter(|id| id.len() == uuid::fmt::Hyphenated::LENGTH);
        let id = hyphenated
            .and_then(|id| Uuid::try_parse(id).ok())
            .map(ApiKeyId::new);
        let refused = || Refusal::field("id", "This is not the id of an API key.").into();
        ready(id.map(Self).ok_or_else(refused))
    }
}

/// A scope, in requests and answers.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum KeyScope {
    #[serde(rename = "tokens:validate")]
    TokensValidate,
    #[serde(rename = "users:read")]
    UsersRead,
}

impl From<Scope> for KeyScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::TokensValidate => Self::TokensValidate,
            Scope::UsersRead => Self::UsersRead,
        }
    }
}

impl From<KeyScope> for Scope {
    fn from(scope: KeyScope) -> Self {
        match scope {
            KeyScope::TokensValidate => Self::TokensValidate,
            KeyScope::UsersRead => Self::UsersRead,
        }
    }
}

/// Written by hand, since serde's own would accept the object `{"users:read": null}` for the word.
impl<'de> Deserialize<'de> for KeyScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let scope = Scope::parse(&word).ok_or_else(|| D::Error::unknown_variant("it", &[]))?;
        Ok(scope.into())
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateApiKeyRequest {
    #[validate(length(min = 1, max = 100), custom(function = "name"))]
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    #[validate(length(min = 1))]
    #[schema(inline, min_items = 1)]
    scopes: Vec<KeyScope>,
    #[serde(default, deserialize_with = "present")]
    #[validate(range(min = 1, max = 365))]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 365, default = 90, nullable = false)]
    expires_in_days: Option<i64>,
}

impl CreateApiKeyRequest {
    fn command(self, caller: session::Caller, source: Source) -> flow::api_keys::Make {
        flow::api_keys::Make {
            caller,
            name: self.name,
            scopes: self.scopes.into_iter().map(Scope::from).collect(),
            expires_in_days: self
                .expires_in_days
                .and_then(|days| u32::try_from(days).ok()),
            source,
        }
    }
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyInfo)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    id: String,
    name: String,
    #[schema(inline)]
    scopes: Vec<KeyScope>,
    hint: String,
    created_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<KeyView> for ApiKey {
    fn from(view: KeyView) -> Self {
        Self {
            id: format!("api-key-{}", view.id),
            name: view.name,
            scopes: view.scopes.into_iter().map(KeyScope::from).collect(),
            hint: view.hint,
            created_by: format!("user-{}", view.created_by),
            created_at: view.created_at.to_string(),
            expires_at: view.expires_at.to_string(),
        }
    }
}

/// The fields of `ApiKeyInfo` and the key. They are written out, since the contract has them in one
/// object.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateApiKeyAnswer {
    id: String,
    name: String,
    #[schema(inline)]
    scopes: Vec<KeyScope>,
    hint: String,
    created_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    api_key: Secret<String>,
}

impl From<NewKey> for CreateApiKeyAnswer {
    fn from(made: NewKey) -> Self {
        let view = ApiKey::from(made.view);
        Self {
            id: view.id,
            name: view.name,
            scopes: view.scopes,
            hint: view.hint,
            created_by: view.created_by,
            created_at: view.created_at,
            expires_at: view.expires_at,
            api_key: made.key,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListApiKeysAnswer {
    api_keys: Vec<ApiKey>,
    total_count: u32,
}

impl From<Page<KeyView>> for ListApiKeysAnswer {
    fn from(page: Page<KeyView>) -> Self {
        Self {
            api_keys: page.items.into_iter().map(ApiKey::from).collect(),
            total_count: total(page.total),
        }
    }
}
