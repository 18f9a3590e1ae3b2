//! What a live database says about its own tables, and how two databases differ.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{Bool, Integer, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

/// Columns, by table and name.
pub type Columns = BTreeMap<(String, String), Column>;

/// What both databases must agree about. Types may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Whether it may be null.
    nullable: bool,
    /// Its place in the primary key, from 1; 0 outside of it.
    key: i32,
}

/// A column as the database lists it.
#[derive(QueryableByName)]
struct Listed {
    #[diesel(sql_type = Text)]
    relation: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
    #[diesel(sql_type = Integer)]
    key: i32,
}

/// A table or an index as the database lists it.
#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

/// A database that migrations run on.
pub trait Database: SimpleConnection {
    /// Its name in findings.
    const NAME: &'static str;

    /// Returns its columns.
    ///
    /// # Errors
    ///
    /// Fails if the database does not answer.
    fn columns(&mut self) -> Result<Columns>;

    /// Returns the names of its tables and of the indexes that the migrations made, in order.
    ///
    /// # Errors
    ///
    /// Fails if the database does not answer.
    fn names(&mut self) -> Result<Vec<String>>;
}

impl Database for SqliteConnection {
    const NAME: &'static str = "SQLite";

    fn columns(&mut self) -> Result<Columns> {
        let listed = sql_query(
            "SELECT m.name AS relation, c.name AS name, c.\"notnull\" = 0 AND c.pk = 0 AS nullable, c.pk AS key \
             FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
        );
        Ok(columns(
            listed.load(self).context("reading SQLite's columns")?,
        ))
    }

    fn names(&mut self) -> Result<Vec<String>> {
        let listed = sql_query(
            "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
        );
        Ok(names(listed.load(self).context("reading SQLite's names")?))
    }
}

impl Database for PgConnection {
    const NAME: &'static str = "PostgreSQL";

    fn columns(&mut self) -> Result<Columns> {
        // `indkey` counts from 0.
        let listed = sql_query(
            "SELECT t.relname::text AS relation, a.attname::text AS name, NOT a.attnotnull AS nullable, \
             coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0) AS key \
             FROM pg_class t \
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
             LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary \
             WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace",
        );
        Ok(columns(
            listed.load(self).context("reading PostgreSQL's columns")?,
        ))
    }

    fn names(&mut self) -> Result<Vec<String>> {
        // An index of a constraint bears the constraint's name and goes with it.
        let listed = sql_query(
            "SELECT t.relname::text AS name FROM pg_class t \
             WHERE t.relkind IN ('r', 'i') AND t.relnamespace = 'public'::regnamespace \
             AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = t.oid) \
             ORDER BY t.relname COLLATE \"C\"",
        );
        Ok(names(
            listed.load(self).context("reading PostgreSQL's names")?,
        ))
    }
}

fn columns(listed: Vec<Listed>) -> Columns {
    let column = |one: Listed| {
        let Listed {
            relation,
            name,
            nullable,
            key,
        } = one;
        ((relation, name), Column { nullable, key })
    };
    listed.into_iter().map(column).collect()
}

fn names(listed: Vec<Named>) -> Vec<String> {
    listed.into_iter().map(|one| one.name).collect()
}

/// Returns how SQLite's columns differ from PostgreSQL's, one sentence each.
pub fn differences(sqlite: &Columns, postgres: &Columns) -> Vec<String> {
    let mut found = Vec::new();
    for (place, left) in sqlite {
        let (table, column) = place;
        match postgres.get(place) {
            None => found.push(format!("{table}.{column} is there in SQLite only")),
            Some(right) if left.nullable != right.nullable => {
                let side = if left.nullable { "SQLite" } else { "PostgreSQL" };
                found.push(format!("{table}.{column} may be null in {side} only"));
            }
            Some(right) if left.key != right.key => found.push(format!(
                "{table}.{column} has place {} in SQLite's primary key, {} in PostgreSQL's (0 is none)",
                left.key, right.key
            )),
            Some(_) => {}
        }
    }
    for (table, column) in postgres.keys().filter(|place| !sqlite.contains_key(place)) {
        found.push(format!("{table}.{column} is there in PostgreSQL only"));
    }
    found
}
