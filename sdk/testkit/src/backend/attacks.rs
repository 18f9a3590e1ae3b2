//! Attempts to get in without the second factor while the server is well.

use std::time::Duration;

use countersign_sdk::Secret;
use countersign_sdk::identity::types::DeleteCurrentUserRequest;

use super::visitor::{Verdict, Visitor, failed, untried};
use super::{Answer, Backend};
use crate::{Error, User};

/// The person whose method is locked in every sandbox.
const LOCKED: &str = "locked@example.com";

/// Longer than any challenge lives: `challenge_seconds` is 900 at most.
const LUNCH: Duration = Duration::from_secs(3600);

/// The header of a token without a signature: `{"alg":"none","typ":"at+jwt"}` (RFC 7519 §6.1).
const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";

impl<B: Backend> Visitor<'_, B> {
    pub(super) async fn right_sign_in(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        self.signed_in(&user).await?;
        Ok(())
    }

    pub(super) async fn made_up_session(&self) -> Verdict {
        for made_up in [
            "",
            "0",
            "1",
            "session",
            "00000000-0000-4000-8000-000000000000",
        ] {
            let how = format!("a made-up session, `{made_up}`");
            self.must_stay_closed(&made_up.into(), &how).await?;
        }
        let user = self.sandbox.user_with_totp().await?;
        for known in [&user.email, &user.id] {
            let how = "what everybody knows of a user, in place of a session";
            self.must_stay_closed(&known.into(), how).await?;
        }
        Ok(())
    }

    pub(super) async fn forged_token(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let session = user.client().session();
        let session = session.ok_or_else(|| untried("The user has no session."))?;
        let token = session.access_token().expose();
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            return Err(untried("The server's access token is no JWT."));
        };
        // Another first letter is another number, whatever the algorithm.
        let (first, rest) = signature.split_at(signature.len().min(1));
        let other = if first == "A" { "B" } else { "A" };
        for (forged, how) in [
            (format!("{UNSIGNED}.{claims}."), "without a signature"),
            (format!("{header}.{claims}."), "whose signature was cut off"),
            (
                format!("{header}.{claims}.{other}{rest}"),
                "whose signature is wrong",
            ),
        ] {
            let how = format!("an access token {how}");
            self.must_stay_closed(&forged.into(), &how).await?;
        }
        Ok(())
    }

    pub(super) async fn password_alone(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let password = user.password.expose();
        let answer = self.backend.sign_in(&user.email, password).await;
        if let Ok(Answer::SignedIn(_)) = answer {
            let how = "the session that the password alone brought";
            return self.must_not_let_in(answer, how).await;
        }
        self.begin(&user).await.map(drop)
    }

    pub(super) async fn challenge_as_session(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let pending = self.begin(&user).await?;
        let how = "what the first step returned, as a session";
        self.must_stay_closed(&pending, how).await?;
        let token = self.mfa_token(&user).await?;
        self.must_stay_closed(&token, "the server's mfaToken, as a session")
            .await
    }

    pub(super) async fn wrong_code(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let pending = self.begin(&user).await?;
        let right = self.app_code(&user).await?;
        let first = if right.starts_with('0') { "1" } else { "0" };
        let wrong = format!("{first}{}", right.get(1..).unwrap_or_default());
        self.must_refuse(&pending, &wrong, "a wrong code").await
    }

    pub(super) async fn empty_code(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let pending = self.begin(&user).await?;
        self.must_refuse(&pending, "", "an empty code").await
    }

    pub(super) async fn used_code(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let (pending, code) = (self.begin(&user).await?, self.app_code(&user).await?);
        self.finish(&user, &pending, &code).await?;
        let pending = self.begin(&user).await?;
        self.must_refuse(&pending, &code, "a code that was used")
            .await
    }

    pub(super) async fn used_recovery_code(&self) -> Verdict {
        let user = self.sandbox.user_with_recovery_codes().await?;
        let code = user.recovery_codes.first().map(Secret::expose);
        let code = code.ok_or(Error::Unfit("there are no recovery codes"))?;
        let pending = self.begin(&user).await?;
        self.finish(&user, &pending, code).await?;
        let pending = self.begin(&user).await?;
        self.must_refuse(&pending, code, "a recovery code that was used")
            .await
    }

    pub(super) async fn code_of_another(&self) -> Verdict {
        let other = self.sandbox.user_with_totp().await?;
        let user = self.sandbox.user_with_totp().await?;
        // The other one is signing in as well, so that a place waits for this very code.
        self.begin(&other).await?;
        let pending = self.begin(&user).await?;
        let code = self.app_code(&other).await?;
        self.must_refuse(&pending, &code, "the code of another person")
            .await
    }

    pub(super) async fn crossed_sign_ins(&self) -> Verdict {
        let (user, other) = (
            self.sandbox.user_with_email().await?,
            self.sandbox.user_with_email().await?,
        );
        let pending = self.begin(&user).await?;
        let of_other = self.begin(&other).await?;
        let code = self.sandbox.last_code_to(&other.email).await?;
        let how = "the code that was mailed to another person, who began to sign in later";
        self.must_refuse(&pending, &code, how).await?;
        self.finish(&other, &of_other, &code).await?;
        Ok(())
    }

    pub(super) async fn locked_method(&self) -> Verdict {
        let people = self.sandbox.tools().list_people().await;
        let people = people.map_err(untried)?.people;
        let locked = people.into_iter().find(|person| person.email == LOCKED);
        let locked = locked.ok_or(Error::Unfit("there is nobody whose method is locked"))?;
        let secret = locked.authenticator_secret.unwrap_or_default();
        let answer = self.backend.sign_in(LOCKED, locked.password.expose()).await;
        let how = "the right code of a method that is locked";
        let Ok(Answer::SecondStep(pending)) = answer else {
            return self.must_not_let_in(answer, how).await;
        };
        let code = self.sandbox.totp_code(&secret).await?;
        self.must_refuse(&pending, &code, how).await
    }

    pub(super) async fn ended_session(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let session = self.signed_in(&user).await?;
        let ended = self.backend.sign_out(session.expose()).await;
        ended.map_err(|error| untried(format!("The back end did not sign out: {error}")))?;
        self.must_stay_closed(&session, "a session after its sign-out")
            .await
    }

    pub(super) async fn deleted_account(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let session = self.signed_in(&user).await?;
        self.delete(&user).await?;
        let how = "address and password of an account that was deleted";
        let again = self.backend.sign_in(&user.email, user.password.expose());
        match again.await {
            Ok(Answer::SignedIn(session)) => self.must_stay_closed(&session, how).await?,
            Ok(Answer::SecondStep(_) | Answer::Refused) | Err(_) => {}
        }
        if !self.backend.asks_at_each_request() {
            return Err(super::Outcome::Skipped(
                "this back end does not ask the server at each request".to_owned(),
            ));
        }
        self.must_stay_closed(&session, "a session of an account that was deleted")
            .await
    }

    async fn delete(&self, user: &User) -> Verdict {
        let request = DeleteCurrentUserRequest::new(&user.password);
        let deleted = user.client().delete_current_user(request).await;
        deleted.map(drop).map_err(untried)
    }

    pub(super) async fn expired_challenge(&self) -> Verdict {
        let user = self.sandbox.user_with_totp().await?;
        let pending = self.begin(&user).await?;
        self.sandbox.advance(LUNCH).await?;
        let code = self.app_code(&user).await?;
        let how = "the right code, an hour after the password";
        let refused = self.must_refuse(&pending, &code, how).await;
        refused?;
        // A back end that refuses everything after an hour would pass as well.
        self.signed_in(&user)
            .await
            .map(drop)
            .map_err(|outcome| failed(format!("A new sign-in after an hour fails: {outcome:?}")))
    }
}
