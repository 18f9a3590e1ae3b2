//! Faults, which are ours to mend and never shown to clients, and the error type of all layers below the APIs.

use std::fmt;

use crate::Refusal;

/// A failure of the server or of a part it depends on. It is rolled back, logged once, and never shown to
/// clients.
#[derive(Debug)]
pub struct Fault {
    /// Whether a dependency failed (503, try again) and not the server's own code (500).
    pub dependency: bool,
    /// What happened, for the log only.
    pub cause: anyhow::Error,
}

impl Fault {
    /// A bug of this server: status 500.
    pub fn bug(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            dependency: false,
            cause: cause.into(),
        }
    }

    /// A dependency that fails: status 503.
    pub fn dependency(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            dependency: true,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

/// Why an operation failed. A refusal commits what was written before it, a fault rolls it back.
#[derive(Debug)]
pub enum Error {
    /// The caller may not do this, or must do it differently.
    Refused(Refusal),
    /// The server or a part it depends on failed.
    Fault(Fault),
}

/// What flows, factors and the store return.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        Self::Fault(Fault::bug(cause))
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind as Kind;
        use diesel::result::Error as Diesel;
        let dependency = match &error {
            // Both drivers report a lock, a full disk, an I/O error and a server that is shutting down as
            // `Unknown`.
            Diesel::DatabaseError(
                Kind::ClosedConnection
                | Kind::UnableToSendCommand
                | Kind::SerializationFailure
                | Kind::ReadOnlyTransaction
                | Kind::Unknown,
                _,
            )
            | Diesel::BrokenTransactionManager => true,
            _ => false,
        };
        let cause = anyhow::Error::new(error).context("database");
        Self::Fault(Fault { dependency, cause })
    }
}
