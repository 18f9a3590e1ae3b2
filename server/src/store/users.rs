//! Users, their addresses and their numbers.

use diesel::prelude::*;

use super::Tx;
use super::cached::run_kept;
use super::conn::Conn;
use crate::model::kinds::Role;
use crate::model::user::{PasswordHash, User};
use crate::model::{Result, Time, UserId};
use crate::schema::{addresses, organisations, user_numbers, users};

/// The user with this id.
///
/// # Errors
/// A fault when the database does not answer; so for every function here.
pub fn find(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    Ok(users::table
        .find(id)
        .select(User::as_select())
        .first(&mut tx.conn)
        .optional()?)
}

/// The user whose proved address this is.
pub fn by_address(tx: &mut Tx, address: &str) -> Result<Option<User>> {
    let id: Option<UserId> = addresses::table
        .find(address)
        .select(addresses::user_id)
        .first(&mut tx.conn)
        .optional()?;
    match id {
        Some(id) => find(tx, id),
        None => Ok(None),
    }
}

/// The user with this integer number.
pub fn by_number(tx: &mut Tx, number: i64) -> Result<Option<User>> {
    let id: Option<UserId> = user_numbers::table
        .find(number)
        .select(user_numbers::user_id)
        .first(&mut tx.conn)
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
    Ok(organisations::table
        .find(organisation)
        .select(organisations::mfa_enforced)
        .first(&mut tx.conn)
        .optional()?
        .unwrap_or(false))
}

/// Whether the address belongs to a user.
pub fn address_taken(tx: &mut Tx, address: &str) -> Result<bool> {
    Ok(
        diesel::select(diesel::dsl::exists(addresses::table.find(address)))
            .get_result(&mut tx.conn)?,
    )
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
    if !claim_address(tx, &new.email, new.id)? {
        return Ok(None);
    }
    let number: i64 = diesel::insert_into(user_numbers::table)
        .values(user_numbers::user_id.eq(new.id))
        .returning(user_numbers::number)
        .get_result(&mut tx.conn)?;
    let user = User {
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
    };
    diesel::insert_into(users::table)
        .values(&user)
        .execute(&mut tx.conn)?;
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

/// Stores a new hash of the same password, unless the hash has changed since it was read (N-030).
pub fn rehash(tx: &mut Tx, id: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<()> {
    run_kept!(
        tx,
        diesel::update(users::table.find(id).filter(users::password_hash.eq(old)))
            .set(users::password_hash.eq(new))
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

/// One page of all users, oldest first, and how many there are.
pub fn page(tx: &mut Tx, limit: i64, offset: i64) -> Result<(Vec<User>, i64)> {
    let page = users::table
        .order(users::number)
        .limit(limit)
        .offset(offset)
        .select(User::as_select())
        .load(&mut tx.conn)?;
    let total = users::table.count().get_result(&mut tx.conn)?;
    Ok((page, total))
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
