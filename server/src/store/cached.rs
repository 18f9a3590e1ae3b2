//! Statements that keep their prepared form: diesel caches no UPDATE by itself, and parsing one anew
//! costs more than running it.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// A statement whose SQL is the same every time, whatever is bound: `M` stands for that SQL, so each
/// statement needs a marker of its own.
pub(super) struct Cached<M, T> {
    statement: T,
    marker: PhantomData<fn() -> M>,
}

/// Has the statement's prepared form kept under the marker `M`.
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

/// Wraps a statement that returns rows, so that its prepared form is kept; to be written where the
/// statement stands, as each place is one statement.
macro_rules! kept {
    ($statement:expr) => {{
        enum Here {}
        $crate::store::cached::cached::<Here, _>($statement)
    }};
}

/// Runs a query on whichever database it is.
///
/// Each arm builds the query for its own database. Built for the enum over both, its SQL is written anew each
/// time, only to ask whether its prepared form is kept.
macro_rules! on {
    ($tx:expr, |$conn:ident| $query:expr) => {
        match &mut $tx.conn {
            $crate::store::conn::Conn::Sqlite($conn) => $query,
            $crate::store::conn::Conn::Postgres($conn) => $query,
        }
    };
}

/// Runs a statement that returns no rows, and keeps its prepared form; how many rows it changed.
///
/// It returns a one for each row, since diesel's `execute` takes a reference on the way, which loses
/// what [`Cached`] says.
macro_rules! run_kept {
    ($tx:expr, $statement:expr) => {{
        enum Here {}
        let one = || diesel::IntoSql::into_sql::<diesel::sql_types::Integer>(1);
        let rows = $crate::store::cached::on!($tx, |conn| {
            let statement = $statement.returning(one());
            $crate::store::cached::cached::<Here, _>(statement).load::<i32>(conn)
        });
        rows.map(|rows| rows.len())
    }};
}

pub(super) use {kept, on, run_kept};
