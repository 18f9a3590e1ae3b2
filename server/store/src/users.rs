//! Users, their addresses and their numbers.

use diesel::prelude::*;

use super::Tx;
use super::cached::{kept, on, run_kept};
use super::conn::Conn;
use crate::model::kinds::Role;
use crate::model::user::{PasswordHash, User};
use crate::model::{Result, Time, UserId};
use crate::schema::{
    addresses, api_keys, challenges, code_sets, credentials, factor_attempts, factors, notices,
    organisations, recovery_codes, refresh_tokens, registrations, sessions, user_limits,
    user_numbers, users,
};

/// The user with this id.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn find(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    Ok(on!(tx, |conn| users::table
        .find(id)
        .select(User::as_select())
        .get_result(conn))
    .optional()?)
}

/// The user whose proved address this is.
pub fn by_address(tx: &mut Tx, address: &str) -> Result<Option<User>> {
    let id: Option<UserId> = on!(tx, |conn| addresses::table
        .find(address)
        .select(addresses::user_id)
        .get_result(conn))
    .optional()?;
    match id {
        Some(id) => find(tx, id),
        None => Ok(None),
    }
}

/// The user with this number.
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

/// Whether the user's organisation, if they are in one, demands a second factor.
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

/// Whether the address belongs to a user.
pub fn address_taken(tx: &mut Tx, address: &str) -> Result<bool> {
    Ok(on!(tx, |conn| diesel::select(diesel::dsl::exists(
        addresses::table.find(address)
    ))
    .get_result(conn))?)
}

/// What a new user consists of.
pub struct NewUser {
    /// The id, drawn at registration.
    pub id: UserId,
    /// The canonical, proved address.
    pub email: String,
    /// Given name, if told.
    pub first_name: Option<String>,
    /// Family name, if told.
    pub last_name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Their password's hash.
    pub password_hash: PasswordHash,
}

/// Makes the user, unless the address belongs to one already: then nothing, and `None`.
pub fn insert(tx: &mut Tx, new: &NewUser, now: Time) -> Result<Option<User>> {
    insert_as(tx, new, &new.email, now, |_| ())
}

/// Makes a user without a mailbox, who signs in by a name (`new.email`), unless somebody has the name:
/// then nothing, and `None`. `key` is the form of the name that is compared.
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
    if !claim_address(tx, key, new.id)? {
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

/// Takes the address for the user; `false` when somebody has it. The enum cannot say `ON CONFLICT`.
fn claim_address(tx: &mut Tx, address: &str, user_id: UserId) -> Result<bool> {
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
    Ok(rows == 1)
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

/// The parameters that kept hashes were made with, each once, as PHC strings say them.
pub fn hash_parameters(tx: &mut Tx) -> Result<Vec<String>> {
    // After `$argon2id$v=19$`. Neither database says "up to the next $" as the other does.
    let found = match &mut tx.conn {
        Conn::Sqlite(conn) => diesel::sql_query(
            "SELECT DISTINCT substr(substr(password_hash, 16), 1, instr(substr(password_hash, 16), '$') - 1) AS parameters FROM users",
        )
        .load::<Parameters>(conn)?,
        Conn::Postgres(conn) => diesel::sql_query(
            "SELECT DISTINCT split_part(password_hash, '$', 4) AS parameters FROM users",
        )
        .load::<Parameters>(conn)?,
    };
    Ok(found.into_iter().map(|one| one.parameters).collect())
}

#[derive(QueryableByName)]
struct Parameters {
    #[diesel(sql_type = diesel::sql_types::Text)]
    parameters: String,
}

/// Sets what is written about the user.
pub fn set_description(tx: &mut Tx, id: UserId, description: &str) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::description.eq(description))
    )?;
    Ok(())
}

/// How many administrators there are beside this user. Their rows are held until the write ends, so
/// that of two who delete each other one is counted.
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

/// Forgets a user: every row that carries their id, in every table but the audit trail.
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
        factor_attempts,
        factors,
        notices,
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

/// Sets what the user may do.
pub fn set_role(tx: &mut Tx, id: UserId, role: Role) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::role.eq(role))
    )?;
    Ok(())
}

/// One page of all users, oldest first, and how many there are.
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

/// The number of the administrator who is the oldest one.
pub fn first_administrator(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(on!(tx, |conn| users::table
        .filter(users::role.eq(Role::Administrator))
        .select(diesel::dsl::min(users::number))
        .get_result(conn))?)
}

/// Holds the user's row until the write ends, so that what is counted and then added to is counted
/// by one write at a time. On SQLite every write is alone anyway.
pub fn lock(tx: &mut Tx, id: UserId) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id)).set(users::number.eq(users::number))
    )?;
    Ok(())
}
