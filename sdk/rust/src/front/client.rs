//! What the client of every document has beside its operations: setting up, and who is signed in.

/// Writes it for the `Client` and the table `generated::OPERATIONS` of the module it stands in. `logout` names the
/// operation that ends a session, if the document has one.
macro_rules! client {
    (logout: $logout:expr) => {
        /// What is not generated: setting up, and who is signed in.
        impl Client {
            /// A client of the server at `address`, such as `https://id.example.com`, with the defaults of
            /// [`Front::builder`](crate::Front::builder). No call is made yet.
            ///
            /// # Errors
            ///
            /// When the address is none, or is plain http to another machine than this.
            pub fn at(address: &str) -> Result<Self, crate::BuildError> {
                let front = crate::Front::builder(address).build()?;
                Ok(Self::from(&front))
            }

            /// A client that sends this bearer, however it was got, and never renews it; see
            /// [`Session::bearer`](crate::Session::bearer).
            ///
            /// # Errors
            ///
            /// As [`Client::at`].
            pub fn with_bearer(
                address: &str,
                token: impl Into<crate::Secret>,
            ) -> Result<Self, crate::BuildError> {
                let client = Self::at(address)?;
                client.sign_in_with(crate::Session::bearer(token));
                Ok(client)
            }

            /// What this client shares with the clients of other documents.
            #[must_use]
            pub fn front(&self) -> &crate::Front {
                &self.inner
            }

            /// A client of the same server, signed in as nobody; see [`Front::apart`](crate::Front::apart).
            #[must_use]
            pub fn apart(&self) -> Self {
                Self::from(&self.inner.apart())
            }

            /// From now on, calls are made as the user whose tokens these are; see
            /// [`Front::sign_in_with`](crate::Front::sign_in_with).
            pub fn sign_in_with(&self, tokens: impl Into<crate::Session>) {
                self.inner.sign_in_with(tokens);
            }

            /// The session, to be stored; see [`Front::session`](crate::Front::session).
            #[must_use]
            pub fn session(&self) -> Option<crate::Session> {
                self.inner.session()
            }

            /// Whether somebody is signed in, as far as this side knows.
            #[must_use]
            pub fn is_signed_in(&self) -> bool {
                self.inner.is_signed_in()
            }
        }

        impl From<&crate::Front> for Client {
            fn from(front: &crate::Front) -> Self {
                Self::new_with_client(front.address(), front.http().clone(), front.clone())
            }
        }

        impl progenitor_client::ClientHooks<crate::Front> for Client {
            async fn pre<E>(
                &self,
                request: &mut reqwest::Request,
                info: &progenitor_client::OperationInfo,
            ) -> Result<(), Error<E>> {
                let operation = crate::front::operation(generated::OPERATIONS, info);
                let prepared = self.inner.prepare(request, operation).await;
                prepared.map_err(Error::Custom)
            }

            async fn exec(
                &self,
                request: reqwest::Request,
                info: &progenitor_client::OperationInfo,
            ) -> reqwest::Result<reqwest::Response> {
                let operation = crate::front::operation(generated::OPERATIONS, info);
                let outcome = self.inner.execute(&self.client, request, operation).await;
                if Some(info.operation_id) == LOGOUT {
                    self.inner.after_logout(&outcome);
                }
                outcome
            }
        }

        /// The operation that ends a session.
        const LOGOUT: Option<&str> = $logout;

        #[cfg(test)]
        #[test]
        fn the_operation_that_ends_a_session_is_in_the_table() {
            let known = |id| generated::OPERATIONS.iter().any(|row| row.id == id);
            assert!(LOGOUT.is_none_or(known));
        }
    };
}
pub(crate) use client;
