//! What users do with their own accounts: names, sessions, what happened, the end.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, get, patch};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::dto::{Acr, Paging, User, total};
use super::error::{Error, refuses};
use super::{Answer, App, Body, Caller, Query};
use crate::flow;
use crate::http::input::{SecretText, Then, name, present};
use crate::http::limits::Client;
use crate::model::source::Source;
use crate::model::{AuditId, Refusal, SessionId, session};
use crate::outcome::{Activity, ActivityEntry, OpenSession, Page};

refuses!(ListActivity: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Lists what happened to the bearer's account.
#[utoipa::path(operation_id = "listActivity", tag = "Account", params(ActivityPaging),
    security(("bearerAuth" = [])), responses((status = 200, body = ListActivityAnswer), ListActivity))]
#[get("/identity/me/activity")]
pub async fn list_activity(
    app: App,
    Then(caller, paging): Then<Caller, Query<ActivityPaging>>,
) -> Answer<ListActivityAnswer> {
    let command = paging.into_inner().command(caller.into_inner())?;
    let page = app.run(flow::me::activity, command).await?;
    Ok(Json(page.into()))
}

refuses!(ListSessions: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired);

/// Lists the open sessions of the bearer's account.
#[utoipa::path(operation_id = "listSessions", tag = "Sessions", params(Paging),
    security(("bearerAuth" = [])), responses((status = 200, body = ListSessionsAnswer), ListSessions))]
#[get("/identity/me/sessions")]
pub async fn list_sessions(
    app: App,
    Then(caller, paging): Then<Caller, Query<Paging>>,
) -> Answer<ListSessionsAnswer> {
    let command = paging.into_inner().command(caller.into_inner());
    let page = app.run(flow::me::list_sessions, command).await?;
    Ok(Json(page.into()))
}

refuses!(EndOtherSessions: WITHOUT_BODY, TokenInvalid, TokenExpired);

/// Ends all sessions of the bearer's account but the bearer's.
#[utoipa::path(operation_id = "endOtherSessions", tag = "Sessions", security(("bearerAuth" = [])),
    responses((status = 204), EndOtherSessions))]
#[delete("/identity/me/sessions")]
pub async fn end_other_sessions(
    app: App,
    Client(source): Client,
    caller: Caller,
) -> Result<HttpResponse, Error> {
    let caller = caller.into_inner();
    app.call(async |ctx| flow::me::end_other_sessions(ctx, caller, source).await)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

refuses!(EndSession: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, SessionNotFound);

/// Ends a session of the bearer's account.
#[utoipa::path(operation_id = "endSession", tag = "Sessions", params(("sessionId" = String, Path, max_length = 64,
        pattern = "^session-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    security(("bearerAuth" = [])), responses((status = 204), EndSession))]
#[delete("/identity/me/sessions/{sessionId}")]
pub async fn end_session(
    app: App,
    Client(source): Client,
    Then(caller, session): Then<Caller, SessionInPath>,
) -> Result<HttpResponse, Error> {
    let (caller, SessionInPath(id)) = (caller.into_inner(), session);
    app.call(async |ctx| flow::me::end_session(ctx, caller, id, source).await)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

refuses!(UpdateCurrentUser: WITH_BODY, Validation, TokenInvalid, TokenExpired);

/// Changes the names of the bearer.
#[utoipa::path(operation_id = "updateCurrentUser", tag = "Account", request_body = UpdateCurrentUserRequest,
    security(("bearerAuth" = [])), responses((status = 200, body = User), UpdateCurrentUser))]
#[patch("/identity/me")]
pub async fn update_current_user(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<UpdateCurrentUserRequest>>,
) -> Answer<User> {
    let command = body.into_inner().command(caller.into_inner(), source);
    let person = app.run(flow::me::rename, command).await?;
    Ok(Json(person.into()))
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateCurrentUserRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 100), custom(function = "name"))]
    #[schema(max_length = 100, nullable = false)]
    first_name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(max = 100), custom(function = "name"))]
    #[schema(max_length = 100, nullable = false)]
    last_name: Option<String>,
}

impl UpdateCurrentUserRequest {
    fn command(self, caller: session::Caller, source: Source) -> flow::me::Rename {
        flow::me::Rename {
            caller,
            first_name: self.first_name,
            last_name: self.last_name,
            source,
        }
    }
}

refuses!(DeleteCurrentUser: WITH_BODY, Validation, InvalidPassword, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, LastAdministrator, TooManyPasswordAttempts);

/// Deletes the account of the bearer.
#[utoipa::path(operation_id = "deleteCurrentUser", tag = "Sign-out", request_body = DeleteCurrentUserRequest,
    security(("bearerAuth" = [])), responses((status = 204), DeleteCurrentUser))]
#[delete("/identity/me")]
pub async fn delete_current_user(
    app: App,
    Client(source): Client,
    Then(caller, body): Then<Caller, Body<DeleteCurrentUserRequest>>,
) -> Result<HttpResponse, Error> {
    let command = body.into_inner().command(caller.into_inner(), source);
    app.run(flow::me::delete, command).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCurrentUserRequest {
    #[validate(length(min = 1, max = 4096))]
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: SecretText,
}

impl DeleteCurrentUserRequest {
    fn command(self, caller: session::Caller, source: Source) -> flow::me::Delete {
        flow::me::Delete {
            caller,
            password: self.password.into_secret(),
            source,
        }
    }
}

/// Parses an id as this API writes it; `None` for anything else.
fn id_of(kind: &str, written: &str) -> Option<Uuid> {
    let id = written.strip_prefix(kind)?.strip_prefix('-')?;
    let small = |byte: u8| !byte.is_ascii_uppercase();
    let whole = id.len() == uuid::fmt::Hyphenated::LENGTH && id.bytes().all(small);
    Uuid::try_parse(id).ok().filter(|_| whole)
}

/// The id in the path.
pub struct SessionInPath(SessionId);

impl FromRequest for SessionInPath {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let written = request.match_info().get("sessionId");
        let id = written.and_then(|written| id_of("session", written));
        let refused = || Refusal::field("sessionId", "This is not the id of a session.").into();
        ready(id.map(|id| Self(SessionId::new(id))).ok_or_else(refused))
    }
}

/// The part of the activity that is asked for.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActivityPaging {
    #[validate(range(min = 1, max = 100))]
    #[param(format = Int32, minimum = 1, maximum = 100, default = 30)]
    limit: Option<usize>,
    #[validate(length(max = 64))]
    #[param(
        max_length = 64,
        pattern = "^event-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    )]
    before: Option<String>,
}

impl ActivityPaging {
    fn command(self, caller: session::Caller) -> Result<flow::me::ReadActivity, Refusal> {
        Ok(flow::me::ReadActivity {
            caller,
            limit: self.limit.unwrap_or(30),
            before: self.before()?,
        })
    }

    fn before(&self) -> Result<Option<AuditId>, Refusal> {
        let Some(written) = &self.before else {
            return Ok(None);
        };
        let id = id_of("event", written).map(AuditId::new);
        let sentence = "This must be the next value of an earlier page.";
        id.map(Some)
            .ok_or_else(|| Refusal::field("before", sentence))
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListSessionsAnswer {
    sessions: Vec<OpenSessionEntry>,
    total_count: u32,
}

impl From<Page<OpenSession>> for ListSessionsAnswer {
    fn from(page: Page<OpenSession>) -> Self {
        Self {
            sessions: page.items.into_iter().map(OpenSessionEntry::from).collect(),
            total_count: total(page.total),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenSession)]
#[serde(rename_all = "camelCase")]
pub struct OpenSessionEntry {
    id: String,
    current: bool,
    #[schema(inline)]
    acr: Acr,
    amr: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    auth_time: String,
    #[schema(format = DateTime)]
    last_used_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    signed_in_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    program: Option<String>,
}

impl From<OpenSession> for OpenSessionEntry {
    fn from(session: OpenSession) -> Self {
        let view = session.view;
        Self {
            id: format!("session-{}", view.id),
            current: session.current,
            acr: view.acr.into(),
            amr: view.amr,
            created_at: session.created_at.to_string(),
            auth_time: view.auth_time.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: view.expires_at.to_string(),
            signed_in_from: session.source,
            program: session.program,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ListActivityAnswer {
    events: Vec<ActivityEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

impl From<Activity> for ListActivityAnswer {
    fn from(activity: Activity) -> Self {
        let next = activity.next.map(|id| format!("event-{id}"));
        Self {
            events: activity.events.into_iter().map(Into::into).collect(),
            next,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityEvent {
    id: String,
    event: String,
    #[schema(format = DateTime)]
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    by_other: bool,
}

impl From<ActivityEntry> for ActivityEvent {
    fn from(event: ActivityEntry) -> Self {
        Self {
            id: format!("event-{}", event.id),
            event: event.event,
            at: event.at.to_string(),
            from: event.source,
            detail: event.detail,
            by_other: event.by_other,
        }
    }
}
