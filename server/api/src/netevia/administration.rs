//! Operations of administrators on other accounts.

use actix_web::post;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::Disabled;
use super::error::refuses;
use super::{Answer, App, Caller, Path};
use crate::flow::Target;
use crate::flow::channel;
use crate::flow::methods::Change;
use crate::http::input::Then;
use crate::http::limits::Client;
use crate::model::session;
use crate::model::source::Source;

refuses!(DisableMfaOfProfile: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired, InsufficientUserAuthentication,
    Forbidden, MfaEnforced, UserNotFound);

/// Turns the second factor of an account off.
#[utoipa::path(operation_id = "disableMfaOfProfile", tag = "Administration", security(("bearerAuth" = [])),
    params(("profileId" = i32, Path, minimum = 1)),
    responses((status = 200, body = DisableMfaOfProfileAnswer), DisableMfaOfProfile))]
#[post("/netevia/disablemfa/{profileId}")]
pub async fn disable_mfa_of_profile(
    app: App,
    Client(source): Client,
    Then(caller, number): Then<Caller, Path<ProfileId>>,
) -> Answer<DisableMfaOfProfileAnswer> {
    let profile = number.into_inner();
    let command = profile.change(caller.into_inner(), source);
    app.run(channel::turn_off_profile, command).await?;
    Ok(Json(profile.into()))
}

refuses!(DisableMfaOfAuthorizedUser: WITHOUT_BODY, Validation, TokenInvalid, TokenExpired,
    InsufficientUserAuthentication, Forbidden, MfaEnforced, UserNotFound);

/// Turns it off for an authorized user, who has an account like any other.
#[utoipa::path(operation_id = "disableMfaOfAuthorizedUser", tag = "Administration", security(("bearerAuth" = [])),
    params(("profileId" = i32, Path, minimum = 1)),
    responses((status = 200, body = DisableMfaOfProfileAnswer), DisableMfaOfAuthorizedUser))]
#[post("/netevia/disablemfa/authtorized/{profileId}")]
pub async fn disable_mfa_of_authorized_user(
    app: App,
    Client(source): Client,
    Then(caller, number): Then<Caller, Path<ProfileId>>,
) -> Answer<DisableMfaOfProfileAnswer> {
    let profile = number.into_inner();
    let command = profile.change(caller.into_inner(), source);
    app.run(channel::turn_off_profile, command).await?;
    Ok(Json(profile.into()))
}

/// The number of a profile, starting at one.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i32")]
pub struct ProfileId(u32);

impl TryFrom<i32> for ProfileId {
    type Error = &'static str;
    fn try_from(number: i32) -> Result<Self, Self::Error> {
        let counted = u32::try_from(number).ok().filter(|&number| number > 0);
        counted.map(Self).ok_or("not the number of a profile")
    }
}

impl ProfileId {
    fn change(self, caller: session::Caller, source: Source) -> Change {
        Change {
            caller,
            target: Target::Number(i64::from(self.0)),
            source,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisableMfaOfProfileAnswer {
    #[schema(inline)]
    status: Disabled,
    success: bool,
    #[schema(value_type = i32)]
    profile_id: u32,
    mfa_enabled: bool,
    message: &'static str,
}

impl From<ProfileId> for DisableMfaOfProfileAnswer {
    fn from(ProfileId(profile_id): ProfileId) -> Self {
        Self {
            status: Disabled::Disabled,
            success: true,
            profile_id,
            mfa_enabled: false,
            message: "Multi-factor authentication is off for this profile.",
        }
    }
}
