//! `keys`: manages the key ring for the operator.

use std::time::Duration;

use anyhow::{Result, bail};

use super::said;
use super::terminal::tell;
use crate::app::{App, Ctx};
use crate::flow::keys;

/// Adds a signing and a sealing key, or replaces all signing keys at once.
pub(super) async fn rotate(app: &App, revoke: bool) -> Result<()> {
    let (vault, now) = (&app.ctx().vault, app.ctx().now());
    if revoke {
        let id = vault.revoke_signing(now)?.id;
        tell(&format!(
            "The key {id} signs now, and all earlier keys are removed. Running servers accept their tokens for at most one more second."
        ));
        return Ok(());
    }
    let signing = vault.rotate_signing(now)?;
    let sealing = vault.rotate_sealing(now)?;
    // From now on, a server without the new sealing key refuses to start.
    app.check_keys().await?;
    let (id, from) = (signing.id, signing.from);
    tell(&format!(
        "The key {id} is published and signs from {from}.\nThe key {} seals now.",
        sealing.id
    ));
    Ok(())
}

/// Seals again what older keys sealed.
pub(super) async fn reseal(app: &App) -> Result<()> {
    let show = |progress: keys::Progress| {
        tell(&format!(
            "Checked {} of {} sealed values, sealed {} of them again.",
            progress.seen, progress.total, progress.anew
        ));
    };
    let done = app.call(async |ctx: &Ctx| keys::reseal(ctx, show).await);
    let done = done.await.map_err(said)?;
    if done.closed > 0 {
        bail!(
            "{} sealed values cannot be opened and stay as they are: the log above says which",
            done.closed
        );
    }
    tell(&format!(
        "The newest key seals all {} values. Run `countersign keys retire` to remove the older keys.",
        done.seen
    ));
    Ok(())
}

/// Removes older sealing keys that seal nothing any more.
pub(super) async fn retire(app: &App) -> Result<()> {
    let wait = keys::seconds_to_retire(app.ctx()).min(WAIT_MAX);
    if wait > 0 {
        tell(&format!(
            "Waiting {wait} seconds: until then a running server may still seal with an older key."
        ));
        tokio::time::sleep(Duration::from_secs(u64::from(wait))).await;
    }
    let done = app.call(async |ctx: &Ctx| keys::retire(ctx).await);
    let done = done.await.map_err(said)?;
    for id in &done.retired {
        tell(&format!("The key {id} was removed."));
    }
    if done.needed.is_empty() {
        if done.retired.is_empty() {
            tell("There is no older sealing key.");
        }
        return Ok(());
    }
    let held = done.needed.iter().map(|(id, held)| {
        format!(
            "the key {id} still seals {} secrets of authenticator apps and {} waiting messages",
            held.factors, held.letters
        )
    });
    bail!(
        "{}: run `countersign keys reseal` first",
        held.collect::<Vec<_>>().join(", ")
    )
}

/// The longest wait, in seconds. A clock that went back must not make it longer.
const WAIT_MAX: u32 = 30;
