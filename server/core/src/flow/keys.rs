//! What the operator does with sealing keys: has sealed anew what older ones sealed, and retires those that hold nothing.

use crate::app::Ctx;
use crate::model::{FactorId, NoticeId, Result, UserId};
use crate::store::notices;
use crate::store::sealed::{self, Held};
use crate::vault::Place;

/// How many values are sealed anew in one write: past it, others would wait for it.
const BATCH: i64 = 200;

/// How far sealing anew has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many sealed values there were at the beginning.
    pub total: i64,
    /// How many were looked at.
    pub seen: i64,
    /// How many of them an older key had sealed, and the newest has now.
    pub anew: i64,
    /// How many cannot be opened; the log says which, and why.
    pub closed: i64,
}

/// What became of the older sealing keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// The ids of those that are gone.
    pub gone: Vec<String>,
    /// Those that are still needed, and for what.
    pub held: Vec<(String, Held)>,
}

/// Seals anew all that older keys sealed, a batch at a time, and tells how far it is after each. Who is
/// stopped half-way begins again: what is done stays done.
///
/// # Errors
/// A fault when the database does not answer.
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

/// Whose, which row, and what is sealed in it.
type Sealed<I> = (UserId, I, Vec<u8>);

/// Those of the values that an older key sealed, each with what the newest makes of it.
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

/// Seconds until no server seals with an older key any more: before, none can be retired.
pub fn seconds_to_retire(ctx: &Ctx) -> u32 {
    let (older, since) = ctx.vault.older_sealing();
    if older.is_empty() {
        return 0;
    }
    since.seconds_after(ctx.now())
}

/// Removes the older sealing keys that hold nothing, and says what the others hold.
///
/// # Errors
/// A fault when the key file or the database does not take it.
pub async fn retire(ctx: &Ctx) -> Result<Retired> {
    let (older, _) = ctx.vault.older_sealing();
    let mut retired = Retired::default();
    for id in older {
        let beginning = ctx.vault.sealed_beginning(&id)?;
        let held = ctx.read(move |tx| sealed::held(tx, &beginning)).await?;
        if held != Held::default() {
            retired.held.push((id, held));
            continue;
        }
        // The file first: a start finishes what is left in the database, and cannot do without a key
        // that the database knows.
        ctx.vault.retire_sealing(&id, ctx.now())?;
        let gone = id.clone();
        ctx.write(move |tx| notices::forget_canary(tx, &gone))
            .await?;
        retired.gone.push(id);
    }
    Ok(retired)
}
