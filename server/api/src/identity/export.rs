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
use crate::outcome::{
    AddressChange, Counter, Export, LetterRecord, Membership, SessionRecord, StepRecord,
};

refuses!(ExportCurrentUser: WITHOUT_BODY, TokenInvalid, TokenExpired, InsufficientUserAuthentication);

/// Returns everything that is kept about the bearer.
#[utoipa::path(operation_id = "exportCurrentUser", tag = "Account", security(("bearerAuth" = [])),
    responses((status = 200, body = ExportCurrentUserAnswer), ExportCurrentUser))]
#[get("/identity/me/export")]
pub async fn export_current_user(app: App, caller: Caller) -> Answer<ExportCurrentUserAnswer> {
    let caller = caller.into_inner();
    let export = app.run(flow::me::export, caller).await?;
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
        let numbers = export.methods.iter().filter_map(|one| one.phone.clone());
        Self {
            exported_at: export.at.to_string(),
            description: export.person.description.clone(),
            user: export.person.into(),
            organization: export.membership.map(ExportedOrganization::from),
            password_changes: u32::try_from(export.password_changes).unwrap_or(0),
            email_changes: export.address_changes.into_iter().map(Into::into).collect(),
            phone_numbers: numbers.collect(),
            methods: export.methods.into_iter().map(MfaFactor::from).collect(),
            recovery_codes: RecoveryCodesInfo {
                remaining: export.recovery_codes,
                generated_at: export.recovery_codes_made_at.map(|time| time.to_string()),
            },
            sessions: export.sessions.into_iter().map(Into::into).collect(),
            api_keys: export.keys.into_iter().map(ApiKey::from).collect(),
            steps: export.steps.into_iter().map(Into::into).collect(),
            letters: export.letters.into_iter().map(Into::into).collect(),
            counters: export.counters.into_iter().map(Into::into).collect(),
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

impl From<AddressChange> for ExportedEmailChange {
    fn from(change: AddressChange) -> Self {
        Self {
            state: match change.old {
                None => "asked",
                Some(_) => "changed",
            },
            old_email: change.old,
            new_email: change.new,
            created_at: change.created_at.to_string(),
            expires_at: change.expires_at.to_string(),
            ended_at: change.ended_at.map(|time| time.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ExportedOrganization {
    id: String,
    name: String,
    role: &'static str,
}

impl From<Membership> for ExportedOrganization {
    fn from(membership: Membership) -> Self {
        Self {
            id: membership.id.to_string(),
            name: membership.name,
            role: membership.role.as_str(),
        }
    }
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

impl From<SessionRecord> for ExportedSession {
    fn from(session: SessionRecord) -> Self {
        let view = session.view;
        Self {
            id: format!("session-{}", view.id),
            acr: view.acr.into(),
            amr: view.amr,
            created_at: session.created_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: view.expires_at.to_string(),
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

impl From<StepRecord> for ExportedStep {
    fn from(step: StepRecord) -> Self {
        Self {
            purpose: step.purpose.as_str(),
            method: step.method.into(),
            created_at: step.created_at.to_string(),
            expires_at: step.expires_at.to_string(),
            ended_at: step.ended_at.map(|time| time.to_string()),
            from: step.source,
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

impl From<LetterRecord> for ExportedLetter {
    fn from(letter: LetterRecord) -> Self {
        Self {
            kind: letter.kind,
            state: letter.state,
            created_at: letter.created_at.to_string(),
            ended_at: letter.ended_at.map(|time| time.to_string()),
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

impl From<Counter> for ExportedCounter {
    fn from(counter: Counter) -> Self {
        Self {
            name: counter.name,
            used: counter.used,
            until: counter.until.to_string(),
        }
    }
}
