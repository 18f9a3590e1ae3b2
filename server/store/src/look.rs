//! Inspects the place where the database should be, before anything is created or changed.

use super::conn::{self, Conn, Engine, SchemaState, Use};
use super::{Tx, notices};
use crate::model::Error;

/// What was found.
#[derive(Clone, Debug)]
pub struct Look {
    /// The state of its schema; `None` if there is no Countersign database.
    pub schema: Option<SchemaState>,
    /// The canaries of the sealing keys: each key's id, and the known value that it sealed.
    pub canaries: Vec<(String, Vec<u8>)>,
    /// The name of the database on its server; `None` for a file.
    pub name: Option<String>,
}

/// Inspects the database. Creates neither a file nor a table.
///
/// # Errors
/// Fails if there is something that cannot be opened or read.
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

/// Brings a database to this version's schema, and creates it if there is none.
///
/// # Errors
/// Fails as [`conn::migrate`] does.
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
