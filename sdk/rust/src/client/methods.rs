//! The methods that the client of every document has besides its operations: set-up and session.

use super::Core;

/// Keeps the trait to this crate.
pub mod sealed {
    use crate::client::Core;

    /// Gives access to a client's state.
    pub trait HasCore {
        /// Returns the shared state.
        fn core(&self) -> &Core;
    }
}

/// A client of any document, or a step-up. Clients of other documents can be made from it; they
/// share its session.
///
/// ```
/// use countersign_sdk::{Client, StepUp, identity};
///
/// # fn main() -> Result<(), countersign_sdk::BuildError> {
/// let client = Client::new("https://id.example.com")?;
/// let same_session = identity::Client::from(&client);
/// # let _ = same_session;
/// # Ok(())
/// # }
/// # fn ask(wanted: StepUp) -> Client { Client::from(&wanted) }
/// ```
pub trait ApiClient: sealed::HasCore {}

/// Makes a client from its state.
pub trait FromCore {
    #[doc(hidden)]
    fn from_core(core: Core) -> Self;
}

/// Defines the `Client` of a module, without its operations.
macro_rules! client {
    ($about:literal) => {
        #[doc = $about]
        ///
        /// A clone is the same client: who signs in with one is signed in with all. `Debug` shows no token.
        #[derive(Clone)]
        pub struct Client {
            core: crate::client::Core,
        }

        /// Set-up and session.
        impl Client {
            /// Makes a client of the server at `url`, such as `https://id.example.com`, with the
            /// defaults of [`Client::builder`]. No call is made yet.
            ///
            /// # Errors
            ///
            /// Fails if the address is invalid, or is plain http to another machine.
            pub fn new(url: &str) -> Result<Self, crate::BuildError> {
                Self::builder(url).build()
            }

            /// Returns the settings for a client of the server at `url`. A path is kept, for a
            /// server behind a proxy.
            pub fn builder(url: &str) -> crate::Builder<Self> {
                crate::Builder::new(url)
            }

            /// Makes a client that sends this bearer, wherever it comes from, and never renews it;
            /// see [`Session::bearer`](crate::Session::bearer).
            ///
            /// # Errors
            ///
            /// Fails as [`Client::new`] does.
            pub fn with_bearer(
                url: &str,
                token: impl Into<crate::Secret>,
            ) -> Result<Self, crate::BuildError> {
                let client = Self::new(url)?;
                client.sign_in_with(crate::Session::bearer(token));
                Ok(client)
            }

            /// Makes a client of the same server, with the same settings and connections, but with
            /// nobody signed in. Use one for each user that your service acts for.
            #[must_use]
            pub fn new_session(&self) -> Self {
                Self {
                    core: self.core.new_session(),
                }
            }

            /// Makes further calls as the user of these tokens. The tokens are renewed when
            /// necessary.
            ///
            /// Takes a reference to any answer that carries tokens, or a stored [`Session`](crate::Session).
            pub fn sign_in_with(&self, tokens: impl Into<crate::Session>) {
                self.core.sign_in_with(tokens.into());
            }

            /// Returns the session, for storing. `None` if nobody is signed in, or the server has
            /// said that the session is over.
            #[must_use]
            pub fn session(&self) -> Option<crate::Session> {
                self.core.session()
            }

            /// Tells whether somebody is signed in, as far as the client knows.
            #[must_use]
            pub fn is_signed_in(&self) -> bool {
                self.core.is_signed_in()
            }

            /// Forgets the session without telling the server, where it lives on until it expires.
            /// A successful `logout` forgets it as well.
            pub fn forget_session(&self) {
                self.core.forget_session();
            }

            /// Returns the server's address, without a slash at its end.
            #[must_use]
            pub fn url(&self) -> &str {
                self.core.url()
            }
        }

        impl crate::client::methods::sealed::HasCore for Client {
            fn core(&self) -> &crate::client::Core {
                &self.core
            }
        }

        impl crate::ApiClient for Client {}

        impl crate::client::methods::FromCore for Client {
            fn from_core(core: crate::client::Core) -> Self {
                Self { core }
            }
        }

        /// Makes a client that shares the session.
        impl<C: crate::ApiClient> From<&C> for Client {
            fn from(client: &C) -> Self {
                Self {
                    core: client.core().clone(),
                }
            }
        }

        impl std::fmt::Debug for Client {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.core.fmt(formatter)
            }
        }
    };
}
pub(crate) use client;
