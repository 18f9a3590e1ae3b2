//! Everything that is kept about the caller, without secrets.

use actix_web::get;
use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::api_keys::ApiKey;
use super::dto::{Acr, MfaMethod, User};
use super::error::refuses;
use super::me::ActivityEvent;
use super::mfa_methods::{MfaFactor, RecoveryCodesInfo};
use super::{Answer, App, Caller};
use crate::flow;
use crate::model::Time;
use crate::model::challenge::Challenge;
use crate::model::email_change::{EmailChange, EmailUndo};
use crate::model::factor::FactorAttempts;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::session::Session;
use crate::model::user::PasswordReset;
use crate::outcome::Export;

refuses!(ExportCurrentUser: WITHOUT_BODY, TokenInvalid, TokenExpired, InsufficientUserAuthentication);

/// Returns everything that is kept about the bearer.
#[utoipa::path(operation_id = "exportCurrentUser", tag = "Account", security(("bearerAuth" = [])),
    responses((status = 200, body = ExportCurrentUserAnswer), ExportCurrentUser))]
#[get("/identity/me/export")]
pub async fn export_current_user(app: App, caller: Caller) -> Answer<ExportCurrentUserAnswer> {
    let caller = caller.into_inner();
    let export = app
        .call(async |ctx| flow::me::export(ctx, caller).await)
        .await?;
    Ok(Json(export.into()))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportCurrentUserAnswer {
    #[schema(format = DateTime)]
    exported_at: String,
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    organization: Option<ExportedOrganization>,
    password_changes: u32,
    email_changes: Vec<ExportedEmailChange>,
    methods: Vec<MfaFactor>,
    phone_numbers: Vec<String>,
    recovery_codes: RecoveryCodesInfo,
    sessions: Vec<ExportedSession>,
    api_keys: Vec<ApiKey>,
    steps: Vec<ExportedStep>,
    letters: Vec<ExportedLetter>,
    counters: Vec<ExportedCounter>,
    activity: Vec<ActivityEvent>,
}

impl From<Export> for ExportCurrentUserAnswer {
    fn from(export: Export) -> Self {
        let numbers = export.factors.iter().filter_map(|one| one.target.clone());
        let waited = export.challenges.into_iter().map(ExportedStep::from);
        let wrong = export.attempts.into_iter().map(ExportedCounter::from);
        let limits = export.limits.into_iter();
        let asked = export.email_change.map(ExportedEmailChange::from);
        let changed = export.email_undos.into_iter().map(Into::into);
        Self {
            exported_at: export.at.to_string(),
            description: export.person.description.clone(),
            user: export.person.into(),
            organization: export
                .organisation
                .map(|(organisation, role)| ExportedOrganization {
                    id: organisation.id.to_string(),
                    name: organisation.name,
                    role: role.as_str(),
                }),
            password_changes: u32::try_from(export.password_changes).unwrap_or(0),
            email_changes: asked.into_iter().chain(changed).collect(),
            phone_numbers: numbers.collect(),
            methods: export.factors.into_iter().map(MfaFactor::from).collect(),
            recovery_codes: RecoveryCodesInfo {
                remaining: export.recovery_codes,
                generated_at: export.recovery_codes_made_at.map(|time| time.to_string()),
            },
            sessions: export.sessions.into_iter().map(Into::into).collect(),
            api_keys: export.keys.into_iter().map(ApiKey::from).collect(),
            steps: waited.chain(export.reset.map(ExportedStep::from)).collect(),
            letters: export.letters.into_iter().map(Into::into).collect(),
            counters: limits
                .map(|(name, used, until)| ExportedCounter::of(name, used, until))
                .chain(wrong)
                .collect(),
            activity: export.events.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedEmailChange {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    old_email: Option<String>,
    new_email: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    ended_at: Option<String>,
}

impl From<EmailChange> for ExportedEmailChange {
    fn from(change: EmailChange) -> Self {
        Self {
            state: "asked",
            old_email: None,
            new_email: change.address,
            created_at: change.created_at.to_string(),
            expires_at: change.expires_at.to_string(),
            ended_at: change.consumed_at.map(|time| time.to_string()),
        }
    }
}

impl From<EmailUndo> for ExportedEmailChange {
    fn from(undo: EmailUndo) -> Self {
        Self {
            state: "changed",
            old_email: Some(undo.old_address),
            new_email: undo.new_address,
            created_at: undo.created_at.to_string(),
            expires_at: undo.expires_at.to_string(),
            ended_at: undo.consumed_at.map(|time| time.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ExportedOrganization {
    id: String,
    name: String,
    role: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedSession {
    id: String,
    #[schema(inline)]
    acr: Acr,
    amr: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_used_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    signed_in_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    program: Option<String>,
}

impl From<Session> for ExportedSession {
    fn from(session: Session) -> Self {
        Self {
            id: format!("session-{}", session.id),
            acr: session.acr.into(),
            amr: session.amr.split(' ').map(str::to_owned).collect(),
            created_at: session.created_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: session.expires_at.to_string(),
            ended_at: session.ended_at.map(|time| time.to_string()),
            signed_in_from: session.source,
            program: session.program,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedStep {
    purpose: &'static str,
    method: MfaMethod,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    from: Option<String>,
}

impl From<Challenge> for ExportedStep {
    fn from(challenge: Challenge) -> Self {
        let of_administrator =
            challenge.purpose == Purpose::Setup && challenge.session_id.is_none();
        Self {
            purpose: challenge.purpose.as_str(),
            method: challenge.kind.into(),
            created_at: challenge.created_at.to_string(),
            expires_at: challenge.expires_at.to_string(),
            ended_at: challenge.consumed_at.map(|time| time.to_string()),
            // A set-up without a session was begun by an administrator.
            from: challenge.source.filter(|_| !of_administrator),
        }
    }
}

impl From<PasswordReset> for ExportedStep {
    fn from(reset: PasswordReset) -> Self {
        Self {
            purpose: Purpose::PasswordReset.as_str(),
            method: FactorKind::Email.into(),
            created_at: reset.created_at.to_string(),
            expires_at: reset.expires_at.to_string(),
            ended_at: reset.consumed_at.map(|time| time.to_string()),
            from: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedLetter {
    kind: String,
    state: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    ended_at: Option<String>,
}

impl From<(String, String, Time, Option<Time>)> for ExportedLetter {
    fn from((kind, state, created_at, ended_at): (String, String, Time, Option<Time>)) -> Self {
        Self {
            kind,
            state,
            created_at: created_at.to_string(),
            ended_at: ended_at.map(|time| time.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ExportedCounter {
    name: String,
    used: u32,
    #[schema(format = DateTime)]
    until: String,
}

impl ExportedCounter {
    fn of(name: String, used: i32, until: Time) -> Self {
        Self {
            name,
            used: used.unsigned_abs(),
            until: until.to_string(),
        }
    }
}

impl From<FactorAttempts> for ExportedCounter {
    fn from(counter: FactorAttempts) -> Self {
        let name = format!("wrong_codes {}", counter.kind.as_str());
        Self::of(name, counter.failures, counter.next_try_at)
    }
}
