//! Keeps the prepared form of statements. Diesel caches no UPDATE of its own accord, and parsing a
//! statement again costs more than running it.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Integer;
use diesel::{PgConnection, QueryResult, RunQueryDsl, SqliteConnection, define_sql_function};

/// A statement whose SQL is always the same, whatever values are bound. `M` stands for that SQL, so
/// each statement needs a marker of its own.
pub(super) struct Cached<M, T> {
    statement: T,
    marker: PhantomData<fn() -> M>,
}

/// Caches the statement's prepared form under the marker `M`.
pub(super) fn cached<M, T>(statement: T) -> Cached<M, T> {
    Cached {
        statement,
        marker: PhantomData,
    }
}

impl<M: 'static, T> QueryId for Cached<M, T> {
    type QueryId = M;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<M, T: Query> Query for Cached<M, T> {
    type SqlType = T::SqlType;
}

impl<M, T, DB> QueryFragment<DB> for Cached<M, T>
where
    DB: Backend,
    T: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<M, T, Conn> RunQueryDsl<Conn> for Cached<M, T> {}

/// Wraps a statement that returns rows, so that its prepared form is cached. Use it where the
/// statement is written, since each place in the code counts as one statement.
macro_rules! kept {
    ($statement:expr) => {{
        enum Here {}
        $crate::cached::cached::<Here, _>($statement)
    }};
}

/// Three statements without results, sent to PostgreSQL together: each message costs a round trip.
#[derive(QueryId)]
pub(super) struct Together<A, B, C>(pub(super) A, pub(super) B, pub(super) C);

impl<A, B, C> QueryFragment<Pg> for Together<A, B, C>
where
    A: QueryFragment<Pg>,
    B: QueryFragment<Pg>,
    C: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("WITH first AS (");
        self.0.walk_ast(pass.reborrow())?;
        pass.push_sql("), second AS (");
        self.1.walk_ast(pass.reborrow())?;
        pass.push_sql(") ");
        self.2.walk_ast(pass)
    }
}

impl<A, B, C> RunQueryDsl<PgConnection> for Together<A, B, C> {}

/// Runs a query on either database.
///
/// Each arm builds the query for its own database. A query built for the enum over both would write
/// its SQL anew each time, just to look up its prepared form.
macro_rules! on {
    ($tx:expr, |$conn:ident| $query:expr) => {
        match &mut $tx.conn {
            $crate::conn::Conn::Sqlite($conn) => $query,
            $crate::conn::Conn::Postgres($conn) => $query,
        }
    };
}

/// A statement without rows, run as one that returns rows: diesel caches the prepared form of those
/// only.
pub(super) struct Silent<T>(pub(super) T);

impl<T> Query for Silent<T> {
    type SqlType = Integer;
}

impl<T, DB> QueryFragment<DB> for Silent<T>
where
    DB: Backend,
    T: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }
}

define_sql_function! {
    /// Number of rows that SQLite's last INSERT, UPDATE or DELETE changed.
    fn changes() -> Integer;
}

/// Returns how many rows the last statement of this connection changed.
pub(super) fn changed(conn: &mut SqliteConnection) -> QueryResult<usize> {
    let rows: i32 = diesel::select(changes()).get_result(conn)?;
    Ok(usize::try_from(rows).unwrap_or(0))
}

/// Runs a statement that returns no rows, and caches its prepared form. Returns how many rows it
/// changed.
///
/// Diesel's `execute` does not serve here: it takes the statement by reference and loses what
/// [`Cached`] says. On PostgreSQL the statement returns a one for each row. SQLite would store
/// those in a temporary table, so there the rows are counted.
macro_rules! run_kept {
    ($tx:expr, $statement:expr) => {{
        use $crate::cached::{Silent, cached, changed};
        enum Here {}
        let one = || diesel::IntoSql::into_sql::<diesel::sql_types::Integer>(1);
        match &mut $tx.conn {
            $crate::conn::Conn::Sqlite(conn) => cached::<Here, _>(Silent($statement))
                .load::<i32>(conn)
                .and_then(|_none| changed(conn)),
            $crate::conn::Conn::Postgres(conn) => cached::<Here, _>($statement.returning(one()))
                .load::<i32>(conn)
                .map(|rows| rows.len()),
        }
    }};
}

pub(super) use {kept, on, run_kept};
