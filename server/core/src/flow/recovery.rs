//! Recovery and scratch codes: making a set, replacing an old one, and hashing a typed code.

use crate::app::Ctx;
use crate::factor::{Code, recovery};
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

/// A new set of codes, drawn and hashed outside any write. It is not stored yet.
pub struct SetDraft {
    /// The codes, which are shown only now.
    pub printed: Vec<Secret<String>>,
    kind: CodeSetKind,
    id: CodeSetId,
    salt: [u8; 16],
    hashes: Vec<[u8; 32]>,
    now: Time,
}

/// Draws a set and hashes its codes. It counts against the account that asks.
///
/// # Errors
/// Refuses past `code_sets_per_hour`, and as busy if the hashing queue is full.
pub async fn draft(ctx: &Ctx, act: &Act, asks: UserId, kind: CodeSetKind) -> Result<SetDraft> {
    count(ctx, act, asks, Count::Look).await?;
    let now = act.now;
    let salt = ctx.chance.salt();
    let printed = recovery::draw(&ctx.chance, kind);
    let mut hashes = Vec::with_capacity(printed.len());
    let hasher = ctx.hasher.of(act.source);
    // The codes are hashed one after another, each with its own place in the queue, so that sign-ins get
    // theirs.
    for code in &printed {
        let peppered = recovery::peppered(&ctx.vault, &Code::typed(code));
        hashes.push(hasher.derive(peppered, salt).await?);
    }
    // This comes last: if there was no room to hash all codes, no set was made.
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

/// Whether to check the limit only, or to count a set.
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
    /// Stores the set. A set that counts at once (`live`) replaces the present one. Otherwise it waits until
    /// `factor_id` is proved. That factor must be stored before it.
    ///
    /// # Errors
    /// Returns a fault if the database does not answer.
    pub fn insert(
        &self,
        tx: &mut Tx,
        user_id: UserId,
        factor_id: Option<FactorId>,
        live: bool,
    ) -> Result<()> {
        if live {
            code_sets::end(tx, user_id, self.kind, self.now)?;
            // Wrong codes count per set, so a new set begins without any.
            factors::reset_attempts(tx, user_id, self.kind)?;
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

/// Makes ten new recovery codes. The old ones stop working.
///
/// # Errors
/// Refuses if sign-in asks for no second factor, and a caller without fresh proof. Refuses as busy if the
/// hashing queue is full.
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

/// Checks that the caller may have new codes: they have fresh proof, or their session turned on the account's
/// first method, no longer ago than fresh proof may be. That is when pages show people their codes.
fn judge(act: &Act, caller: &Caller) -> Result<()> {
    let fresh = fresh::judge(act, caller);
    let first = caller
        .factors
        .iter()
        .filter_map(|factor| match factor.state {
            FactorState::On => factor.enabled_at,
            FactorState::Ready | FactorState::Pending => None,
        });
    // If the session passed no second step, it is the one that turned on the first method: all others ended
    // then.
    let set_it_up = |at: Time| {
        let ends = at.plus_seconds(i64::from(act.policy().fresh_for_factors_seconds));
        let session = &caller.session;
        // If the method was turned on in the future, nobody knows how long ago that was.
        let lately = session.moment(act.now) <= ends && !at.is_to_come(act.now);
        let goes_on = !session.passed_second_step() && session.second_step_at.is_some();
        session.created_at <= at && goes_on && lately
    };
    match first.min().is_some_and(set_it_up) {
        true => Ok(()),
        false => fresh,
    }
}

/// Hashes a typed code with a set's salt. This must run outside any write, after the try was taken and
/// committed.
///
/// # Errors
/// Refuses as busy if the hashing queue is full. Returns a fault if the stored salt does not have 16 bytes.
pub async fn hash_try(ctx: &Ctx, act: &Act, salt: &[u8], code: &Code) -> Result<[u8; 32]> {
    let salt: [u8; 16] = salt
        .try_into()
        .map_err(|_| anyhow::anyhow!("a code set's salt has another length"))?;
    let peppered = recovery::peppered(&ctx.vault, code);
    ctx.hasher.of(act.source).derive(peppered, salt).await
}
