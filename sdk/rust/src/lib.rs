//! A typed client for Countersign, the self-hosted MFA server: sign-in with a second factor.
//!
//! # A first sign-in
//!
//! ```no_run
//! use countersign_sdk::identity::types::VerifyMfaLoginError;
//! use countersign_sdk::identity::{Refused, SignIn};
//! use countersign_sdk::{Client, Failure};
//!
//! async fn sign_in(email: &str, password: &str) -> Result<Client, Failure> {
//!     let client = Client::new("https://id.example.com").expect("a good address");
//!     let mut step = client.sign_in(email, password).await?;
//!     while let SignIn::Challenge(challenge) = step {
//!         let code = ask(challenge.message());
//!         step = match challenge.answer(code).await {
//!             Ok(signed_in) => SignIn::Done(signed_in),
//!             Err(Refused {
//!                 open,
//!                 error: VerifyMfaLoginError::InvalidMfaCode { attempts_remaining, .. },
//!             }) if attempts_remaining > 0 => SignIn::Challenge(open),
//!             Err(refused) => return Err(refused.into()),
//!         };
//!     }
//!     println!("Hello, {}!", client.get_current_user().await?.email);
//!     Ok(client) // renews its tokens by itself; client.logout() ends the session
//! }
//! # fn ask(question: &str) -> String { question.to_owned() }
//! ```
//!
//! `examples/sign_in.rs` does everything from registration to the second sign-in, against a server on your machine.
//!
//! # What to know
//!
//! * **One client for each user.** [`Client`] has one session. Its clones share it, and so do
//!   clients of other documents that are made from it.
//!   [`Client::new_session`](identity::Client::new_session) makes a client for another user over
//!   the same connections. [`sign_in_with`](identity::Client::sign_in_with) accepts any answer with
//!   tokens; `logout()` signs out.
//! * **A call is made when it is awaited.** Before that, it can be given a timeout, headers or a
//!   request id: see [`Call`].
//! * **Tokens are renewed automatically** shortly before they expire, or when the server says that
//!   they have. However many calls wait, there is one renewal. To stay signed in over a restart,
//!   store [`Session`].
//! * **Actions that need fresh proof** ask for it through one callback, [`Builder::step_up`], and
//!   are then repeated.
//! * **Errors are typed.** Each operation has an `<Operation>Error` to match on. Its last variant,
//!   `Other`, stands for what this version does not know. If it does not matter which error it is,
//!   use the trait [`Problem`], or convert to a [`Failure`] with `?`.
//! * **Only safe calls are repeated**, see [`Retry`]; never a call with a code.
//! * **Secrets stay secret.** [`Secret`] shows nothing in `Debug`, nor does anything that contains
//!   one. Plain http is refused unless the server is on this machine.
//! * **Calls run on tokio**, or in a browser (`wasm32-unknown-unknown`). In a browser, nothing is
//!   repeated after a pause.
//!
//! # Features
//!
//! | Feature | |
//! |---|---|
//! | `identity` (default) | [`identity`], the native API |
//! | `flashback`, `netevia`, `veeam` | the API that mirrors that vendor's, as a module of this name |
//! | `sandbox` | what a test needs of `countersign sandbox`, as a module of this name |
//! | `rustls` (default) | TLS; without it bring your own by [`Builder::http_client`], or use plain http on this machine |
//! | `tracing` (default) | a span for each call, with operation, status, request id and tries |
//! | `blocking` | `call.blocking()` in place of `call.await` |
//! | `mock` | `identity::mock` and its like: a typed stand-in for the server in your own tests |
//!
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(
        feature = "identity",
        feature = "flashback",
        feature = "netevia",
        feature = "sandbox",
        feature = "veeam"
    )),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "each document needs other parts of what all share"
    )
)]

#[cfg(all(feature = "blocking", not(target_arch = "wasm32")))]
mod blocking;
mod call;
mod client;
mod failure;
#[cfg(feature = "flashback")]
#[cfg_attr(docsrs, doc(cfg(feature = "flashback")))]
pub mod flashback;
mod hooks;
#[cfg(feature = "identity")]
#[cfg_attr(docsrs, doc(cfg(feature = "identity")))]
pub mod identity;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;
#[cfg(feature = "netevia")]
#[cfg_attr(docsrs, doc(cfg(feature = "netevia")))]
pub mod netevia;
mod pages;
#[cfg(feature = "sandbox")]
#[cfg_attr(docsrs, doc(cfg(feature = "sandbox")))]
pub mod sandbox;
mod secret;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(feature = "veeam")]
#[cfg_attr(docsrs, doc(cfg(feature = "veeam")))]
pub mod veeam;

pub use call::{Answering, Call, Operation, Response, WithResponse};
pub use client::{ApiClient, BuildError, Builder, Lifted, Retry, Session, StepUp};
pub use failure::{Failure, Problem};
pub use hooks::{AfterRequest, BeforeRequest, HeaderError};
#[cfg(feature = "identity")]
pub use identity::Client;
pub use pages::{Paged, Pages};
pub use secret::Secret;

/// Compiles the README's code with the documentation's.
#[cfg(all(doctest, feature = "mock"))]
#[doc = include_str!("../README.md")]
struct Readme;
