//! The settings of a sandbox that is to be started.

use std::ffi::OsString;

use crate::program::Start;
use crate::{Error, Sandbox};

/// What to start, and how. [`Sandbox::start`] does for most tests.
///
/// ```
/// # async fn example() -> Result<(), countersign_testkit::Error> {
/// let sandbox = countersign_testkit::Builder::default().seed(7).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "settings become a sandbox by `start`"]
pub struct Builder {
    start: Start,
}

impl Builder {
    /// Names the program: a path, or a name to be looked for in `PATH`. By default it is what
    /// `COUNTERSIGN_BIN` names, or else `countersign`.
    ///
    /// ```
    /// let builder = countersign_testkit::Sandbox::builder().program("/opt/countersign");
    /// # drop(builder);
    /// ```
    pub fn program(mut self, program: impl Into<OsString>) -> Self {
        self.start.program = Some(program.into());
        self
    }

    /// Sets what all secrets and codes follow from: the same seed draws the same ones. It is 1 by
    /// default.
    ///
    /// ```
    /// let builder = countersign_testkit::Sandbox::builder().seed(7);
    /// # drop(builder);
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.start.seed = Some(seed);
        self
    }

    /// Sets a setting of the server, by its key in the settings file. Settings in the environment of
    /// the test do not count.
    ///
    /// ```
    /// let builder = countersign_testkit::Sandbox::builder().setting("challenge_seconds", "300");
    /// # drop(builder);
    /// ```
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.start.settings.push((key.into(), value.into()));
        self
    }

    /// Starts it, on a free port.
    ///
    /// ```
    /// # async fn example() -> Result<(), countersign_testkit::Error> {
    /// let sandbox = countersign_testkit::Sandbox::builder().start().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails as [`Sandbox::start`] does.
    pub async fn start(self) -> Result<Sandbox, Error> {
        Sandbox::run(self.start).await
    }
}
