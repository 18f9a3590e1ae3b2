//! Recovery codes: a set printed, one taking another's place, and how a typed code is hashed.

use crate::app::Ctx;
use crate::factor::recovery;
use crate::flow::act::HOUR;
use crate::flow::{Act, fresh};
use crate::model::audit::Event;
use crate::model::code_set::{CodeSet, RecoveryCode};
use crate::model::kinds::{CodeSetKind, FactorState};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::{CodeSetId, FactorId, Refusal, Result, Secret, Time, UserId};
use crate::store::limits::{self, Limit};
use crate::store::{Tx, code_sets, factors};

pub use crate::factor::recovery::looks_like;

/// A set of codes that is printed but not kept yet: drawn and hashed outside any write.
pub struct SetDraft {
    /// The codes, to be shown this once.
    pub printed: Vec<Secret<String>>,
    kind: CodeSetKind,
    id: CodeSetId,
    salt: [u8; 16],
    hashes: Vec<[u8; 32]>,
    now: Time,
}

/// Draws a set and hashes its codes, and counts it against the account that asks.
///
/// # Errors
/// Refuses past the sets of an hour; busy when hashing is.
pub async fn draft(ctx: &Ctx, act: &Act, asks: UserId, kind: CodeSetKind) -> Result<SetDraft> {
    count(ctx, act, asks, Count::Look).await?;
    let now = act.now;
    let salt = ctx.chance.salt();
    let printed = recovery::draw(&ctx.chance, kind);
    let mut hashes = Vec::with_capacity(printed.len());
    let hasher = ctx.hasher.of(act.source);
    // One after the other, each with a place of its own in the queue, so that sign-ins get theirs.
    for code in &printed {
        let peppered = recovery::peppered(&ctx.vault, code);
        hashes.push(hasher.derive(peppered, salt).await?);
    }
    // Last: what found no room for its hashes made no set.
    count(ctx, act, asks, Count::Take).await?;
    Ok(SetDraft {
        printed,
        kind,
        id: ctx.chance.id(now),
        salt,
        hashes,
        now,
    })
}

/// Whether a set is counted, or only whether one more may be.
enum Count {
    Look,
    Take,
}

async fn count(ctx: &Ctx, act: &Act, asks: UserId, how: Count) -> Result<()> {
    let limit = Limit {
        name: "code_sets_hour",
        most: act.policy().code_sets_per_hour,
        window_seconds: HOUR,
    };
    let act = act.clone();
    ctx.write(move |tx| {
        let wait = match how {
            Count::Look => limits::wait_of_user(tx, asks, limit, act.now)?,
            Count::Take => act.take_of_user(tx, asks, limit)?,
        };
        match wait {
            Some(retry_after) => {
                act.refuse_limited(tx, asks, Refusal::TooManyRequests { retry_after })
            }
            None => Ok(()),
        }
    })
    .await
}

impl SetDraft {
    /// Keeps the set: one that counts at once takes the place of the one that did, another waits for
    /// the proof of `factor_id`, which is kept before it.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub fn insert(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        factor_id: Option<FactorId>,
        live: bool,
    ) -> Result<()> {
        if live {
            code_sets::end(tx, user_id, self.kind, self.now)?;
            // Wrong codes are counted for each set: a new one begins without any.
            factors::reset_attempts(tx, user_id, self.kind.method())?;
        }
        let set = CodeSet {
            user_id,
            id: self.id,
            kind: self.kind,
            salt: self.salt.to_vec(),
            factor_id,
            created_at: self.now,
            live_at: live.then_some(self.now),
            ended_at: None,
        };
        let rows: Vec<RecoveryCode> = (0..)
            .zip(&self.hashes)
            .map(|(ordinal, hash)| RecoveryCode {
                user_id,
                set_id: self.id,
                ordinal,
                code_hash: hash.to_vec(),
                used_at: None,
            })
            .collect();
        code_sets::insert(tx, &set, &rows)
    }
}

/// Prints ten new recovery codes; the old ones are worth nothing from then on.
///
/// # Errors
/// Refuses while no second factor is asked for, and a caller without fresh proof; busy when hashing is.
pub async fn regenerate(ctx: &Ctx, caller: Caller, source: Source) -> Result<Vec<Secret<String>>> {
    let act = Act::begin(ctx, source);
    if !caller.factor_on() {
        return Err(Refusal::MfaNotEnabled.into());
    }
    judge(&act, &caller)?;
    let set = draft(ctx, &act, caller.user.id, CodeSetKind::Recovery).await?;
    let printed = set.printed.clone();
    ctx.write(move |tx| {
        let caller = fresh::hold(tx, &act, &caller)?;
        judge(&act, &caller)?;
        set.insert(tx, caller.user.id, None, true)?;
        act.audit(tx, caller.user.id, Event::RecoveryCodesMade, None)?;
        act.notify(tx, &caller.user, Message::RecoveryCodesMade)
    })
    .await?;
    ctx.nudge_courier();
    Ok(printed)
}

/// Judges whether the caller may have new codes: with fresh proof; or in the session that set up the
/// account's first method, at most as long ago, since that is when people are shown them.
fn judge(act: &Act, caller: &Caller) -> Result<()> {
    let fresh = fresh::judge(act, caller);
    let first = caller
        .factors
        .iter()
        .filter_map(|factor| match factor.state {
            FactorState::On => factor.enabled_at,
            FactorState::Ready | FactorState::Pending => None,
        });
    // Without a second step, no other session outlives the first method's going on.
    let set_it_up = |at: Time| {
        let ends = at.plus_seconds(i64::from(act.policy().fresh_for_factors_seconds));
        let session = &caller.session;
        // A method that went on in a time to come tells nothing of how long ago that was.
        let lately = session.moment(act.now) <= ends && !at.is_to_come(act.now);
        let goes_on = !session.passed_second_step() && session.second_step_at.is_some();
        session.created_at <= at && goes_on && lately
    };
    match first.min().is_some_and(set_it_up) {
        true => Ok(()),
        false => fresh,
    }
}

/// How many codes of the set that counts were not used.
///
/// # Errors
/// A fault when the database does not answer.
pub fn remaining(tx: &mut Tx, user_id: UserId, kind: CodeSetKind) -> Result<u32> {
    code_sets::remaining(tx, user_id, kind)
}

/// The hash of a typed code under a set's salt, made outside any write, after the attempt was taken
/// and committed.
///
/// # Errors
/// Busy when hashing is; a fault when the stored salt is not a salt.
pub async fn hash_try(
    ctx: &Ctx,
    act: &Act,
    salt: &[u8],
    code: &Secret<String>,
) -> Result<[u8; 32]> {
    let salt: [u8; 16] = salt
        .try_into()
        .map_err(|_| anyhow::anyhow!("a code set's salt has another length"))?;
    let peppered = recovery::peppered(&ctx.vault, code);
    ctx.hasher.of(act.source).derive(peppered, salt).await
}

/// Uses up the code whose hash this is, in a set that stands; `false` when there is none, or it was
/// used.
///
/// # Errors
/// A fault when the database does not answer.
pub fn spend(tx: &mut Tx, set: &CodeSet, hash: &[u8; 32], now: Time) -> Result<bool> {
    recovery::spend(tx, set, hash, now)
}
