//! A typed client for Countersign, the self-hosted MFA server: sign-in with a second factor.
//!
//! # A first sign-in
//!
//! ```no_run
//! use countersign_sdk::Failure;
//! use countersign_sdk::identity::{Client, Error, types::*};
//!
//! async fn sign_in(email: &str, password: &str) -> Result<Client, Failure> {
//!     let client = Client::at("https://id.example.com").expect("a good address");
//!     let login = LoginRequest { email: email.into(), password: password.into() };
//!
//!     match client.login().body(login).send().await?.into_inner() {
//!         LoginAnswer::TokenResponse(tokens) => client.sign_in_with(&tokens),
//!         LoginAnswer::MfaRequiredResponse(step) => loop {
//!             let code = ask(&format!("Your code ({}): ", step.method));
//!             let proof = MfaVerifyRequest { mfa_token: step.mfa_token.clone(), code: code.into() };
//!             match client.verify_mfa_login().body(proof).send().await {
//!                 Ok(tokens) => break client.sign_in_with(&tokens),
//!                 Err(Error::ErrorResponse(answer)) => match answer.into_inner() {
//!                     VerifyMfaLoginError::InvalidMfaCodeErrorResponse(wrong) if wrong.attempts_remaining > 0 => {
//!                         println!("{} {} tries left.", wrong.message, wrong.attempts_remaining);
//!                     }
//!                     other => panic!("start again: {other:?}"),
//!                 },
//!                 Err(other) => return Err(other.into()),
//!             }
//!         },
//!     }
//!     println!("Hello, {}!", client.get_current_user().send().await?.email);
//!     Ok(client) // renews its tokens by itself; client.logout() ends the session
//! }
//! # fn ask(question: &str) -> String { question.to_owned() }
//! ```
//!
//! `examples/sign_in.rs` does everything from registration to the second sign-in, against a server on your machine.
//!
//! # What to know
//!
//! * **One client for each user.** [`identity::Client`] holds one session; its clones share it. [`identity::Client::apart`]
//!   makes a client for another user over the same connections. It is signed in by
//!   [`sign_in_with`](identity::Client::sign_in_with), which takes any answer with tokens, and signed out by `logout()`.
//! * **Tokens renew themselves** shortly before they expire, or when the server says that they have; however many calls
//!   wait, there is one renewal. To stay signed in over a restart, store [`Session`].
//! * **Acts that need fresh proof** ask for it through one callback, [`Builder::step_up`], and are then made again.
//! * **Errors are typed.** Each operation has an `<Operation>Error` to match on; a reason that this version does not know is
//!   its last variant, `ErrorResponse`. Where it does not matter which, ask a [`Problem`] or use `?` into a [`Failure`].
//! * **Only what is safe is repeated**, see [`Repeats`]; never a call that carries a code.
//! * **Secrets stay secret.** [`Secret`] shows nothing in `Debug`, nor does anything that holds one. Plain http is refused
//!   unless the server is on this machine.
//! * **Calls run on tokio.**
//!
//! # Features
//!
//! | Feature | |
//! |---|---|
//! | `identity` (default) | [`identity`], the native API |
//! | `flashback`, `netevia`, `veeam` | the API that mirrors that vendor's, as a module of this name |
//! | `rustls` (default) | TLS; without it bring your own by [`Builder::http_client`], or use plain http on this machine |
//! | `mock` | `identity::mock` and its like: a typed stand-in for the server in your own tests |
//!
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(
        feature = "identity",
        feature = "flashback",
        feature = "netevia",
        feature = "veeam"
    )),
    expect(
        dead_code,
        unused_imports,
        reason = "there is nothing to stand in front of"
    )
)]

mod failure;
#[cfg(feature = "flashback")]
#[cfg_attr(docsrs, doc(cfg(feature = "flashback")))]
pub mod flashback;
mod front;
#[cfg(feature = "identity")]
#[cfg_attr(docsrs, doc(cfg(feature = "identity")))]
pub mod identity;
#[cfg(feature = "netevia")]
#[cfg_attr(docsrs, doc(cfg(feature = "netevia")))]
pub mod netevia;
mod secret;
#[cfg(feature = "veeam")]
#[cfg_attr(docsrs, doc(cfg(feature = "veeam")))]
pub mod veeam;

pub use failure::{Failure, Problem};
pub use front::{BuildError, Builder, Front, Lifted, Repeats, Session, StepUp};
pub use secret::Secret;

/// The README's code is compiled with the documentation's.
#[cfg(all(doctest, feature = "mock"))]
#[doc = include_str!("../README.md")]
struct Readme;
