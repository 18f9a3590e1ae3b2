//! A suite that tries to get into your back end without the second factor.
//!
//! You say how a visitor signs in to your back end, by implementing [`Backend`]. [`check`] then plays
//! visitors against it, in a sandbox, and returns a [`Report`]. It tries each [`Case`]: a password
//! alone, a code of somebody else, an expired challenge, a server that is out of order, and more.
//!
//! It takes about fifteen seconds, and advances the clock of the sandbox by an hour.
//!
//! ```no_run
//! use countersign_testkit::backend::{self, Answer, Backend, BackendError};
//! use countersign_testkit::Sandbox;
//!
//! /// A browser in front of your back end, which listens at this address.
//! struct Browser(String);
//!
//! impl Backend for Browser {
//!     async fn sign_in(&self, email: &str, password: &str) -> Result<Answer, BackendError> {
//!         let form = format!("email={email}&password={password}");
//!         match post(&self.0, "/sign-in", &form).await? {
//!             (200, cookie) => Ok(Answer::SignedIn(cookie.into())),
//!             (202, cookie) => Ok(Answer::SecondStep(cookie.into())),
//!             _refused => Ok(Answer::Refused),
//!         }
//!     }
//!
//!     async fn second_step(&self, pending: &str, code: &str) -> Result<Answer, BackendError> {
//!         match post(&self.0, "/code", &format!("pending={pending}&code={code}")).await? {
//!             (200, cookie) => Ok(Answer::SignedIn(cookie.into())),
//!             _refused => Ok(Answer::Refused),
//!         }
//!     }
//!
//!     async fn open(&self, session: &str) -> Result<Option<String>, BackendError> {
//!         let (status, email) = post(&self.0, "/whoami", &format!("session={session}")).await?;
//!         Ok((status == 200).then_some(email))
//!     }
//!
//!     async fn sign_out(&self, session: &str) -> Result<(), BackendError> {
//!         post(&self.0, "/sign-out", &format!("session={session}")).await?;
//!         Ok(())
//!     }
//! }
//!
//! #[tokio::test]
//! async fn nobody_gets_in_without_the_second_factor() {
//!     let sandbox = Sandbox::start().await.expect("a sandbox");
//!     let address = serve_my_app(sandbox.url()).await;
//!     let report = backend::check(&sandbox, Browser(address)).await;
//!     assert!(report.passed(), "{report}");
//! }
//! # async fn post(_: &str, _: &str, _: &str) -> Result<(u16, String), BackendError> { Ok((200, String::new())) }
//! # async fn serve_my_app(_: &str) -> String { String::new() }
//! ```

mod attacks;
mod case;
mod outages;
mod report;
mod visitor;

use std::future::Future;

use countersign_sdk::Secret;

use crate::Sandbox;
use visitor::{Verdict, Visitor};

pub use case::Case;
pub use report::{Outcome, Report};

/// Why the back end could not be asked. The suite shows it, and counts it as a closed door.
///
/// ```
/// use countersign_testkit::backend::BackendError;
///
/// let error: BackendError = "the back end hung up".into();
/// ```
pub type BackendError = Box<dyn std::error::Error + Send + Sync>;

/// What your back end answers to a step of a sign-in.
///
/// ```
/// use countersign_testkit::backend::Answer;
///
/// let answer = Answer::SignedIn("the value of the session cookie".into());
/// ```
#[derive(Clone, Debug)]
pub enum Answer {
    /// The visitor is signed in. The text is what their browser sends from then on: a cookie, or a
    /// token.
    SignedIn(Secret),
    /// A code is asked for. The text is what the browser sends along with it: a cookie, a hidden
    /// field, or the `mfaToken` itself.
    SecondStep(Secret),
    /// The visitor is refused, with whatever error.
    Refused,
}

/// Your back end, as a visitor's browser sees it. See the [module](self) for an example.
///
/// Nothing that the suite needs is kept here: sessions are handed in, so that several visitors can
/// come at once.
///
/// ```
/// use countersign_testkit::backend::{Answer, Backend, BackendError};
///
/// /// A back end that refuses everybody.
/// struct Closed;
///
/// impl Backend for Closed {
///     async fn sign_in(&self, _: &str, _: &str) -> Result<Answer, BackendError> {
///         Ok(Answer::Refused)
///     }
///     async fn second_step(&self, _: &str, _: &str) -> Result<Answer, BackendError> {
///         Ok(Answer::Refused)
///     }
///     async fn open(&self, _: &str) -> Result<Option<String>, BackendError> {
///         Ok(None)
///     }
///     async fn sign_out(&self, _: &str) -> Result<(), BackendError> {
///         Ok(())
///     }
/// }
/// ```
pub trait Backend: Sync {
    /// Types address and password into the page of your back end. Returns what it answers.
    ///
    /// # Errors
    /// Fails if the back end does not answer. An answer that refuses is [`Answer::Refused`].
    fn sign_in(
        &self,
        email: &str,
        password: &str,
    ) -> impl Future<Output = Result<Answer, BackendError>> + Send;

    /// Types a code: of the method, or a recovery code. `pending` is the text of
    /// [`Answer::SecondStep`].
    ///
    /// # Errors
    /// Fails if the back end does not answer.
    fn second_step(
        &self,
        pending: &str,
        code: &str,
    ) -> impl Future<Output = Result<Answer, BackendError>> + Send;

    /// Asks for something that only signed-in people see. `session` is the text of
    /// [`Answer::SignedIn`], or what an attacker sends in its place. Returns the address of the
    /// account that it was opened for, and `None` if it stayed closed.
    ///
    /// # Errors
    /// Fails if the back end does not answer.
    fn open(
        &self,
        session: &str,
    ) -> impl Future<Output = Result<Option<String>, BackendError>> + Send;

    /// Signs out.
    ///
    /// # Errors
    /// Fails if the back end does not answer.
    fn sign_out(&self, session: &str) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Tells whether your back end asks the server at each request if the session still counts, as
    /// by `POST /identity/validate-token` or `GET /identity/me`. If it only checks the signature
    /// of an access token, return `false`: it learns of a deleted account when the token expires,
    /// after fifteen minutes by default, so [`Case::DeletedAccount`] is skipped.
    fn asks_at_each_request(&self) -> bool {
        true
    }
}

impl<B: Backend + ?Sized> Backend for &B {
    fn sign_in(
        &self,
        email: &str,
        password: &str,
    ) -> impl Future<Output = Result<Answer, BackendError>> + Send {
        (**self).sign_in(email, password)
    }

    fn second_step(
        &self,
        pending: &str,
        code: &str,
    ) -> impl Future<Output = Result<Answer, BackendError>> + Send {
        (**self).second_step(pending, code)
    }

    fn open(
        &self,
        session: &str,
    ) -> impl Future<Output = Result<Option<String>, BackendError>> + Send {
        (**self).open(session)
    }

    fn sign_out(&self, session: &str) -> impl Future<Output = Result<(), BackendError>> + Send {
        (**self).sign_out(session)
    }

    fn asks_at_each_request(&self) -> bool {
        (**self).asks_at_each_request()
    }
}

/// Tries every [`Case`] on a back end that uses this sandbox as its server.
///
/// ```
/// # use countersign_testkit::{Sandbox, backend};
/// # async fn example(sandbox: Sandbox, my_app: impl backend::Backend) {
/// let report = backend::check(&sandbox, my_app).await;
/// assert!(report.passed(), "{report}");
/// # }
/// ```
pub async fn check(sandbox: &Sandbox, backend: impl Backend) -> Report {
    let visitor = Visitor {
        sandbox,
        backend: &backend,
    };
    let mut outcomes = Vec::with_capacity(Case::ALL.len());
    for case in Case::ALL {
        outcomes.push((case, outcome(visitor.tries(case).await)));
    }
    Report::of(outcomes)
}

/// Tries one [`Case`], for a test of its own for each.
///
/// ```
/// # use countersign_testkit::{Sandbox, backend};
/// # async fn example(sandbox: Sandbox, my_app: impl backend::Backend) {
/// use countersign_testkit::backend::{Case, Outcome};
///
/// let outcome = backend::check_one(&sandbox, my_app, Case::PasswordAlone).await;
/// assert_eq!(outcome, Outcome::Passed);
/// # }
/// ```
pub async fn check_one(sandbox: &Sandbox, backend: impl Backend, case: Case) -> Outcome {
    let visitor = Visitor {
        sandbox,
        backend: &backend,
    };
    outcome(visitor.tries(case).await)
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Ok(()) => Outcome::Passed,
        Err(outcome) => outcome,
    }
}
