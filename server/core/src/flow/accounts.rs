//! What signed-in users do with accounts, their own or, as administrators, all: read, add, change, delete.

use crate::app::Ctx;
use crate::flow::operator::{Lister, list_users};
use crate::flow::target::{self, Target, TargetAccount};
use crate::flow::{self, Act, demand, fresh, password};
use crate::model::audit::Event;
use crate::model::kinds::Role;
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::{User, address_as_typed};
use crate::model::{Refusal, Result, Secret, UserId};
use crate::outcome::{Account, Page, Person};
use crate::store::users::NewUser;
use crate::store::{Tx, limits, users};

/// Which accounts to list.
pub struct List {
    /// The signed-in user.
    pub caller: Caller,
    /// What the user to be listed signs in with. Without it, all users are listed.
    pub name: Option<String>,
    /// The greatest number of items.
    pub limit: i64,
    /// The number of items to skip.
    pub offset: i64,
}

/// Returns one page of the accounts that the caller may see: all for an administrator, only their own for
/// others.
///
/// # Errors
/// Returns a fault if the database does not answer.
pub async fn list(ctx: &Ctx, command: List) -> Result<Page<Account>> {
    let List {
        caller,
        name,
        limit,
        offset,
    } = command;
    let key = name.as_deref().map(address_as_typed);
    let page = match (caller.user.role, key) {
        (Role::Administrator, None) => {
            let by = Lister::User(Box::new(caller));
            list_users(ctx, flow::List { by, limit, offset }).await?
        }
        (Role::Administrator, Some(key)) => part(named(ctx, key).await?, limit, offset),
        (Role::User, key) => {
            let asked = key.is_none_or(|key| key == address_as_typed(&caller.user.email));
            let own = Person::of(&caller);
            part(asked.then_some(own), limit, offset)
        }
    };
    let first = ctx.read(users::first_administrator).await?;
    let accounts = page.items.into_iter();
    Ok(Page {
        items: accounts.map(|one| Account::new(one, first)).collect(),
        total: page.total,
    })
}

/// Finds the user who signs in with `key`, an address or a name in its canonical form.
async fn named(ctx: &Ctx, key: String) -> Result<Option<Person>> {
    ctx.read(move |tx| {
        let Some(user) = users::by_address(tx, &key)? else {
            return Ok(None);
        };
        let demanded = demand::now(tx, &user)?;
        Ok(Some(Person::new(&user, demanded)))
    })
    .await
}

/// Returns the page of a list with one user or none.
fn part(found: Option<Person>, limit: i64, offset: i64) -> Page<Person> {
    Page {
        total: i64::from(found.is_some()),
        items: found
            .into_iter()
            .filter(|_| offset == 0 && limit > 0)
            .collect(),
    }
}

/// Returns the account with this number: the caller's own, or any account for an administrator.
///
/// # Errors
/// Refuses everybody else, whether or not the account exists, and an unknown number.
pub async fn get(ctx: &Ctx, caller: Caller, number: i64) -> Result<Account> {
    let found = target::find(ctx, &caller, Target::Number(number)).await?;
    let person = Person::new(&found.user, found.demanded());
    let first = ctx.read(users::first_administrator).await?;
    Ok(Account::new(person, first))
}

/// The user to add.
pub struct Add {
    /// The signed-in user.
    pub caller: Caller,
    /// The name that the user will sign in with. It is not an address.
    pub name: String,
    /// A description of them.
    pub description: Option<String>,
    /// Their first password.
    pub password: Secret<String>,
    /// The address that the call came from.
    pub source: Source,
}

/// Adds a user who signs in with a name and has no mailbox. Users with an address register instead, since an
/// address counts only once it is proved.
///
/// # Errors
/// Refuses a caller who is not an administrator or has no fresh proof, a name that is an address or is taken,
/// and a password that may not be set.
pub async fn add(ctx: &Ctx, command: Add) -> Result<Account> {
    let Add {
        caller,
        name,
        description,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    fresh::judge_administrator(&act, &caller)?;
    let name = judge_name(&name)?;
    let key = address_as_typed(&name);
    let words = password::own_words(&name, &[]);
    let password_hash = password::hash_new(ctx, &act, password, words).await?;
    let new = NewUser {
        id: ctx.chance.id(act.now),
        email: name,
        first_name: None,
        last_name: None,
        role: Role::User,
        password_hash,
    };
    ctx.write(move |tx| {
        fresh::judge_administrator(&act, &fresh::hold(tx, &act, &caller)?)?;
        let user = users::insert_named(tx, &new, &key, description.as_deref(), act.now)?
            .ok_or(Refusal::NameTaken)?;
        let actor = Some(caller.user.id);
        act.audit_by(tx, user.id, actor, Event::UserCreated, None)?;
        // The new user has no mailbox, so the notice goes to the administrator whose session this is.
        let name = user.email.clone();
        act.notify(tx, &caller.user, Message::UserAdded { name })?;
        let demanded = demand::now(tx, &user)?;
        // The new user is not an administrator.
        Ok(Account::new(Person::new(&user, demanded), None))
    })
    .await
    .inspect(|_| ctx.nudge_courier())
}

/// Returns a name in the form in which it is stored.
fn judge_name(typed: &str) -> Result<String> {
    let name = typed.trim();
    if name.is_empty() {
        return Err(Refusal::field("name", "This field must not be empty.").into());
    }
    if name.contains(['@', '\u{ff20}']) {
        let sentence =
            "A name must not contain @. A user with an e-mail address registers with that address.";
        return Err(Refusal::field("name", sentence).into());
    }
    Ok(name.to_owned())
}

/// What to change in an account.
pub struct Update {
    /// The signed-in user.
    pub caller: Caller,
    /// The account's number.
    pub number: i64,
    /// A new description.
    pub description: Option<String>,
    /// A new password.
    pub password: Option<Secret<String>>,
    /// The address that the call came from.
    pub source: Source,
}

/// Changes an account. A new password ends the user's sessions, except the one that set it.
///
/// # Errors
/// As [`get`]. Also refuses a new password or a change to another user's account without fresh proof, and
/// a password that may not be set.
pub async fn update(ctx: &Ctx, command: Update) -> Result<Account> {
    let Update {
        caller,
        number,
        description,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    let target = Target::Number(number);
    let TargetAccount { user, actor, .. } = target::find(ctx, &caller, target).await?;
    let proof = password.is_some() || actor.is_some();
    if proof {
        fresh::judge(&act, &caller)?;
    }
    let hash = match password {
        Some(password) => {
            let names = [&user.first_name, &user.last_name];
            let words = password::own_words(&user.email, &names);
            Some(password::hash_new(ctx, &act, password, words).await?)
        }
        None => None,
    };
    let changed = ctx
        .write(move |tx| {
            let held = match proof {
                true => fresh::proved(tx, &act, &caller)?,
                false => fresh::hold(tx, &act, &caller)?,
            };
            let TargetAccount { user, actor, .. } = target::lock(tx, &act, &held, target)?;
            if let Some(hash) = &hash {
                let kept = actor.is_none().then_some(caller.session.id);
                password::set(tx, &act, &user, hash, kept, actor)?;
            }
            if let Some(description) = &description {
                users::set_description(tx, user.id, description)?;
                act.audit_by(tx, user.id, actor, Event::UserUpdated, None)?;
            }
            let user = users::find(tx, user.id)?.ok_or(Refusal::UnknownUser)?;
            let person = Person::new(&user, demand::now(tx, &user)?);
            Ok(Account::new(person, users::first_administrator(tx)?))
        })
        .await?;
    ctx.nudge_courier();
    Ok(changed)
}

/// Deletes an account, with every row that has its id, except those of the audit trail.
///
/// # Errors
/// As [`get`]. Also refuses a caller without fresh proof, and to delete the last administrator.
pub async fn delete(ctx: &Ctx, caller: Caller, number: i64, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let target = Target::Number(number);
    target::find(ctx, &caller, target).await?;
    fresh::judge(&act, &caller)?;
    ctx.write(move |tx| {
        let held = fresh::proved(tx, &act, &caller)?;
        // The lock waits for writes that add rows of the user's.
        let found = target::lock(tx, &act, &held, target)?;
        remove(tx, &act, &found.user, found.actor)
    })
    .await
}

/// Deletes a user whose row is locked. Only the audit trail keeps their id.
///
/// # Errors
/// Refuses to delete the last administrator.
pub(super) fn remove(tx: &mut Tx, act: &Act, user: &User, actor: Option<UserId>) -> Result<()> {
    judge_not_last(tx, user)?;
    users::delete(tx, user.id)?;
    let hash = password::address_hash(&act.vault, &address_as_typed(&user.email));
    limits::reset_password_of_address(tx, &hash)?;
    act.audit_by(tx, user.id, actor, Event::UserDeleted, None)
}

/// Checks that the server has another administrator who can act, if the user, whose row is locked, is one.
///
/// # Errors
/// Refuses the last administrator.
pub(super) fn judge_not_last(tx: &mut Tx, user: &User) -> Result<()> {
    match user.role {
        Role::Administrator if users::other_administrators(tx, user.id)? == 0 => {
            Err(Refusal::LastAdministrator.into())
        }
        Role::Administrator | Role::User => Ok(()),
    }
}
