//! Veeam Backup for Azure's `/api/oauth2/token` and `/api/v1/users*` (`openapi/veeam.yaml`), for code written from its pages.

#[rustfmt::skip]
#[path = "../generated/veeam.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

pub use generated::*;

use crate::Session;

crate::front::client::client! { logout: None }

impl From<&types::TokenResponse> for Session {
    fn from(answer: &types::TokenResponse) -> Self {
        Self::new(
            answer.access_token.clone(),
            answer.refresh_token.clone(),
            answer.expires_in,
        )
    }
}
