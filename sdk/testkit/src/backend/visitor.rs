//! Somebody in front of a back end: signs in as they should, or looks for a door that is open.

use std::fmt::Display;

use countersign_sdk::Secret;

use super::{Answer, Backend, BackendError, Case, Outcome};
use crate::{Error, Sandbox, User};

/// How a case ended if it did not pass.
pub(super) type Verdict<T = ()> = Result<T, Outcome>;

/// A visitor of a back end that uses a sandbox.
pub(super) struct Visitor<'a, B> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) backend: &'a B,
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        untried(error)
    }
}

/// The case could not be tried.
pub(super) fn untried(why: impl Display) -> Outcome {
    Outcome::Untried(why.to_string())
}

/// Somebody got in.
pub(super) fn failed(how: impl Display) -> Outcome {
    Outcome::Failed(how.to_string())
}

impl<B: Backend> Visitor<'_, B> {
    /// Tries a case.
    pub(super) async fn tries(&self, case: Case) -> Verdict {
        match case {
            Case::RightSignIn => self.right_sign_in().await,
            Case::MadeUpSession => self.made_up_session().await,
            Case::ForgedToken => self.forged_token().await,
            Case::PasswordAlone => self.password_alone().await,
            Case::ChallengeAsSession => self.challenge_as_session().await,
            Case::WrongCode => self.wrong_code().await,
            Case::EmptyCode => self.empty_code().await,
            Case::UsedCode => self.used_code().await,
            Case::UsedRecoveryCode => self.used_recovery_code().await,
            Case::CodeOfAnother => self.code_of_another().await,
            Case::CrossedSignIns => self.crossed_sign_ins().await,
            Case::LockedMethod => self.locked_method().await,
            Case::RefusedCode => self.refused_code().await,
            Case::OutageAtPassword => self.outage_at_password().await,
            Case::OutageAtCode => self.outage_at_code().await,
            Case::OutageAtRequest => self.outage_at_request().await,
            Case::EndedSession => self.ended_session().await,
            Case::DeletedAccount => self.deleted_account().await,
            Case::ExpiredChallenge => self.expired_challenge().await,
        }
    }

    /// Types the password, as the user should. Returns what goes along with the code.
    pub(super) async fn begin(&self, user: &User) -> Verdict<Secret> {
        let password = user.password.expose();
        match self.backend.sign_in(&user.email, password).await {
            Ok(Answer::SecondStep(pending)) => Ok(pending),
            Ok(Answer::SignedIn(_)) => Err(untried(
                "The back end asked for no code, though the user has a second factor.",
            )),
            Ok(Answer::Refused) => Err(untried("The back end refused the right password.")),
            Err(error) => Err(unanswered(&error)),
        }
    }

    /// Types the right code. Returns the session, which opens the user's own resource.
    pub(super) async fn finish(
        &self,
        user: &User,
        pending: &Secret,
        code: &str,
    ) -> Verdict<Secret> {
        let session = match self.backend.second_step(pending.expose(), code).await {
            Ok(Answer::SignedIn(session)) => session,
            Ok(Answer::SecondStep(_) | Answer::Refused) => {
                return Err(untried("The back end refused the right code."));
            }
            Err(error) => return Err(unanswered(&error)),
        };
        match self.backend.open(session.expose()).await {
            Ok(Some(whose)) if whose.eq_ignore_ascii_case(&user.email) => Ok(session),
            Ok(Some(whose)) => Err(failed(format!(
                "{} signed in, and was shown what belongs to {whose}.",
                user.email
            ))),
            Ok(None) => Err(untried(
                "The resource stayed closed after the right password and the right code.",
            )),
            Err(error) => Err(unanswered(&error)),
        }
    }

    /// Signs in as the user should, with an authenticator app.
    pub(super) async fn signed_in(&self, user: &User) -> Verdict<Secret> {
        let pending = self.begin(user).await?;
        let code = self.app_code(user).await?;
        self.finish(user, &pending, &code).await
    }

    /// Returns what the user's app shows.
    pub(super) async fn app_code(&self, user: &User) -> Verdict<String> {
        Ok(self.sandbox.totp_code(user.totp_secret()).await?)
    }

    /// Types a code that must not help.
    pub(super) async fn must_refuse(&self, pending: &Secret, code: &str, how: &str) -> Verdict {
        let answer = self.backend.second_step(pending.expose(), code).await;
        self.must_not_let_in(answer, how).await?;
        self.must_stay_closed(
            pending,
            &format!("{how}, then what the first step returned"),
        )
        .await
    }

    /// Looks at an answer that must let nobody in. No answer at all lets nobody in, either.
    pub(super) async fn must_not_let_in(
        &self,
        answer: Result<Answer, BackendError>,
        how: &str,
    ) -> Verdict {
        match answer {
            Ok(Answer::SignedIn(session) | Answer::SecondStep(session)) => {
                self.must_stay_closed(&session, how).await
            }
            Ok(Answer::Refused) | Err(_) => Ok(()),
        }
    }

    /// Sends something as a session that is none.
    pub(super) async fn must_stay_closed(&self, session: &Secret, how: &str) -> Verdict {
        match self.backend.open(session.expose()).await {
            Ok(Some(whose)) => Err(failed(format!(
                "The resource of {whose} opened. What was sent: {how}."
            ))),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Begins a sign-in at the server itself, past the back end, as an attacker can who knows the
    /// password. Returns the `mfaToken`.
    pub(super) async fn mfa_token(&self, user: &User) -> Verdict<Secret> {
        use countersign_sdk::identity::types::{LoginAnswer, LoginRequest};

        let request = LoginRequest::new(&user.email, &user.password);
        match self.sandbox.client().login(request).await {
            Ok(LoginAnswer::MfaRequired(asked)) => Ok(asked.mfa_token),
            Ok(_other) => Err(untried("The server asked for no code.")),
            Err(error) => Err(untried(error)),
        }
    }
}

fn unanswered(error: &BackendError) -> Outcome {
    untried(format!("The back end did not answer: {error}"))
}
