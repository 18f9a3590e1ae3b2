//! What the client of every document has beside its operations: setting up, and who is signed in.

use super::Core;

/// Keeps the trait to this crate.
pub mod sealed {
    use crate::client::Core;

    /// What stands behind a client.
    pub trait HasCore {
        /// What is shared.
        fn core(&self) -> &Core;
    }
}

/// A client of any document, or a step-up: each of them gives the clients of the others, which share its session.
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

/// How a client is made of what stands behind it.
pub trait FromCore {
    #[doc(hidden)]
    fn from_core(core: Core) -> Self;
}

/// Writes the `Client` of the module it stands in, but for its operations.
macro_rules! client {
    ($about:literal) => {
        #[doc = $about]
        ///
        /// A clone is the same client: who signs in with one is signed in with all. `Debug` shows no token.
        #[derive(Clone)]
        pub struct Client {
            core: crate::client::Core,
        }

        /// Setting up, and who is signed in.
        impl Client {
            /// A client of the server at `url`, such as `https://id.example.com`, with the defaults of
            /// [`Client::builder`]. No call is made yet.
            ///
            /// # Errors
            ///
            /// When it is no address, or is plain http to another machine than this.
            pub fn new(url: &str) -> Result<Self, crate::BuildError> {
                Self::builder(url).build()
            }

            /// Settings for a client of the server at `url`; a path is kept, for a server behind a proxy.
            pub fn builder(url: &str) -> crate::Builder<Self> {
                crate::Builder::new(url)
            }

            /// A client that sends this bearer, however it was got, and never renews it; see
            /// [`Session::bearer`](crate::Session::bearer).
            ///
            /// # Errors
            ///
            /// As [`Client::new`].
            pub fn with_bearer(
                url: &str,
                token: impl Into<crate::Secret>,
            ) -> Result<Self, crate::BuildError> {
                let client = Self::new(url)?;
                client.sign_in_with(crate::Session::bearer(token));
                Ok(client)
            }

            /// A client of the same server, with the same settings and connections, signed in as nobody: one for each
            /// user that your service acts for.
            #[must_use]
            pub fn new_session(&self) -> Self {
                Self {
                    core: self.core.new_session(),
                }
            }

            /// From now on, calls are made as the user whose tokens these are, and the tokens are renewed when they
            /// need it.
            ///
            /// Takes a reference to any answer that carries tokens, or a stored [`Session`](crate::Session).
            pub fn sign_in_with(&self, tokens: impl Into<crate::Session>) {
                self.core.sign_in_with(tokens.into());
            }

            /// The session, to be stored. `None` when nobody is signed in, or when the server has said that it is over.
            #[must_use]
            pub fn session(&self) -> Option<crate::Session> {
                self.core.session()
            }

            /// Whether somebody is signed in, as far as this side knows.
            #[must_use]
            pub fn is_signed_in(&self) -> bool {
                self.core.is_signed_in()
            }

            /// Forgets the session without telling the server, where it lives on until it expires. A successful `logout`
            /// does this by itself.
            pub fn forget_session(&self) {
                self.core.forget_session();
            }

            /// The server's address, without a slash at its end.
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

        /// Shares the session.
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
