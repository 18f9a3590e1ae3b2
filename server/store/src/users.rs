//! Queries for users, their addresses and their numbers.

use std::collections::HashSet;

use diesel::prelude::*;

use super::Tx;
use super::cached::{kept, on, run_kept};
use super::conn::Conn;
use super::email_undos;
use crate::model::kinds::Role;
use crate::model::user::{PasswordHash, User};
use crate::model::{Result, Time, UserId};
use crate::schema::{
    addresses, api_keys, challenges, code_sets, credentials, email_changes, email_undos as undos,
    factor_attempts, factors, held_addresses, notices, organisations, password_resets,
    recovery_codes, refresh_tokens, registrations, sessions, user_limits, user_numbers, users,
};

/// Returns the user with this id.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn find(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    Ok(on!(tx, |conn| users::table
        .find(id)
        .select(User::as_select())
        .get_result(conn))
    .optional()?)
}

/// Returns the user who has proved this address.
pub fn by_address(tx: &mut Tx, address: &str) -> Result<Option<User>> {
    match id_of(tx, address)? {
        Some(id) => find(tx, id),
        None => Ok(None),
    }
}

/// Returns the id of the user who has proved this address.
pub fn id_of(tx: &mut Tx, address: &str) -> Result<Option<UserId>> {
    Ok(on!(tx, |conn| addresses::table
        .find(address)
        .select(addresses::user_id)
        .get_result(conn))
    .optional()?)
}

/// Returns the user with this number.
pub fn by_number(tx: &mut Tx, number: i64) -> Result<Option<User>> {
    let id: Option<UserId> = on!(tx, |conn| user_numbers::table
        .find(number)
        .select(user_numbers::user_id)
        .get_result(conn))
    .optional()?;
    match id {
        Some(id) => find(tx, id),
        None => Ok(None),
    }
}

/// Tells whether the user's organisation, if there is one, demands a second factor.
pub fn enforced(tx: &mut Tx, user: &User) -> Result<bool> {
    let Some(organisation) = user.organisation_id else {
        return Ok(false);
    };
    Ok(on!(tx, |conn| organisations::table
        .find(organisation)
        .select(organisations::mfa_enforced)
        .get_result(conn))
    .optional()?
    .unwrap_or(false))
}

/// Tells whether the address belongs to a user, or is kept for another one than `user_id`. Both are looked up in
/// any case, so that the time tells nothing.
pub fn address_taken(tx: &mut Tx, address: &str, user_id: UserId, now: Time) -> Result<bool> {
    let taken: bool = on!(tx, |conn| diesel::select(diesel::dsl::exists(
        addresses::table.find(address)
    ))
    .get_result(conn))?;
    let held = email_undos::is_held(tx, address, user_id, now)?;
    Ok(taken || held)
}

/// The data of a new user.
pub struct NewUser {
    /// The id, drawn at registration.
    pub id: UserId,
    /// The canonical, proved address.
    pub email: String,
    /// Given name, if known.
    pub first_name: Option<String>,
    /// Family name, if known.
    pub last_name: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// Hash of the password.
    pub password_hash: PasswordHash,
}

/// Creates the user. Returns `None`, and creates nothing, if the address belongs to another user.
pub fn insert(tx: &mut Tx, new: &NewUser, now: Time) -> Result<Option<User>> {
    insert_as(tx, new, &new.email, now, |_| ())
}

/// Creates a user without a mailbox, who signs in by the name in `new.email`. Returns `None`, and
/// creates nothing, if the name is taken. `key` is the form of the name that is compared.
pub fn insert_named(
    tx: &mut Tx,
    new: &NewUser,
    key: &str,
    description: Option<&str>,
    now: Time,
) -> Result<Option<User>> {
    insert_as(tx, new, key, now, |user| {
        user.mailbox = false;
        user.description = description.map(str::to_owned);
    })
}

fn insert_as(
    tx: &mut Tx,
    new: &NewUser,
    key: &str,
    now: Time,
    differs: impl Fn(&mut User),
) -> Result<Option<User>> {
    if !claim_address(tx, key, new.id, now)? {
        return Ok(None);
    }
    let number: i64 = on!(tx, |conn| diesel::insert_into(user_numbers::table)
        .values(user_numbers::user_id.eq(new.id))
        .returning(user_numbers::number)
        .get_result(conn))?;
    let mut user = User {
        id: new.id,
        number,
        email: new.email.clone(),
        first_name: new.first_name.clone(),
        last_name: new.last_name.clone(),
        role: new.role,
        password_hash: new.password_hash.clone(),
        created_at: now,
        disabled_at: None,
        mailbox: true,
        description: None,
        organisation_id: None,
        organisation_role: None,
        password_changes: 0,
    };
    differs(&mut user);
    on!(tx, |conn| diesel::insert_into(users::table)
        .values(&user)
        .execute(conn))?;
    Ok(Some(user))
}

/// Claims the address for the user. Returns `false` if somebody has it, or it is kept for somebody else. The enum
/// cannot express ON CONFLICT.
fn claim_address(tx: &mut Tx, address: &str, user_id: UserId, now: Time) -> Result<bool> {
    let row = (
        addresses::address.eq(address),
        addresses::user_id.eq(user_id),
    );
    let insert = diesel::insert_into(addresses::table)
        .values(row)
        .on_conflict_do_nothing();
    let rows = match &mut tx.conn {
        Conn::Sqlite(conn) => insert.execute(conn)?,
        Conn::Postgres(conn) => insert.execute(conn)?,
    };
    // This comes second: the insertion waits for a change that is just giving the address up, and only then is
    // it known whether the address is kept.
    if rows == 1 && email_undos::is_held(tx, address, user_id, now)? {
        free_address(tx, address, user_id)?;
        return Ok(false);
    }
    Ok(rows == 1)
}

fn free_address(tx: &mut Tx, address: &str, user_id: UserId) -> Result<()> {
    on!(tx, |conn| diesel::delete(
        addresses::table
            .find(address)
            .filter(addresses::user_id.eq(user_id))
    )
    .execute(conn))?;
    Ok(())
}

/// Gives a user with a mailbox another address, and frees the one of before. Returns `false`, and changes nothing,
/// if somebody has it, or it is kept for somebody else.
pub fn set_email(tx: &mut Tx, user: &User, address: &str, now: Time) -> Result<bool> {
    if !claim_address(tx, address, user.id, now)? {
        return Ok(false);
    }
    free_address(tx, &user.email, user.id)?;
    run_kept!(
        tx,
        diesel::update(users::table.find(user.id)).set(users::email.eq(address))
    )?;
    Ok(true)
}

/// Stores a new hash of the same password, unless the hash has changed since it was read.
pub fn rehash(tx: &mut Tx, id: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id).filter(users::password_hash.eq(old)))
            .set(users::password_hash.eq(new))
    )?;
    Ok(())
}

/// Sets a new password.
pub fn set_password(tx: &mut Tx, id: UserId, hash: &PasswordHash) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set((
            users::password_hash.eq(hash),
            users::password_changes.eq(users::password_changes + 1),
        ))
    )?;
    Ok(())
}

/// Returns the parameters of the hashes of some users, each once, as written in PHC strings: of those that follow
/// the given user in order, `most` at most. Also returns the last of them, if there may be more.
pub fn hash_parameters(
    tx: &mut Tx,
    after: UserId,
    most: usize,
) -> Result<(HashSet<String>, Option<UserId>)> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let rows: Vec<(UserId, String)> = on!(tx, |conn| users::table
        .filter(users::id.gt(after))
        .order(users::id)
        .limit(limit)
        .select((users::id, users::password_hash))
        .load(conn))?;
    let last = rows.last().map(|(id, _)| *id);
    let further = last.filter(|_| rows.len() == most);
    // `$argon2id$v=19$m=…,t=…,p=…$salt$hash`
    let parameters = rows.iter().filter_map(|(_, hash)| hash.split('$').nth(3));
    Ok((parameters.map(str::to_owned).collect(), further))
}

/// Sets the description of the user.
pub fn set_description(tx: &mut Tx, id: UserId, description: &str) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::description.eq(description))
    )?;
    Ok(())
}

/// Counts the administrators other than this user. Their rows stay locked until the write ends, so
/// that two who delete each other cannot both succeed.
pub fn other_administrators(tx: &mut Tx, id: UserId) -> Result<usize> {
    let held: Vec<UserId> = on!(tx, |conn| kept!(
        diesel::update(
            users::table
                .filter(users::role.eq(Role::Administrator))
                .filter(users::disabled_at.is_null()),
        )
        .set(users::number.eq(users::number))
        .returning(users::id)
    )
    .load(conn))?;
    Ok(held.iter().filter(|other| **other != id).count())
}

/// Deletes a user: every row with their id, in every table but the audit trail.
pub fn delete(tx: &mut Tx, id: UserId) -> Result<()> {
    macro_rules! forget {
        ($($table:ident),+ $(,)?) => {$(
            on!(tx, |conn| diesel::delete($table::table.filter($table::user_id.eq(id))).execute(conn))?;
        )+};
    }
    forget!(
        addresses,
        api_keys,
        challenges,
        code_sets,
        credentials,
        email_changes,
        undos,
        factor_attempts,
        factors,
        held_addresses,
        notices,
        password_resets,
        recovery_codes,
        refresh_tokens,
        registrations,
        sessions,
        user_limits,
        user_numbers,
    );
    on!(tx, |conn| diesel::delete(users::table.find(id))
        .execute(conn))?;
    Ok(())
}

/// Sets the names of the user.
pub fn set_names(tx: &mut Tx, id: UserId, first: Option<&str>, last: Option<&str>) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id))
            .set((users::first_name.eq(first), users::last_name.eq(last)))
    )?;
    Ok(())
}

/// Disables an account from `at` on, or enables it with `None`.
pub fn set_disabled(tx: &mut Tx, id: UserId, at: Option<Time>) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::disabled_at.eq(at))
    )?;
    Ok(())
}

/// Sets what the user may do.
pub fn set_role(tx: &mut Tx, id: UserId, role: Role) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::role.eq(role))
    )?;
    Ok(())
}

/// Returns one page of all users, oldest first, and the number of all users.
pub fn page(tx: &mut Tx, limit: i64, offset: i64) -> Result<(Vec<User>, i64)> {
    let page = on!(tx, |conn| users::table
        .order(users::number)
        .limit(limit)
        .offset(offset)
        .select(User::as_select())
        .load(conn))?;
    let total = on!(tx, |conn| users::table.count().get_result(conn))?;
    Ok((page, total))
}

/// Returns the number of the oldest administrator.
pub fn first_administrator(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(on!(tx, |conn| users::table
        .filter(users::role.eq(Role::Administrator))
        .select(diesel::dsl::min(users::number))
        .get_result(conn))?)
}

/// Locks the user's row until the write ends, so that only one write at a time counts rows and then
/// adds one. On SQLite only one write runs at a time anyway.
pub fn lock(tx: &mut Tx, id: UserId) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::number.eq(users::number))
    )?;
    Ok(())
}
