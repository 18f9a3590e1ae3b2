//! Tests of your own back end, with a second factor and without a phone.
//!
//! A [`Sandbox`] is a Countersign server for tests: it shows every mail and code, its clock moves
//! when you say so, and it answers with any documented error. This crate starts one inside your test
//! run, makes people for it, and tries whether your back end can be entered without the second
//! factor ([`backend::check`]).
//!
//! ```no_run
//! use countersign_sdk::identity::SignIn;
//! use countersign_testkit::Sandbox;
//!
//! #[tokio::test]
//! async fn a_code_by_mail_signs_in() -> Result<(), Box<dyn std::error::Error>> {
//!     let sandbox = Sandbox::start().await?;
//!     let alice = sandbox.user_with_email().await?;
//!     let client = sandbox.client();
//!     let SignIn::Challenge(challenge) = client.sign_in(&alice.email, &alice.password).await? else {
//!         panic!("a password alone is not enough");
//!     };
//!     challenge.answer(sandbox.last_code_to(&alice.email).await?).await?;
//!     assert_eq!(client.get_current_user().await?.email, alice.email);
//!     Ok(())
//! }
//! ```
//!
//! # What to know
//!
//! * **The program `countersign` has to be there**: in `PATH`, or where the variable
//!   `COUNTERSIGN_BIN` says. [`Sandbox::start`] runs it on a free port. It ends with the test
//!   process, however that ends, and leaves nothing behind. [`Sandbox::at`] uses one that runs already,
//!   such as a container.
//! * **Each user is somebody new**, so that tests in one sandbox do not meet: [`Sandbox::user`],
//!   [`Sandbox::user_with_totp`], [`Sandbox::user_with_email`], [`Sandbox::user_with_sms`],
//!   [`Sandbox::user_with_passkey`], [`Sandbox::user_with_recovery_codes`].
//! * **The clock belongs to all tests of a sandbox.** A test that calls [`Sandbox::advance`] or
//!   [`Sandbox::reset`] needs a sandbox of its own.
//! * **Access tokens of a sandbox have an issuer of their own**, [`Sandbox::issuer`]. No other
//!   server takes them.

#![forbid(unsafe_code)]

pub mod backend;
mod builder;
mod error;
mod messages;
mod program;
mod sandbox;
mod user;

pub use builder::Builder;
pub use error::Error;
pub use sandbox::Sandbox;
pub use user::User;

pub use countersign_sdk;

/// Compiles the README's code with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
