//! What there is where a database should be, seen before anything is made or changed.

use super::conn::{self, Conn, Engine, SchemaState, Use};
use super::{Tx, notices};
use crate::model::Error;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Look {
    /// How its schema stands beside this version's; `None` when there is no database of Countersign's.
    pub schema: Option<SchemaState>,
    /// What was sealed with each of its keys to know it by: the key's id, and the sealed value.
    pub canaries: Vec<(String, Vec<u8>)>,
    /// The name of the database on its server; of a file there is none.
    pub name: Option<String>,
}

/// Looks. Nothing is made, neither a file nor a table.
///
/// # Errors
/// When there is something that cannot be opened or read.
pub fn look(engine: &Engine) -> anyhow::Result<Look> {
    let mut seen = Look {
        schema: None,
        canaries: Vec::new(),
        name: None,
    };
    if let Engine::Sqlite(path) = engine
        && !std::path::Path::new(path).exists()
    {
        return Ok(seen);
    }
    let mut tx = Tx {
        conn: conn::open(engine, Use::Look)?,
    };
    let read = read(&mut tx, &mut seen);
    read.map_err(|error| conn::explained(engine, error))?;
    Ok(seen)
}

fn read(tx: &mut Tx, seen: &mut Look) -> anyhow::Result<()> {
    seen.name = conn::name(&mut tx.conn)?;
    if conn::is_made(&mut tx.conn)? {
        seen.schema = Some(conn::schema_state(&mut tx.conn)?);
        seen.canaries = notices::canaries(tx).map_err(told)?;
    }
    Ok(())
}

/// Brings a database to this version's schema, and makes it where there is none.
///
/// # Errors
/// As [`conn::migrate`].
pub fn migrate(engine: &Engine) -> anyhow::Result<()> {
    let mut conn: Conn = conn::open(engine, Use::Write)?;
    conn::migrate(&mut conn).map_err(|error| conn::explained(engine, error))
}

fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Fault(fault) => fault.cause,
        Error::Refused(refusal) => anyhow::anyhow!("{}", refusal.sentence()),
    }
}
