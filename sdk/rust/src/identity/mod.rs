//! The native API: registration, sign-in with a second factor, sessions, keys (`openapi/identity.yaml`).
//!
//! [`Client`] has one method for each operation. Each returns a [`Call`](crate::Call), which is
//! made when it is awaited. [`types`] has the requests and answers, and for each operation an
//! error, `<Operation>Error`, with one variant for each reason.
//!
//! Flows of more than one call are conversations: [`Client::sign_in`], [`Client::register`],
//! [`Client::set_up`], [`Client::step_up`] and [`Client::turn_off`].

#[rustfmt::skip]
#[path = "../generated/identity.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

mod conversation;

pub use conversation::{
    Challenge, Refused, Registration, SetUp, SignIn, SignedIn, StepUpChallenge, SteppingUp, TurnOff,
};
pub use generated::{calls, types};

use crate::{Lifted, Session};

crate::client::methods::client! { "A client of the native API." }

impl From<&types::TokenResponse> for Session {
    fn from(answer: &types::TokenResponse) -> Self {
        Self::new(
            &answer.access_token,
            &answer.refresh_token,
            answer.expires_in,
        )
    }
}

impl From<&types::MfaLoginVerifyResponse> for Session {
    fn from(answer: &types::MfaLoginVerifyResponse) -> Self {
        Self::new(
            &answer.access_token,
            &answer.refresh_token,
            answer.expires_in,
        )
    }
}

impl From<&types::StepUpCompleteResponse> for Lifted {
    fn from(answer: &types::StepUpCompleteResponse) -> Self {
        Self::new(&answer.access_token, answer.expires_in)
    }
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use super::Client;
    use super::types::LoginRequest;

    /// A call's future can be given to `tokio::spawn`.
    #[test]
    fn calls_can_be_sent_between_threads() {
        fn send<T: Send>(_: &T) {}
        let client = Client::new("http://localhost:8080").expect("an address");
        send(&client.get_current_user());
        send(&client.get_current_user().into_future());
        send(&client.login(LoginRequest::new("alice@example.com", "right")));
        send(&client.list_users().stream());
    }
}
