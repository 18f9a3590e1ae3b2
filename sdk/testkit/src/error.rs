//! Why a sandbox cannot be used, or did not do what a test asked of it.

use std::fmt;
use std::time::Duration;

use countersign_sdk::{BuildError, Failure};

/// What goes wrong between a test and its sandbox.
///
/// ```
/// use countersign_testkit::{Error, Sandbox};
///
/// # async fn example() {
/// match Sandbox::start().await {
///     Ok(_sandbox) => {}
///     Err(Error::Missing { .. }) => eprintln!("skipped: Countersign is not installed"),
///     Err(other) => panic!("{other}"),
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no program `countersign`.
    #[non_exhaustive]
    Missing {
        /// The name or path that was looked for.
        program: String,
    },
    /// The program ended, or said nothing, before it served.
    #[non_exhaustive]
    NotStarted {
        /// The name or path of the program.
        program: String,
        /// What it said, or why it could not be run.
        said: String,
    },
    /// The address cannot be used.
    Address(BuildError),
    /// What answers there is no sandbox, or nothing answers.
    #[non_exhaustive]
    NoSandbox {
        /// The address.
        url: String,
        /// The answer to `GET /sandbox`.
        failure: Failure,
    },
    /// The sandbox refused a call.
    Refused(Failure),
    /// No such message came.
    #[non_exhaustive]
    NoMessage {
        /// The address or number that was to get it.
        to: String,
        /// How long the test waited.
        waited: Duration,
    },
    /// The sandbox is of another version, and its answer lacks something.
    Unfit(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program } => write!(
                formatter,
                "there is no program `{program}`. Install it from a checkout of Countersign with \
                 `cargo install --path server`, or build it there with `cargo build --release` and set \
                 COUNTERSIGN_BIN to the path of target/release/countersign"
            ),
            Self::NotStarted { program, said } => {
                write!(formatter, "`{program} sandbox` does not start: {said}")
            }
            Self::Address(source) => write!(formatter, "the sandbox's address: {source}"),
            Self::NoSandbox { url, failure } => write!(
                formatter,
                "there is no sandbox at {url}: {failure}. Start one with `countersign sandbox`"
            ),
            Self::Refused(failure) => write!(formatter, "the sandbox refused a call: {failure}"),
            Self::NoMessage { to, waited } => write!(
                formatter,
                "no message to {to} came within {} s",
                waited.as_secs()
            ),
            Self::Unfit(lacking) => write!(
                formatter,
                "the sandbox is of another version than this crate: {lacking}"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Address(source) => Some(source),
            Self::NoSandbox { failure, .. } | Self::Refused(failure) => Some(failure),
            Self::Missing { .. }
            | Self::NotStarted { .. }
            | Self::NoMessage { .. }
            | Self::Unfit(_) => None,
        }
    }
}

/// Turns the error of any call of the sandbox into this crate's.
pub(crate) fn refused(error: impl Into<Failure>) -> Error {
    Error::Refused(error.into())
}
