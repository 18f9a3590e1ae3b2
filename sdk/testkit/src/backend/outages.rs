//! Attempts to get in while the server refuses, fails, or is out of reach.

use super::Backend;
use super::visitor::{Verdict, Visitor, untried};
use crate::{Error, User};

/// The operation that takes the code, and that of the password.
const CODE: &str = "verifyMfaLogin";
const PASSWORD: &str = "login";

/// A fault of the server (500), and one that is over soon (503).
const FAULTS: [&str; 2] = ["INTERNAL", "SERVICE_UNAVAILABLE"];

/// More calls than any client makes for one step.
const ALL: u32 = 100;

impl<B: Backend> Visitor<'_, B> {
    /// Every documented refusal of a code, for a code that is right.
    pub(super) async fn refused_code(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        for error in self.documented(CODE).await? {
            if FAULTS.contains(&error.as_str()) {
                continue;
            }
            let pending = self.begin(&user).await?;
            let code = self.app_code(&user).await?;
            self.sandbox.force_for(&user.email, CODE, &error).await?;
            let how = format!("a code to which the server answers {error}");
            self.must_refuse(&pending, &code, &how).await?;
        }
        Ok(())
    }

    pub(super) async fn outage_at_password(&self) -> Verdict {
        for fault in FAULTS {
            let user = self.sandbox.user_with_totp().await?;
            // Somebody whom the back end knows already: it may remember the password.
            self.signed_in(&user).await?;
            self.fails(&user, PASSWORD, fault).await?;
            let password = user.password.expose();
            let answer = self.backend.sign_in(&user.email, password).await;
            let how = format!("a password while the server answers {fault}");
            self.must_not_let_in(answer, &how).await?;
        }
        Ok(())
    }

    pub(super) async fn outage_at_code(&self) -> Verdict {
        for fault in FAULTS {
            let user = self.sandbox.user_with_totp().await?;
            let pending = self.begin(&user).await?;
            self.fails(&user, CODE, fault).await?;
            let how = format!("a code to which the server answers {fault}");
            self.must_refuse(&pending, "000000", &how).await?;
        }
        Ok(())
    }

    pub(super) async fn outage_at_request(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let (pending, token) = (self.begin(&user).await?, self.mfa_token(&user).await?);
        let other = self.sandbox.user_with_totp().await?;
        let session = self.signed_in(&other).await?;
        let ended = self.backend.sign_out(session.expose()).await;
        ended.map_err(|error| untried(format!("The back end did not sign out: {error}")))?;
        for (of, fault) in [(&user, "SERVICE_UNAVAILABLE"), (&other, "INTERNAL")] {
            self.sandbox.force_all_for(&of.email, fault).await?;
        }
        for (session, what) in [
            (
                &token,
                "the server's mfaToken, as a session, during an outage",
            ),
            (
                &pending,
                "what the first step returned, as a session, during an outage",
            ),
            (&session, "a session after its sign-out, during an outage"),
        ] {
            self.must_stay_closed(session, what).await?;
        }
        Ok(())
    }

    /// Has an operation fail for a user, however often a client tries again.
    async fn fails(&self, user: &User, operation: &str, fault: &str) -> Verdict {
        let email = user.email.as_str();
        Ok(self
            .sandbox
            .force_times(email, operation, fault, ALL)
            .await?)
    }

    /// Returns the codes of the errors that an operation documents.
    async fn documented(&self, operation: &str) -> Verdict<Vec<String>> {
        let listed = self.sandbox.tools().list_operations().await;
        let mut all = listed.map_err(untried)?.operations.into_iter();
        let found = all.find(|one| one.operation_id == operation);
        let found = found.ok_or(Error::Unfit("an operation is gone"))?;
        Ok(found.errors.into_iter().map(|error| error.code).collect())
    }
}
