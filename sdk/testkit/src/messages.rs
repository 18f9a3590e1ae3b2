//! The mails and text messages that a test waits for. Each is read once.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_sdk::sandbox::types::SentMessage;

use crate::error::refused;
use crate::{Error, Sandbox};

/// How long a test waits for a message that it has caused.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many seconds one call of the sandbox waits for a message.
const WAIT: u32 = 5;

/// Mails and text messages.
impl Sandbox {
    /// Waits for a mail or text message to an address or number, and returns the next one that this
    /// method or [`Sandbox::last_code_to`] has not returned yet. With `kind`, messages of other
    /// kinds are passed over; `SentMessage::kind` lists the kinds.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let mail = sandbox.wait_for_message("alice@example.com", Some("login_code")).await?;
    /// assert!(mail.text.contains("If this was not you"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoMessage`] if none comes within ten seconds.
    pub async fn wait_for_message(
        &self,
        to: &str,
        kind: Option<&str>,
    ) -> Result<SentMessage, Error> {
        let fits = |message: &SentMessage| kind.is_none_or(|kind| message.kind == kind);
        self.message(to, |messages| messages.into_iter().find(fits))
            .await
    }

    /// Waits for a message with a code to an address or number, and returns the code. Each code is
    /// returned once. If several came since, it is the newest one.
    ///
    /// ```
    /// # async fn example(sandbox: countersign_testkit::Sandbox) -> Result<(), countersign_testkit::Error> {
    /// let alice = sandbox.user_with_email().await?;
    /// // … your page signs Alice in with her password …
    /// let code = sandbox.last_code_to(&alice.email).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoMessage`] if none comes within ten seconds.
    pub async fn last_code_to(&self, to: &str) -> Result<String, Error> {
        let newest = |messages: Vec<SentMessage>| {
            let mut coded = messages.into_iter().rev();
            coded.find(|message| message.code.is_some())
        };
        let message = self.message(to, newest).await?;
        message.code.ok_or(Error::Unfit("a message lost its code"))
    }

    /// Waits until one of the unread messages to somebody is chosen. It and those before it count as
    /// read then.
    async fn message(
        &self,
        to: &str,
        choose: impl Fn(Vec<SentMessage>) -> Option<SentMessage>,
    ) -> Result<SentMessage, Error> {
        let begun = Instant::now();
        let mut after = self.read().get(to).copied().unwrap_or_default();
        loop {
            let arrived = self.tools.list_messages().to(to).after(after).wait(WAIT);
            let arrived = arrived.await.map_err(refused)?.messages;
            if let Some(last) = arrived.last() {
                after = last.number;
                if let Some(message) = choose(arrived) {
                    self.read().insert(to.to_owned(), message.number);
                    return Ok(message);
                }
            }
            if begun.elapsed() >= PATIENCE {
                return Err(Error::NoMessage {
                    to: to.to_owned(),
                    waited: PATIENCE,
                });
            }
        }
    }

    /// Notes that all messages to somebody up to now are of no interest.
    pub(crate) async fn pass_over(&self, to: &str) -> Result<(), Error> {
        let now = self.tools.get_sandbox().await.map_err(refused)?;
        self.read().insert(to.to_owned(), now.last_message);
        Ok(())
    }

    /// Returns, for each address, the number of the last message to it that was read.
    pub(crate) fn read(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
