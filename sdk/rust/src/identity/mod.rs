//! The native API: registration, sign-in with a second factor, sessions, keys (`openapi/identity.yaml`).
//!
//! [`Client`] has one method for each operation; each answers a builder, whose `send()` makes the call. [`types`] has what
//! goes in and comes out, and for each operation an error, `<Operation>Error`, with one variant for each reason.

#[rustfmt::skip]
#[path = "../generated/identity.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

pub use generated::*;

use crate::{Lifted, Session};

crate::front::client::client! { logout: Some("logout") }

impl From<&types::TokenResponse> for Session {
    fn from(answer: &types::TokenResponse) -> Self {
        Self::new(
            answer.access_token.clone(),
            answer.refresh_token.clone(),
            answer.expires_in,
        )
    }
}

impl From<&types::MfaLoginVerifyResponse> for Session {
    fn from(answer: &types::MfaLoginVerifyResponse) -> Self {
        Self::new(
            answer.access_token.clone(),
            answer.refresh_token.clone(),
            answer.expires_in,
        )
    }
}

impl From<&types::StepUpCompleteResponse> for Lifted {
    fn from(answer: &types::StepUpCompleteResponse) -> Self {
        Self::new(answer.access_token.clone(), answer.expires_in)
    }
}

impl From<&ResponseValue<types::StepUpCompleteResponse>> for Lifted {
    fn from(answer: &ResponseValue<types::StepUpCompleteResponse>) -> Self {
        Self::from(answer.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::Client;

    /// A call's future can be given to `tokio::spawn`.
    #[test]
    fn calls_can_be_sent_between_threads() {
        fn send<T: Send>(_: &T) {}
        let client = Client::at("http://localhost:8080").expect("an address");
        send(&client.get_current_user().send());
        send(&client.login().send());
        send(&client.logout().send());
    }
}
