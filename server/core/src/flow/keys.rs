//! Sealing keys, for the operator: seals values of older keys again, and retires older keys that seal
//! nothing.

use crate::app::Ctx;
use crate::model::{FactorId, NoticeId, Result, UserId};
use crate::store::notices;
use crate::store::sealed::{self, SealedCounts};
use crate::vault::Place;

/// How many values one write seals again. With more, other writes would wait too long.
const BATCH: i64 = 200;

/// How far resealing has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many sealed values there were at the start.
    pub total: i64,
    /// How many were checked.
    pub seen: i64,
    /// How many of them were sealed with an older key, and now are with the newest.
    pub anew: i64,
    /// How many could not be opened. The log says which, and why.
    pub closed: i64,
}

/// What happened to the older sealing keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OlderKeys {
    /// The ids of the retired keys.
    pub retired: Vec<String>,
    /// The keys that are still needed, and what they seal.
    pub needed: Vec<(String, SealedCounts)>,
}

/// Seals with the newest key what older keys sealed, in batches, and calls `told` after each. If it is
/// stopped half-way, it can start again, and finished batches stay done.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn reseal(ctx: &Ctx, mut told: impl FnMut(Progress)) -> Result<Progress> {
    let mut progress = Progress {
        total: ctx.read(sealed::count).await?,
        ..Progress::default()
    };
    let mut after = None;
    loop {
        let rows = ctx
            .read(move |tx| sealed::secrets(tx, after, BATCH))
            .await?;
        let Some(&(user, id, _)) = rows.last() else {
            break;
        };
        after = Some((user, id));
        let place = |row: &(UserId, FactorId, Vec<u8>)| Place::factor_secret(row.0, row.1);
        let anew = sealed_anew(ctx, rows, place, &mut progress);
        ctx.write(move |tx| {
            anew.iter().try_for_each(|((user, id, old), new)| {
                sealed::replace_secret(tx, (*user, *id, old), new)
            })
        })
        .await?;
        told(progress);
    }
    let mut after = None;
    loop {
        let rows = ctx
            .read(move |tx| sealed::letters(tx, after, BATCH))
            .await?;
        let Some(&(_, id, _)) = rows.last() else {
            break;
        };
        after = Some(id);
        let place = |row: &(UserId, NoticeId, Vec<u8>)| Place::letter(row.0, row.1);
        let anew = sealed_anew(ctx, rows, place, &mut progress);
        ctx.write(move |tx| {
            anew.iter()
                .try_for_each(|((_, id, old), new)| sealed::replace_letter(tx, (*id, old), new))
        })
        .await?;
        told(progress);
    }
    Ok(progress)
}

/// The user, the row, and the value that is sealed in it.
type Sealed<I> = (UserId, I, Vec<u8>);

/// Returns the values that an older key sealed, each with its new sealed form.
fn sealed_anew<I>(
    ctx: &Ctx,
    rows: Vec<Sealed<I>>,
    place: impl Fn(&Sealed<I>) -> Place,
    progress: &mut Progress,
) -> Vec<(Sealed<I>, Vec<u8>)> {
    let mut anew = Vec::new();
    for row in rows {
        progress.seen += 1;
        match ctx.vault.reseal(&place(&row), &row.2) {
            Ok(Some(new)) => anew.push((row, new)),
            Ok(None) => {}
            Err(error) => {
                progress.closed += 1;
                tracing::error!(?error, "a sealed value cannot be opened");
            }
        }
    }
    progress.anew += i64::try_from(anew.len()).unwrap_or(0);
    anew
}

/// Returns the seconds until no server seals with an older key any more. Until then, none can be retired.
pub fn seconds_to_retire(ctx: &Ctx) -> u32 {
    let (older, since) = ctx.vault.older_sealing();
    if older.is_empty() {
        return 0;
    }
    since.seconds_after(ctx.now())
}

/// Removes the older sealing keys that seal nothing, and returns what the others seal.
///
/// # Errors
/// Returns a fault if the key file or the database cannot be changed.
pub async fn retire(ctx: &Ctx) -> Result<OlderKeys> {
    let (older, _) = ctx.vault.older_sealing();
    let mut keys = OlderKeys::default();
    for id in older {
        let beginning = ctx.vault.sealed_beginning(&id)?;
        let counts = ctx
            .read(move |tx| sealed::counts_of_key(tx, &beginning))
            .await?;
        if counts != SealedCounts::default() {
            keys.needed.push((id, counts));
            continue;
        }
        // The file comes first. The next start cleans up the database, but cannot do without a key that the
        // database knows.
        ctx.vault.retire_sealing(&id, ctx.now())?;
        let gone = id.clone();
        ctx.write(move |tx| notices::forget_canary(tx, &gone))
            .await?;
        keys.retired.push(id);
    }
    Ok(keys)
}
