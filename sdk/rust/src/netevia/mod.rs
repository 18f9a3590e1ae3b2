//! Netevia's `/settings/MfaSignIn`, `/api/auth/v2*`, `/api/CodeVerification/*` and
//! `/netevia/disablemfa/*` (`openapi/netevia.yaml`), for code written from the vendor's pages.

#[rustfmt::skip]
#[path = "../generated/netevia.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

pub use generated::{calls, types};

use crate::Session;

crate::client::methods::client! { "A client of Netevia's API." }

impl From<&types::AuthSuccessResponse> for Session {
    fn from(answer: &types::AuthSuccessResponse) -> Self {
        Self::new(&answer.token, &answer.refresh_token, answer.expires_in)
    }
}
