//! `Id`: the UUIDv7 ids of rows, with one type for each kind of row.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Binary;
use diesel::sqlite::Sqlite;
use uuid::Uuid;

use crate::schema::IdSql;

/// The id of a row of kind `K`: a UUIDv7 (RFC 9562 §5.7), so that new rows are next to each other in the
/// index.
///
/// An id is not a secret (ASVS 11.5.1). Whatever gives access also has a 256-bit secret.
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = IdSql)]
pub struct Id<K: 'static>(Uuid, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// Wraps a UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID.
    pub const fn uuid(&self) -> Uuid {
        self.0
    }

    /// Returns the sixteen bytes, as in the database and in reference tokens.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// One type on both engines: sixteen bytes on the wire, `uuid` to PostgreSQL.

impl<K: 'static> ToSql<IdSql, Pg> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl<K: 'static> ToSql<IdSql, Sqlite> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl<K: 'static> FromSql<IdSql, Pg> for Id<K> {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::new(Uuid::from_slice(bytes.as_bytes())?))
    }
}

impl<K: 'static> FromSql<IdSql, Sqlite> for Id<K> {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(bytes)?;
        Ok(Self::new(Uuid::from_slice(&bytes)?))
    }
}

/// Declares the kinds of rows and the name of each id.
macro_rules! ids {
    ($($(#[$doc:meta])* $kind:ident $id:ident;)+) => {$(
        $(#[$doc])*
        pub type $id = Id<$kind>;
        #[doc = concat!("Marks [`", stringify!($id), "`].")]
        pub enum $kind {}
    )+};
}

ids! {
    /// The id of a user, or of a registration that may become one.
    UserRow UserId;
    /// The id of one factor of a user.
    FactorRow FactorId;
    /// The id of a challenge.
    ChallengeRow ChallengeId;
    /// The id of a session, `sid` in its access tokens.
    SessionRow SessionId;
    /// The id of a refresh token.
    RefreshRow RefreshId;
    /// The id of an API key.
    ApiKeyRow ApiKeyId;
    /// The id of an audit event.
    AuditRow AuditId;
    /// The id of a set of recovery or scratch codes.
    CodeSetRow CodeSetId;
    /// The id of a passkey sign-in that named no user.
    CeremonyRow CeremonyId;
    /// The id of an organisation.
    OrganisationRow OrganisationId;
    /// The id of a mail for a new password.
    ResetRow ResetId;
    /// The id of a request for a new address.
    EmailChangeRow EmailChangeId;
    /// The id of a change of address that can be undone.
    EmailUndoRow EmailUndoId;
    /// The id of a notice in the queue.
    NoticeRow NoticeId;
}
