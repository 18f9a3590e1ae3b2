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

use progenitor_client::{ClientHooks, OperationInfo};
use reqwest::{Request, Response};

use crate::front::{BuildError, Front, Operation, Session};

/// The operation that ends a session.
const LOGOUT: &str = "logout";

/// For an operation that is missing from the table, which the generator does not let happen: nothing is sent with it, and
/// it is never repeated.
const UNLISTED: Operation = Operation {
    id: "",
    opened_by: &[],
    one_time: true,
};

/// What is not generated: setting up, and who is signed in.
impl Client {
    /// A client of the server at `address`, such as `https://id.example.com`, with the defaults of
    /// [`Front::builder`](crate::Front::builder). No call is made yet.
    ///
    /// # Errors
    ///
    /// When the address is none, or is plain http to another machine than this.
    pub fn at(address: &str) -> Result<Self, BuildError> {
        Front::builder(address)
            .build()
            .map(|front| Self::from(&front))
    }

    /// What this client shares with the clients of other documents.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.inner
    }

    /// A client of the same server, signed in as nobody; see [`Front::apart`].
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::from(&self.inner.apart())
    }

    /// From now on, calls are made as the user whose tokens these are; see [`Front::sign_in_with`].
    pub fn sign_in_with(&self, tokens: impl Into<Session>) {
        self.inner.sign_in_with(tokens);
    }

    /// The session, to be stored; see [`Front::session`].
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.inner.session()
    }

    /// Whether somebody is signed in, as far as this side knows.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.inner.is_signed_in()
    }
}

impl From<&Front> for Client {
    fn from(front: &Front) -> Self {
        Self::new_with_client(front.address(), front.http().clone(), front.clone())
    }
}

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

impl ClientHooks<Front> for Client {
    async fn pre<E>(&self, request: &mut Request, info: &OperationInfo) -> Result<(), Error<E>> {
        self.inner
            .prepare(request, operation(info))
            .await
            .map_err(Error::Custom)
    }

    async fn exec(&self, request: Request, info: &OperationInfo) -> reqwest::Result<Response> {
        let outcome = self
            .inner
            .execute(&self.client, request, operation(info))
            .await;
        if info.operation_id == LOGOUT {
            self.inner.after_logout(&outcome);
        }
        outcome
    }
}

fn operation(info: &OperationInfo) -> &'static Operation {
    generated::OPERATIONS
        .iter()
        .find(|operation| operation.id == info.operation_id)
        .unwrap_or(&UNLISTED)
}

#[cfg(test)]
mod tests {
    use super::{Client, LOGOUT, generated};

    #[test]
    fn the_operation_that_ends_a_session_is_in_the_table() {
        assert!(generated::OPERATIONS.iter().any(|row| row.id == LOGOUT));
    }

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
