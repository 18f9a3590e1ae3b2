//! Veeam Backup for Azure's `/api/oauth2/token`, `/api/v1/users*` and `/api/v8.1/users*`
//! (`openapi/veeam.yaml`), for code written from the vendor's pages.

#[rustfmt::skip]
#[path = "../generated/veeam.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

pub use generated::{calls, types};

use crate::Session;

crate::client::methods::client! { "A client of Veeam Backup for Azure's API." }

impl types::TokenResponse {
    /// Returns the session; `None` while a second step is asked for. In that case, send `mfa_token`
    /// with a code in the `Mfa` grant.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        let access_token = self.access_token.clone()?;
        let refresh_token = self.refresh_token.clone()?;
        Some(Session::new(access_token, refresh_token, self.expires_in))
    }
}
