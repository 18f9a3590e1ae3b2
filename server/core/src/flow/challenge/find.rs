//! Finds a challenge again, by its reference, by its link or by its session, with all that its answer is judged
//! by.

use crate::app::Ctx;
use crate::factor::Answer;
use crate::flow::{Act, Question};
use crate::model::challenge::Challenge;
use crate::model::factor::kinds_on;
use crate::model::kinds::{FactorKind, Purpose};
use crate::model::reference::{Reference, ReferenceKind};
use crate::model::session::Caller;
use crate::model::user::User;
use crate::model::{ChallengeId, Error, FactorId, Refusal, Result, Secret, UserId};
use crate::store::{QuestionRows, Tx, challenges, factors, users};
use crate::vault;

/// Finds the challenge of an `mfaToken`, and checks that it is alive and has this purpose.
///
/// # Errors
/// Refuses an unknown, forged, used or expired reference, and one for another purpose. Nothing is written for
/// these, except that an expired challenge is ended.
pub async fn find(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Option<Purpose>,
) -> Result<Question> {
    let reference = Reference::parse(ReferenceKind::Challenge, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    let (user, row) = (reference.user(), reference.row());
    let digest = vault::digest(reference.secret.expose());
    let rows = ctx.store.question(user, row).await?;
    let rows = rows
        .filter(|rows| vault::same(&digest, &rows.challenge.secret_hash))
        .ok_or(Refusal::MfaTokenInvalid)?;
    let alive = match purpose {
        Some(purpose) => rows.challenge.judge(purpose, now),
        None => rows.challenge.judge_alive(now),
    };
    end_over(ctx, act, user, row, alive.map_err(Error::from)).await?;
    asked(ctx, rows).await
}

/// Finds the challenge of an `mfaToken` that no session began: a sign-in, or the second step before a new
/// password.
///
/// # Errors
/// As [`find`].
pub async fn find_without_session(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
) -> Result<Question> {
    let question = find(ctx, act, token, None).await?;
    match question.challenge.purpose {
        Purpose::Login | Purpose::PasswordReset => Ok(question),
        Purpose::Setup | Purpose::Disable | Purpose::StepUp | Purpose::Action => {
            Err(Refusal::MfaWrongPurpose.into())
        }
    }
}

/// Ends a challenge that was found to be expired, so that it stays expired if the clock goes back.
async fn end_over<T>(
    ctx: &Ctx,
    act: &Act,
    user: UserId,
    row: ChallengeId,
    found: Result<T>,
) -> Result<T> {
    if let Err(Error::Refused(Refusal::MfaTokenExpired)) = found {
        end(ctx, act, user, row).await;
    }
    found
}

async fn end(ctx: &Ctx, act: &Act, user: UserId, row: ChallengeId) {
    let now = act.now;
    let ended = ctx.write(move |tx| challenges::end_over(tx, user, row, now));
    if let Err(error) = ended.await {
        // The caller gets the refusal in any case.
        tracing::warn!(?error, "a challenge that is over was not ended");
    }
}

/// Finds the sign-in of a reference that was sent as a bearer. It lives as long as its codes or its link,
/// whichever ends later.
///
/// # Errors
/// As [`find`].
pub async fn find_of_bearer(ctx: &Ctx, act: &Act, token: &Secret<String>) -> Result<Question> {
    let reference = Reference::parse(ReferenceKind::Challenge, token.expose())
        .ok_or(Refusal::MfaTokenInvalid)?;
    let now = act.now;
    let (user, row) = (reference.user(), reference.row());
    let found = ctx.read(move |tx| {
        let found = challenges::find_with_user(tx, reference.user(), reference.row())?;
        let digest = vault::digest(reference.secret.expose());
        let kept = |(found, _): &(Challenge, User)| vault::same(&digest, &found.secret_hash);
        let (mut challenge, user) = found.filter(kept).ok_or(Refusal::MfaTokenInvalid)?;
        if let (Some(_), Some(ends)) = (&challenge.link_hash, challenge.link_expires_at) {
            challenge.expires_at = challenge.expires_at.max(ends);
        }
        challenge.judge(Purpose::Login, now)?;
        question_of(tx, challenge, user)
    });
    let found = found.await;
    end_over(ctx, act, user, row, found).await
}

/// Finds the challenge of an `mfaToken` for an answer. If `answer` is the link of its mail, its codes may
/// have expired already, since a link lives longer.
///
/// # Errors
/// As [`find`].
pub async fn find_to_answer(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Purpose,
    answer: &Answer,
) -> Result<Question> {
    let Answer::Link(link) = answer else {
        return find(ctx, act, token, Some(purpose)).await;
    };
    let Some(held) = Reference::parse(ReferenceKind::Challenge, token.expose()) else {
        return Err(Refusal::MfaTokenInvalid.into());
    };
    if (link.user, link.row) != (held.user, held.row) {
        return other_link(ctx, act, token, purpose).await;
    }
    let Ok(question) = find_by_link(ctx, act, link).await else {
        return other_link(ctx, act, token, purpose).await;
    };
    let digest = vault::digest(held.secret.expose());
    if !vault::same(&digest, &question.challenge.secret_hash) {
        return Err(Refusal::MfaTokenInvalid.into());
    }
    question.challenge.judge(purpose, act.now)?;
    extend(ctx, question).await
}

/// Refuses a link of another challenge, or one that a newer mail replaced. This costs no try, since nobody
/// can guess a link.
async fn other_link(
    ctx: &Ctx,
    act: &Act,
    token: &Secret<String>,
    purpose: Purpose,
) -> Result<Question> {
    let question = find(ctx, act, token, Some(purpose)).await?;
    question.judge_tries(act)?;
    let attempts_remaining = question.challenge.attempts_remaining(act.policy());
    Err(Refusal::InvalidMfaCode { attempts_remaining }.into())
}

/// Finds the challenge of a mailed link, whatever its purpose, and checks that the link is alive. A link may
/// outlive its challenge, which then lives until the link expires.
///
/// # Errors
/// Refuses an unknown, replaced or expired link, and one whose challenge is over.
pub async fn find_by_link(ctx: &Ctx, act: &Act, link: &Reference) -> Result<Question> {
    let now = act.now;
    let (user, row) = (link.user(), link.row());
    let digest = vault::digest(link.secret.expose());
    let found = ctx.read(move |tx| {
        let found = challenges::find_with_user(tx, user, row)?;
        let kept = |(found, _): &(Challenge, User)| {
            let hash = found.link_hash.as_deref();
            hash.is_some_and(|hash| vault::same(&digest, hash))
        };
        let (mut challenge, user) = found.filter(kept).ok_or(Refusal::MfaTokenInvalid)?;
        let ends = challenge.link_expires_at.unwrap_or(challenge.expires_at);
        challenge.expires_at = challenge.expires_at.max(ends);
        challenge.judge_alive(now)?;
        if challenge.last_sent_at.is_some_and(|at| at.is_to_come(now)) {
            // The clock has gone back since it was mailed. That must not lengthen its life.
            return Err(Refusal::MfaTokenExpired.into());
        }
        question_of(tx, challenge, user)
    });
    let found = found.await;
    end_over(ctx, act, user, row, found).await
}

/// Finds the newest live challenge that a session began for this purpose, for APIs whose clients send no
/// reference.
///
/// # Errors
/// Refuses if there is none.
pub async fn find_by_session(
    ctx: &Ctx,
    act: &Act,
    caller: &Caller,
    purpose: Purpose,
    fits: impl Fn(&Challenge) -> bool + Send + 'static,
) -> Result<Question> {
    let (user_id, session_id, now) = (caller.user.id, caller.session.id, act.now);
    let found = ctx.read(move |tx| {
        let live = challenges::live(tx, user_id, now)?;
        // A challenge whose factor was displaced by another set-up is not found.
        let standing = factors::of_user(tx, user_id)?;
        let stands = |id: FactorId| standing.iter().any(|factor| factor.id == id);
        let challenge = live
            .into_iter()
            .filter(|one| one.factor_id.is_none_or(stands) && one.judge_alive(now).is_ok())
            .find(|one| one.purpose == purpose && one.session_id == Some(session_id) && fits(one));
        match challenge {
            Some(challenge) => {
                let user = users::find(tx, user_id)?.ok_or(Refusal::UserNotFound)?;
                Ok(SessionChallenges::Live(Box::new(question_of(
                    tx, challenge, user,
                )?)))
            }
            None => Ok(SessionChallenges::Over(challenges::over(
                tx, user_id, session_id, now,
            )?)),
        }
    });
    match found.await? {
        SessionChallenges::Live(question) => Ok(*question),
        SessionChallenges::Over(rows) => {
            // They are ended, so that they stay expired if the clock goes back.
            for row in rows {
                end(ctx, act, user_id, row).await;
            }
            Err(Refusal::MfaMethodNotConfigured.into())
        }
    }
}

/// What was found of a session's challenges: the one that is alive, or those that have expired.
enum SessionChallenges {
    Live(Box<Question>),
    Over(Vec<ChallengeId>),
}

/// Reads the rest of what the challenge is judged by, in the job that read it.
fn question_of(tx: &mut Tx, challenge: Challenge, user: User) -> Result<Question> {
    let rows = QuestionRows {
        factors: factors::of_user(tx, user.id)?,
        counters: factors::all_attempts(tx, user.id)?,
        challenge,
        user,
    };
    let enforced = users::enforced(tx, &rows.user)?;
    Question::of(rows, enforced)
}

/// Does the same with rows that were read already. What the organisation demands matters only while no factor
/// is on.
async fn asked(ctx: &Ctx, rows: QuestionRows) -> Result<Question> {
    let asks_organisation =
        rows.user.organisation_id.is_some() && kinds_on(&rows.factors).is_empty();
    let enforced = asks_organisation && {
        let user = rows.user.clone();
        ctx.read(move |tx| users::enforced(tx, &user)).await?
    };
    Question::of(rows, enforced)
}

/// Extends the challenge in the database until its link expires.
///
/// # Errors
/// Refuses a challenge that is over meanwhile.
pub async fn extend(ctx: &Ctx, question: Question) -> Result<Question> {
    ctx.write(
        move |tx| match challenges::go_on(tx, &question.challenge)? {
            true => Ok(question.clone()),
            false => Err(Refusal::MfaTokenInvalid.into()),
        },
    )
    .await
}

/// Switches the challenge to this method, without sending anything.
///
/// # Errors
/// Refuses a challenge that is over, and a method that sign-in does not accept.
pub async fn switch(ctx: &Ctx, question: Question, method: FactorKind) -> Result<Question> {
    if question.challenge.kind == method.into() {
        return Ok(question);
    }
    question.judge_method(method)?;
    ctx.write(move |tx| {
        if !challenges::switch(tx, &question.challenge, method)? {
            return Err(Refusal::MfaTokenInvalid.into());
        }
        let mut switched = question.clone();
        switched.challenge.kind = method.into();
        switched.attempts =
            factors::attempts(tx, question.user.id, question.counted(method.into()))?;
        Ok(switched)
    })
    .await
}
