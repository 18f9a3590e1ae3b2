//! The second step before a new password.

use crate::app::Ctx;
use crate::factor::Answer;
use crate::flow::answer::{Attempt, Effect, Terms, answer};
use crate::flow::password_reset::change;
use crate::flow::{Act, Question, challenge};
use crate::model::kinds::{AnswerKind, Purpose};
use crate::model::source::Source;
use crate::model::user::{PasswordHash, User};
use crate::model::{Fault, Refusal, Result, Secret};
use crate::store::{Tx, users};

/// A challenge and its answer.
pub struct Verify {
    /// The challenge's reference.
    pub mfa_token: Secret<String>,
    /// The answer.
    pub answer: Answer,
    /// The address that the call came from.
    pub source: Source,
}

/// Judges the second step, and changes the password. Returns how many recovery codes are left, if one was
/// used.
///
/// # Errors
/// Refuses a challenge that is over, and a wrong answer.
pub async fn verify(ctx: &Ctx, command: Verify) -> Result<Option<u32>> {
    let act = Act::begin(ctx, command.source);
    let (token, purpose) = (&command.mfa_token, Purpose::PasswordReset);
    let question = challenge::find_to_answer(ctx, &act, token, purpose, &command.answer).await?;
    question.judge_answerable()?;
    let attempt = Attempt {
        candidates: question.on(),
        question,
        answer: command.answer,
        terms: Terms {
            recovery: true,
            scratch: false,
            tell_clock: false,
        },
    };
    let right = answer(ctx, &act, attempt, NewPassword).await?;
    Ok(right.codes_left)
}

/// A right answer sets the password that the challenge is for.
#[derive(Clone)]
struct NewPassword;

impl Effect for NewPassword {
    type Outcome = ();

    const NOTIFIES: bool = true;

    fn admit(&self, tx: &mut Tx, _act: &Act, question: &Question) -> Result<()> {
        users::lock(tx, question.user.id)
    }

    fn apply(
        &self,
        tx: &mut Tx,
        act: &Act,
        question: &Question,
        _method: AnswerKind,
    ) -> Result<()> {
        let hash = question.challenge.action.clone().ok_or_else(|| {
            Fault::bug(anyhow::anyhow!(
                "a challenge without the password it is for"
            ))
        })?;
        let user = users::find(tx, question.user.id)?
            .filter(User::active)
            .ok_or(Refusal::UserNotFound)?;
        change(tx, act, &user, &PasswordHash::new(hash))
    }
}
