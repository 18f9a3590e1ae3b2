//! What administrators and the operator do: list users, create accounts, and help users who are locked out.

use crate::app::Ctx;
use crate::factor::totp;
use crate::flow::api_keys::ApiKeyCaller;
use crate::flow::methods::effects;
use crate::flow::{Act, List, accounts, demand, password};
use crate::model::audit::Event;
use crate::model::factor::Factor;
use crate::model::kinds::{OrganisationRole, Role};
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::{User, address_as_typed, address_taken, judge_address};
use crate::model::{OrganisationId, Refusal, Result, Secret};
use crate::outcome::{Page, Person, UserEntry, UserOverview};
use crate::store::users::NewUser;
use crate::store::{Tx, challenges, factors, limits, organisations, sessions, users};

/// Who lists users.
pub enum Lister {
    /// A signed-in user, who must be an administrator.
    User(Box<Caller>),
    /// A service whose API key has `users:read`.
    Key(ApiKeyCaller),
}

/// Returns one page of all users, oldest first.
///
/// # Errors
/// Refuses a user who is not an administrator.
pub async fn list_users(ctx: &Ctx, command: List<Lister>) -> Result<Page<Person>> {
    let List { by, limit, offset } = command;
    match &by {
        Lister::User(caller) => caller.judge_administrator()?,
        Lister::Key(_) => {}
    }
    let page = overview(ctx, limit, offset).await?;
    let people = page.items.into_iter().map(|entry| entry.person);
    Ok(Page {
        items: people.collect(),
        total: page.total,
    })
}

fn of(user: &User, factors: &[Factor]) -> Vec<Factor> {
    let theirs = factors.iter().filter(|factor| factor.user_id == user.id);
    theirs.cloned().collect()
}

/// Checks that an account can be created for this address, before anybody is asked for its password.
///
/// # Errors
/// Refuses a text that cannot be an address, and an address that has an account.
pub async fn judge_new_address(ctx: &Ctx, email: &str) -> Result<()> {
    let address = judge_address(email)?;
    let taken = ctx
        .read(move |tx| users::by_address(tx, &address))
        .await?
        .is_some();
    match taken {
        true => Err(address_taken().into()),
        false => Ok(()),
    }
}

/// Creates an account for the operator. Its address counts as proved.
///
/// # Errors
/// Refuses a text that cannot be an address, an address that has an account, and a password that may not be
/// set.
pub async fn create_user(
    ctx: &Ctx,
    email: &str,
    password: Secret<String>,
    role: Role,
) -> Result<Person> {
    let act = Act::begin(ctx, Source::Console);
    let address = judge_address(email)?;
    let words = password::own_words(&address, &[]);
    let password_hash = password::hash_new(ctx, &act, password, words).await?;
    let new = NewUser {
        id: ctx.chance.id(act.now),
        email: address,
        first_name: None,
        last_name: None,
        role,
        password_hash,
    };
    let created = ctx
        .write(move |tx| {
            let user = users::insert(tx, &new, act.now)?.ok_or_else(address_taken)?;
            act.audit(tx, user.id, Event::UserCreated, Some(role.as_str()))?;
            act.notify(tx, &user, Message::AccountCreated)?;
            Ok(Person::new(&user, demand::now(tx, &user)?))
        })
        .await?;
    ctx.nudge_courier();
    Ok(created)
}

/// Returns one page of all users for the operator, oldest first.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn overview(ctx: &Ctx, limit: i64, offset: i64) -> Result<Page<UserEntry>> {
    ctx.read(move |tx| {
        let (page, total) = users::page(tx, limit, offset)?;
        let ids: Vec<_> = page.iter().map(|user| user.id).collect();
        let factors = factors::of_users(tx, &ids)?;
        let items = page.iter().map(|user| entry(tx, user, &of(user, &factors)));
        let items = items.collect::<Result<_>>()?;
        Ok(Page { items, total })
    })
    .await
}

fn entry(tx: &mut Tx, user: &User, factors: &[Factor]) -> Result<UserEntry> {
    let demanded = demand::of(tx, user, factors)?;
    Ok(UserEntry {
        person: Person::new(user, demanded),
        disabled_at: user.disabled_at,
    })
}

/// Returns one user, with what keeps them from signing in.
///
/// # Errors
/// Refuses an address without an account.
pub async fn show(ctx: &Ctx, email: &str) -> Result<UserOverview> {
    let act = Act::begin(ctx, Source::Console);
    let address = address_as_typed(email);
    ctx.read(move |tx| {
        let user = users::by_address(tx, &address)?.ok_or(Refusal::UserNotFound)?;
        let factors = factors::of_user(tx, user.id)?;
        let idle = i64::from(act.policy().session_idle_seconds);
        let idle_since = act.now.plus_seconds(-idle);
        let (_, sessions) = sessions::open(tx, user.id, act.now, idle_since, (0, 0))?;
        Ok(UserOverview {
            entry: entry(tx, &user, &factors)?,
            counters: factors::all_attempts(tx, user.id)?,
            sessions,
        })
    })
    .await
}

/// Disables an account. Its sessions and challenges end, and nobody can sign in to it.
///
/// # Errors
/// Refuses an address without an account, and the last administrator.
pub async fn disable(ctx: &Ctx, email: &str) -> Result<Person> {
    help(ctx, email, |tx, act, user| {
        users::lock(tx, user.id)?;
        accounts::judge_not_last(tx, user)?;
        users::set_disabled(tx, user.id, Some(user.disabled_at.unwrap_or(act.now)))?;
        challenges::end_all(tx, user.id, act.now)?;
        sessions::end_others(tx, user.id, None, act.now)?;
        act.audit(tx, user.id, Event::UserDisabled, None)
    })
    .await
}

/// Enables a disabled account.
///
/// # Errors
/// Refuses an address without an account.
pub async fn enable(ctx: &Ctx, email: &str) -> Result<Person> {
    help(ctx, email, |tx, act, user| {
        users::set_disabled(tx, user.id, None)?;
        act.audit(tx, user.id, Event::UserEnabled, None)
    })
    .await
}

/// Deletes an account, as its owner can.
///
/// # Errors
/// Refuses an address without an account, and the last administrator.
pub async fn delete(ctx: &Ctx, email: &str) -> Result<Person> {
    let act = Act::begin(ctx, Source::Console);
    let address = address_as_typed(email);
    ctx.write(move |tx| {
        let user = users::by_address(tx, &address)?.ok_or(Refusal::UserNotFound)?;
        users::lock(tx, user.id)?;
        let user = users::find(tx, user.id)?.ok_or(Refusal::UserNotFound)?;
        let deleted = Person::new(&user, demand::now(tx, &user)?);
        accounts::remove(tx, &act, &user, None)?;
        Ok(deleted)
    })
    .await
}

/// Gives an account a new password. All its sessions end, and no method is removed.
///
/// # Errors
/// Refuses an address without an account, and a password that may not be set.
pub async fn set_password(ctx: &Ctx, email: &str, password: Secret<String>) -> Result<Person> {
    let act = Act::begin(ctx, Source::Console);
    let address = address_as_typed(email);
    let found = ctx.read(move |tx| users::by_address(tx, &address)).await?;
    let user = found.ok_or(Refusal::UserNotFound)?;
    let words = password::own_words(&user.email, &[&user.first_name, &user.last_name]);
    let hash = password::hash_new(ctx, &act, password, words).await?;
    help(ctx, email, move |tx, act, user| {
        users::lock(tx, user.id)?;
        password::set(tx, act, user, &hash, None, None)
    })
    .await
}

/// Makes the user an administrator.
///
/// # Errors
/// Refuses an address without an account.
pub async fn promote(ctx: &Ctx, email: &str) -> Result<Person> {
    help(ctx, email, |tx, act, user| {
        users::set_role(tx, user.id, Role::Administrator)?;
        act.audit(tx, user.id, Event::UserPromoted, None)?;
        act.notify(tx, user, Message::Promoted)
    })
    .await
}

/// Lifts all waits and locks of the user: those after wrong passwords and wrong codes, the limits of sent
/// codes, and time steps that count as used because the clock was ahead.
///
/// # Errors
/// Refuses an address without an account.
pub async fn unlock(ctx: &Ctx, email: &str) -> Result<Person> {
    help(ctx, email, |tx, act, user| {
        factors::reset_all_attempts(tx, user.id)?;
        // The current step's code may have been used. The next one works.
        factors::forget_later_steps(tx, user.id, totp::step(act.now))?;
        limits::delete_of_user(tx, user.id)?;
        let hash = password::address_hash(&act.vault, &address_as_typed(&user.email));
        limits::reset_password_of_address(tx, &hash)?;
        act.audit(tx, user.id, Event::UserUnlocked, None)?;
        act.notify(tx, user, Message::Unlocked)
    })
    .await
}

/// Removes all factors and code sets of the user, and ends their sessions and challenges, for example after a
/// lost phone. The password stays (ASVS 6.4.6).
///
/// # Errors
/// Refuses an address without an account.
pub async fn reset_mfa(ctx: &Ctx, email: &str) -> Result<Person> {
    help(ctx, email, |tx, act, user| {
        users::lock(tx, user.id)?;
        effects::remove_all(tx, act, user, None, None)
    })
    .await
}

/// Makes the user a member of an organisation, and of this one only.
///
/// # Errors
/// Refuses an address without an account, an account without a mailbox (enforcement could lock it out), and
/// an unknown organisation.
pub async fn join(
    ctx: &Ctx,
    email: &str,
    organisation: OrganisationId,
    role: OrganisationRole,
) -> Result<Person> {
    help(ctx, email, move |tx, act, user| {
        if organisations::find(tx, organisation)?.is_none() {
            let sentence = "There is no organisation with this id. Use the `orgId` that its founder finds in `GET /user/profile`.";
            return Err(Refusal::field("organisation", sentence).into());
        }
        if !user.mailbox {
            let sentence = "This account has no mailbox, since it signs in with a name. Only accounts with a mailbox can be members.";
            return Err(Refusal::field("email", sentence).into());
        }
        organisations::admit(tx, user.id, organisation, role)?;
        act.audit(tx, user.id, Event::UserUpdated, Some("organisation"))?;
        let role = role.as_str().to_owned();
        act.notify(tx, user, Message::Joined { role })
    })
    .await
}

/// Finds the user of an address or a name, runs `how`, and returns them as they are after it.
async fn help<F>(ctx: &Ctx, email: &str, how: F) -> Result<Person>
where
    F: Fn(&mut Tx, &Act, &User) -> Result<()> + Send + 'static,
{
    let act = Act::begin(ctx, Source::Console);
    let address = address_as_typed(email);
    let helped = ctx
        .write(move |tx| {
            let user = users::by_address(tx, &address)?.ok_or(Refusal::UserNotFound)?;
            how(tx, &act, &user)?;
            let user = users::find(tx, user.id)?.ok_or(Refusal::UserNotFound)?;
            Ok(Person::new(&user, demand::now(tx, &user)?))
        })
        .await?;
    ctx.nudge_courier();
    Ok(helped)
}
