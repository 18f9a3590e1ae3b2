//! What signed-in people do to accounts, their own or, as administrators, anybody's: look, add, change, delete.

use crate::app::Ctx;
use crate::flow::admin::{Lister, list_users};
use crate::flow::session::person;
use crate::flow::{Act, fresh, password};
use crate::model::audit::Event;
use crate::model::factor::Factor;
use crate::model::kinds::Role;
use crate::model::notice::Message;
use crate::model::session::Caller;
use crate::model::source::Source;
use crate::model::user::{PasswordHash, User, address_as_typed};
use crate::model::{Refusal, Result, Secret};
use crate::outcome::{Account, Page, Person};
use crate::store::users::NewUser;
use crate::store::{Tx, challenges, factors, limits, sessions, users};

/// The account that somebody wants to act on.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whose it is.
    pub user: User,
    /// Their factors.
    pub factors: Vec<Factor>,
    /// Whether their organisation demands a second factor.
    pub enforced: bool,
}

/// Finds the account with this number: the caller's own, or as an administrator anybody's.
///
/// # Errors
/// Refuses everybody else, whether or not there is such an account, and a number that nobody has.
pub async fn target(ctx: &Ctx, caller: &Caller, number: i64) -> Result<Target> {
    if number == caller.user.number {
        return Ok(Target {
            user: caller.user.clone(),
            factors: caller.factors.clone(),
            enforced: caller.enforced,
        });
    }
    caller.judge_administrator()?;
    ctx.read(move |tx| {
        let user = users::by_number(tx, number)?.ok_or(Refusal::UnknownUser)?;
        let factors = factors::of_user(tx, user.id)?;
        let enforced = users::enforced(tx, &user)?;
        Ok(Target {
            user,
            factors,
            enforced,
        })
    })
    .await
}

/// Judges once more, inside the write, who has waited for something slow: the session still stands,
/// and so do its proof where that was asked for, and the role for an account that is not their own.
fn hold(tx: &mut Tx, act: &Act, caller: &Caller, own: bool, proof: bool) -> Result<()> {
    let caller = match proof {
        true => fresh::proved(tx, act, caller)?,
        false => fresh::hold(tx, act, caller)?,
    };
    if !own {
        caller.judge_administrator()?;
        fresh::judge_for_others(act, &caller)?;
    }
    Ok(())
}

/// Which accounts to list.
pub struct List {
    /// Who asks.
    pub caller: Caller,
    /// What the one to be listed signs in by; everybody when left out.
    pub name: Option<String>,
    /// How many at most.
    pub limit: i64,
    /// How many to skip.
    pub offset: i64,
}

/// One page of the accounts that the caller may see: all for an administrator, their own for anybody
/// else.
///
/// # Errors
/// A fault when the database does not answer.
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
            list_users(ctx, Lister::User(Box::new(caller)), limit, offset).await?
        }
        (Role::Administrator, Some(key)) => part(named(ctx, key).await?, limit, offset),
        (Role::User, key) => {
            let asked = key.is_none_or(|key| key == address_as_typed(&caller.user.email));
            let own = person(&caller.user, &caller.factors).while_enforced(caller.enforced);
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

/// Who signs in by what has this form.
async fn named(ctx: &Ctx, key: String) -> Result<Option<Person>> {
    ctx.read(move |tx| {
        let Some(user) = users::by_address(tx, &key)? else {
            return Ok(None);
        };
        let factors = factors::of_user(tx, user.id)?;
        let enforced = users::enforced(tx, &user)?;
        Ok(Some(person(&user, &factors).while_enforced(enforced)))
    })
    .await
}

/// The page of a list of one, or of nobody.
fn part(found: Option<Person>, limit: i64, offset: i64) -> Page<Person> {
    Page {
        total: i64::from(found.is_some()),
        items: found
            .into_iter()
            .filter(|_| offset == 0 && limit > 0)
            .collect(),
    }
}

/// One account.
///
/// # Errors
/// As [`target`].
pub async fn get(ctx: &Ctx, caller: Caller, number: i64) -> Result<Account> {
    let found = target(ctx, &caller, number).await?;
    let person = person(&found.user, &found.factors).while_enforced(found.enforced);
    let first = ctx.read(users::first_administrator).await?;
    Ok(Account::new(person, first))
}

/// Whom to add.
pub struct Add {
    /// Who adds.
    pub caller: Caller,
    /// What the user signs in by: no address.
    pub name: String,
    /// A word about them.
    pub description: Option<String>,
    /// Their first password.
    pub password: Secret<String>,
    /// Where it came from.
    pub source: Source,
}

/// Adds a user who signs in by a name and has no mailbox: an address counts only once it was proved,
/// and that is what registering is for.
///
/// # Errors
/// Refuses who is no administrator or gave no fresh proof, an address, a name somebody has, and a
/// password that may not be set.
pub async fn add(ctx: &Ctx, command: Add) -> Result<Account> {
    let Add {
        caller,
        name,
        description,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    caller.judge_administrator()?;
    fresh::judge_for_others(&act, &caller)?;
    let name = judge_name(&name)?;
    let key = address_as_typed(&name);
    password::judge_new(ctx, &act, &password, password::own_words(&name, &[])).await?;
    let new = NewUser {
        id: ctx.chance.id(act.now),
        email: name,
        first_name: None,
        last_name: None,
        role: Role::User,
        password_hash: ctx
            .hasher
            .of(act.source)
            .hash(password, ctx.chance.salt())
            .await?,
    };
    ctx.write(move |tx| {
        hold(tx, &act, &caller, false, true)?;
        let user = users::insert_named(tx, &new, &key, description.as_deref(), act.now)?
            .ok_or(Refusal::NameTaken)?;
        let actor = Some(caller.user.id);
        act.audit_by(tx, user.id, actor, Event::UserCreated, None)?;
        // The new user has no mailbox: whoever's session this is learns of it.
        let name = user.email.clone();
        act.notify(tx, &caller.user, Message::UserAdded { name })?;
        // Who is added is no administrator.
        Ok(Account::new(person(&user, &[]), None))
    })
    .await
    .inspect(|_| ctx.nudge_courier())
}

/// A name as it is kept.
fn judge_name(typed: &str) -> Result<String> {
    let name = typed.trim();
    if name.is_empty() {
        return Err(Refusal::field("name", "This field must not be empty.").into());
    }
    if name.contains(['@', '\u{ff20}']) {
        let sentence = "A name has no @. Who has an e-mail address registers by it.";
        return Err(Refusal::field("name", sentence).into());
    }
    Ok(name.to_owned())
}

/// What to change of an account.
pub struct Update {
    /// Who changes it.
    pub caller: Caller,
    /// Whose it is.
    pub number: i64,
    /// A new word about them.
    pub description: Option<String>,
    /// A new password.
    pub password: Option<Secret<String>>,
    /// Where it came from.
    pub source: Source,
}

/// Changes an account. A new password ends the user's sessions, but not the one that set it.
///
/// # Errors
/// As [`target`]; refuses a new password, and any change of another's account, without fresh proof,
/// and a password that may not be set.
pub async fn update(ctx: &Ctx, command: Update) -> Result<Account> {
    let Update {
        caller,
        number,
        description,
        password,
        source,
    } = command;
    let act = Act::begin(ctx, source);
    let user = target(ctx, &caller, number).await?.user;
    let proof = password.is_some() || user.id != caller.user.id;
    if proof {
        fresh::judge(&act, &caller)?;
    }
    let hash = match password {
        Some(password) => {
            let names = [&user.first_name, &user.last_name];
            let words = password::own_words(&user.email, &names);
            password::judge_new(ctx, &act, &password, words).await?;
            Some(
                ctx.hasher
                    .of(act.source)
                    .hash(password, ctx.chance.salt())
                    .await?,
            )
        }
        None => None,
    };
    let changed = ctx
        .write(move |tx| {
            hold(tx, &act, &caller, user.id == caller.user.id, proof)?;
            users::lock(tx, user.id)?;
            if let Some(hash) = &hash {
                set_password(tx, &act, &caller, &user, hash)?;
            }
            if let Some(description) = &description {
                users::set_description(tx, user.id, description)?;
                let actor = Some(caller.user.id).filter(|actor| *actor != user.id);
                act.audit_by(tx, user.id, actor, Event::UserUpdated, None)?;
            }
            let user = users::find(tx, user.id)?.ok_or(Refusal::UnknownUser)?;
            let factors = factors::of_user(tx, user.id)?;
            let enforced = users::enforced(tx, &user)?;
            let person = person(&user, &factors).while_enforced(enforced);
            Ok(Account::new(person, users::first_administrator(tx)?))
        })
        .await?;
    ctx.nudge_courier();
    Ok(changed)
}

fn set_password(
    tx: &mut Tx,
    act: &Act,
    caller: &Caller,
    user: &User,
    hash: &PasswordHash,
) -> Result<()> {
    users::set_password(tx, user.id, hash)?;
    let own = user.id == caller.user.id;
    // Whoever knew the old password is out, and so is what was begun with it.
    let kept = own.then_some(caller.session.id);
    // Challenges first: a sign-in that uses one up at this moment is waited for, and its session seen.
    challenges::end_all(tx, user.id, act.now)?;
    sessions::end_others(tx, user.id, kept, act.now)?;
    let actor = Some(caller.user.id).filter(|_| !own);
    act.audit_by(tx, user.id, actor, Event::PasswordSet, None)?;
    act.notify(tx, user, Message::PasswordSet)
}

/// Deletes an account, with every row that carries its id but those of the audit trail.
///
/// # Errors
/// As [`target`]; refuses without fresh proof, and the last administrator.
pub async fn delete(ctx: &Ctx, caller: Caller, number: i64, source: Source) -> Result<()> {
    let act = Act::begin(ctx, source);
    let user = target(ctx, &caller, number).await?.user;
    fresh::judge(&act, &caller)?;
    ctx.write(move |tx| {
        hold(tx, &act, &caller, user.id == caller.user.id, true)?;
        // Read again: the role may have changed since; and what writes rows of theirs is waited for.
        users::lock(tx, user.id)?;
        let user = users::find(tx, user.id)?.ok_or(Refusal::UnknownUser)?;
        match user.role {
            Role::Administrator if users::other_administrators(tx, user.id)? == 0 => {
                return Err(Refusal::LastAdministrator.into());
            }
            Role::Administrator | Role::User => {}
        }
        users::delete(tx, user.id)?;
        let hash = password::address_hash(&act.vault, &address_as_typed(&user.email));
        limits::reset_password_of_address(tx, &hash)?;
        let actor = Some(caller.user.id).filter(|actor| *actor != user.id);
        act.audit_by(tx, user.id, actor, Event::UserDeleted, None)
    })
    .await
}
