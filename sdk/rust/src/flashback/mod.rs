//! Flashback's `/mfa/*` and `/user/*` (`openapi/flashback.yaml`), for code written from the
//! vendor's pages.
//!
//! A login that asks for a second factor answers `mfa_required`. Its `access_token` is then the
//! reference of the unfinished sign-in, sent as a bearer. `client.sign_in_with(&login)` accepts
//! both kinds of answer, and `verify_mfa_login()` finishes the sign-in.

#[rustfmt::skip]
#[path = "../generated/flashback.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

pub use generated::{calls, types};

use crate::Session;

crate::client::methods::client! { "A client of Flashback's API." }

/// For a login that asks for a second factor, the session is the bearer that finishes it.
impl From<&types::LoginAnswer> for Session {
    fn from(answer: &types::LoginAnswer) -> Self {
        if answer.mfa_required {
            return Self::bearer(&answer.access_token);
        }
        Self::until(
            &answer.access_token,
            &answer.refresh_token,
            answer.expires_at,
        )
    }
}

impl From<&types::VerifyMfaLoginAnswer> for Session {
    fn from(answer: &types::VerifyMfaLoginAnswer) -> Self {
        Self::until(
            &answer.full_access_token,
            &answer.refresh_token,
            answer.expires_at,
        )
    }
}

impl From<&types::RefreshResponse> for Session {
    fn from(answer: &types::RefreshResponse) -> Self {
        Self::until(
            &answer.access_token,
            &answer.refresh_token,
            answer.expires_at,
        )
    }
}
