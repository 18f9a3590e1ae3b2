//! Runs the migrations on a real SQLite in memory, up, down and up again, and checks the parser
//! against it.

use anyhow::{Context, Result};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{Integer, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

use super::Migration;
use super::ddl::Tables;

/// An object in the schema: table, index, trigger or view.
#[derive(Debug, PartialEq, QueryableByName)]
struct Thing {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// A column as SQLite reports it.
#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Integer)]
    notnull: i32,
    #[diesel(sql_type = Integer)]
    pk: i32,
}

/// Returns what is wrong, one sentence each.
///
/// # Errors
///
/// Fails if a migration does not run.
pub fn up_down_up(migrations: &[Migration]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut connection =
        SqliteConnection::establish(":memory:").context("opening SQLite in memory")?;
    up(&mut connection, migrations)?;
    let first = things(&mut connection)?;
    found.extend(misread(&mut connection, migrations)?);
    for migration in migrations.iter().rev() {
        connection
            .batch_execute(&migration.down)
            .with_context(|| format!("sqlite/{}/down.sql", migration.name))?;
    }
    let left = things(&mut connection)?;
    found.extend(
        left.iter()
            .map(|thing| format!("after all down.sql, SQLite still has {}", thing.name)),
    );
    if left.is_empty() {
        up(&mut connection, migrations).context("the second time")?;
        if things(&mut connection)? != first {
            found.push("up, down and up on SQLite do not end where the first up did".to_owned());
        }
    }
    Ok(found)
}

fn up(connection: &mut SqliteConnection, migrations: &[Migration]) -> Result<()> {
    for migration in migrations {
        connection
            .batch_execute(&migration.up)
            .with_context(|| format!("sqlite/{}/up.sql", migration.name))?;
    }
    Ok(())
}

fn things(connection: &mut SqliteConnection) -> Result<Vec<Thing>> {
    let query = "SELECT name, coalesce(sql, '') AS sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    sql_query(query)
        .load(connection)
        .context("reading SQLite's schema")
}

/// Returns where the parser and SQLite disagree about tables. The parser is then wrong.
fn misread(connection: &mut SqliteConnection, migrations: &[Migration]) -> Result<Vec<String>> {
    let mut read = Tables::default();
    for migration in migrations {
        read.apply(&migration.up)?;
    }
    let mut found = Vec::new();
    for (name, table) in &read.tables {
        let columns: Vec<Column> = sql_query(format!(
            "SELECT name, \"notnull\", pk FROM pragma_table_info('{name}')"
        ))
        .load(connection)
        .with_context(|| format!("reading the columns of {name}"))?;
        let seen = columns
            .iter()
            .map(|one| (one.name.clone(), one.notnull == 0 && one.pk == 0))
            .collect();
        if table.columns != seen {
            found.push(format!(
                "xtask reads the columns of {name} otherwise than SQLite does; see ddl.rs"
            ));
        }
    }
    Ok(found)
}
