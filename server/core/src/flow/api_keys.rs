//! API keys: administrators make, list and delete them, and services use them.

use crate::app::Ctx;
use crate::flow::{Act, List, fresh};
use crate::model::api_key::{ApiKey, PrintedKey};
use crate::model::audit::Event;
use crate::model::kinds::{Role, Scope};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::User;
use crate::model::{ApiKeyId, Refusal, Result};
use crate::outcome::{KeyView, NewKey, Page};
use crate::store::{api_keys, forget, users};
use crate::vault;

/// How many characters of a key are shown: the prefix, and enough to tell two keys apart.
const HINT_CHARACTERS: usize = 12;

/// A service that sent a valid key. A key signs nobody in (ASVS 7.2.2).
#[derive(Clone, Debug)]
pub struct ApiKeyCaller {
    /// The key's id.
    pub id: ApiKeyId,
}

/// Finds the service that sends this key, and checks that it has `scope`. The key and its maker's role are
/// read as they are now.
///
/// # Errors
/// Refuses an invalid or expired key, one whose maker is no longer an administrator, and one without the
/// scope.
pub async fn authenticate(ctx: &Ctx, key: &str, scope: Scope) -> Result<ApiKeyCaller> {
    let printed = PrintedKey::parse(key).ok_or(Refusal::ApiKeyInvalid)?;
    let now = ctx.now();
    let (user, id) = (printed.user, printed.id);
    let found = ctx.read(move |tx| {
        let kept = api_keys::find(tx, printed.user, printed.id)?
            .filter(|kept| vault::same(&vault::digest(printed.secret.expose()), &kept.secret_hash))
            .ok_or(Refusal::ApiKeyInvalid)?;
        if kept.expires_at <= now {
            return Ok(None);
        }
        let maker = users::find(tx, kept.user_id)?
            .filter(User::active)
            .ok_or(Refusal::ApiKeyInvalid)?;
        match maker.role {
            Role::Administrator => {}
            Role::User => return Err(Refusal::Forbidden.into()),
        }
        if !kept.scopes().contains(&scope) {
            return Err(Refusal::InsufficientScope { scope }.into());
        }
        Ok(Some(ApiKeyCaller { id: kept.id }))
    });
    if let Some(caller) = found.await? {
        return Ok(caller);
    }
    // It has expired, so it is ended, and stays expired if the clock goes back. But not if the clock may be
    // wrong, since nobody could make the same key again.
    let ended = ctx.write(move |tx| match forget::clock_is_in_doubt(tx, now)? {
        true => Ok(()),
        false => api_keys::end_over(tx, user, id, now),
    });
    if let Err(error) = ended.await {
        // The caller gets the refusal in any case.
        tracing::warn!(?error, "an expired API key could not be ended");
    }
    Err(Refusal::ApiKeyInvalid.into())
}

/// Checks that the caller may manage keys: an administrator who signed in recently, with the second factor if
/// one is on.
fn judge(act: &Act, caller: &Caller) -> Result<()> {
    caller.judge_administrator()?;
    let max_age = act.policy().fresh_for_administration_seconds;
    Ok(caller
        .session
        .judge_fresh(caller.factor_on(), max_age, act.now)?)
}

/// The key to make.
pub struct Make {
    /// The signed-in user.
    pub caller: Caller,
    /// The name they give it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Days until it expires. Without it, `api_key_default_days`.
    pub expires_in_days: Option<u32>,
    /// The address that the call came from.
    pub source: Source,
}

/// Makes a key. The answer is the only time that the key is shown.
///
/// # Errors
/// Refuses a caller who may not manage keys, a lifetime out of bounds, and a key more than
/// `api_keys_per_user`.
pub async fn make(ctx: &Ctx, command: Make) -> Result<NewKey> {
    let act = Act::begin(ctx, command.source);
    let maker = command.caller.user.id;
    judge(&act, &command.caller)?;
    let policy = act.policy();
    let days = command
        .expires_in_days
        .unwrap_or(policy.api_key_default_days);
    if days == 0 || days > policy.api_key_max_days {
        let sentence = format!(
            "This number must be between 1 and {}.",
            policy.api_key_max_days
        );
        return Err(Refusal::field("expiresInDays", sentence).into());
    }
    let printed = PrintedKey {
        user: maker,
        id: ctx.chance.id(act.now),
        secret: ctx.chance.secret(),
    };
    let key = printed.print();
    let mut scopes = command.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let row = ApiKey {
        user_id: maker,
        id: printed.id,
        name: command.name.clone(),
        scopes: scopes
            .iter()
            .map(|scope| scope.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        hint: key.expose().chars().take(HINT_CHARACTERS).collect(),
        secret_hash: vault::digest(printed.secret.expose()).to_vec(),
        created_at: act.now,
        expires_at: act.now.plus_seconds(i64::from(days) * 86_400),
    };
    let made = view(&row);
    ctx.write(move |tx| {
        judge(&act, &fresh::hold(tx, &act, &command.caller)?)?;
        if api_keys::count_live(tx, maker, act.now)? >= i64::from(act.policy().api_keys_per_user) {
            return act.refuse_limited(tx, maker, Refusal::ApiKeyLimit);
        }
        api_keys::insert(tx, &row)?;
        act.audit(tx, maker, Event::ApiKeyMade, Some(&row.id.to_string()))?;
        let name = row.name.clone();
        act.notify(tx, &command.caller.user, Message::ApiKeyMade { name })
    })
    .await?;
    ctx.nudge_courier();
    Ok(NewKey { view: made, key })
}

pub(super) fn view(key: &ApiKey) -> KeyView {
    KeyView {
        id: key.id,
        name: key.name.clone(),
        scopes: key.scopes(),
        hint: key.hint.clone(),
        created_by: key.user_id,
        created_at: key.created_at,
        expires_at: key.expires_at,
    }
}

/// Returns one page of all keys, newest first.
///
/// # Errors
/// Refuses a caller who may not manage keys.
pub async fn list(ctx: &Ctx, command: List<Caller>) -> Result<Page<KeyView>> {
    let List { by, limit, offset } = command;
    judge(&Act::begin(ctx, Source::Console), &by)?;
    let (keys, total) = ctx
        .read(move |tx| api_keys::page(tx, limit, offset))
        .await?;
    Ok(Page {
        items: keys.iter().map(view).collect(),
        total,
    })
}

/// Deletes a key, whoever made it. It stops working at once.
///
/// # Errors
/// Refuses a caller who may not manage keys, and an unknown id.
pub async fn delete(ctx: &Ctx, caller: Caller, id: ApiKeyId, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    judge(&act, &caller)?;
    ctx.write(move |tx| {
        judge(&act, &fresh::hold(tx, &act, &caller)?)?;
        let (maker, name) = api_keys::delete(tx, id)?.ok_or(Refusal::ApiKeyNotFound)?;
        let (actor, word) = (Some(caller.user.id), id.to_string());
        act.audit_by(tx, maker, actor, Event::ApiKeyDeleted, Some(&word))?;
        match users::find(tx, maker)? {
            Some(maker) => act.notify(tx, &maker, Message::ApiKeyDeleted { name }),
            None => Ok(()),
        }
    })
    .await?;
    ctx.nudge_courier();
    Ok(())
}
